// @ts-check
// The top of every view: the master, the search, the theme, the help, the connection, the user; the navigation; a notice.

import { html, useEffect } from "../lib/html.js";
import { useStore } from "../lib/hooks.js";
import { to } from "../lib/route.js";
import { THEMES, theme } from "../lib/theme.js";
import { FIRST } from "../lib/views.js";

const STATES = {
  open: "connected",
  connecting: "connecting …",
  waiting: "connection lost, reconnecting …",
  refused: "refused",
  out: "logged out",
};

export function Header({ session, connection, open }) {
  useStore(theme, 0);
  const { master, version } = session.server;
  const [sign, word] = THEMES[theme.name];
  return html`<header>
    <a class="brand" href=${to(FIRST)} title=${`Salt ${master.salt}, websocket_api ${version}${master.cluster ? `, cluster ${master.cluster}` : ""}`}>
      <strong>${master.id}</strong> <span class="versions">Salt ${master.salt}</span>
    </a>
    <button type="button" class="search" aria-label="Search or go to …" aria-keyshortcuts="Control+K" onClick=${() => open("palette")}><span aria-hidden="true">⌕</span> <span class="wide">Search or go to …</span> <kbd class="wide">Ctrl K</kbd></button>
    <span role="status"><a class="wire ${connection.state}" aria-label=${STATES[connection.state]} href=${to("connection")}><span aria-hidden="true">●</span> <span class="wire-text">${STATES[connection.state]}</span></a></span>
    <button type="button" class="icon" aria-label=${`Theme: ${word}`} title=${`Theme: ${word}`} onClick=${() => theme.next()}><span aria-hidden="true">${sign}</span></button>
    <button type="button" class="icon" aria-label="Help" title="Help (?)" onClick=${() => open("help")}><span aria-hidden="true">?</span></button>
    <span class="user-name" title=${session.user.user}>${session.user.user}</span>
    <button type="button" onClick=${() => session.logOut()}>Log out</button>
  </header>`;
}

export function Navigation({ views, name }) {
  useEffect(() => {
    scrollToCenter(document.querySelector("nav"), document.querySelector("nav [aria-current]"));
  }, [name]);
  return html`<nav aria-label="Views">
    ${views.map((view) => html`<a key=${view.name} href=${to(view.name)} aria-current=${view.name === name ? "page" : undefined}><span class="view-icon" aria-hidden="true">${view.icon}</span>${view.title}</a>`)}
  </nav>`;
}

/** Scroll the views of a narrow screen sideways. scrollIntoView would also move where Tab continues. */
function scrollToCenter(box, element) {
  const [outer, inner] = [box.getBoundingClientRect(), element.getBoundingClientRect()];
  box.scrollLeft += inner.left + inner.width / 2 - (outer.left + outer.width / 2);
}

/** A notice above every view while the connection is lost or refused: what is shown is not current. */
export function ConnectionNotice({ connection }) {
  const { state, reason } = connection;
  if (!["waiting", "connecting", "refused"].includes(state)) return null;
  const text = state === "refused" ? "The server refuses this page." : "The connection is lost; the page shows the last known state.";
  return html`<div class="notice">
    <span>${text}${reason && html` <span class="dim">${reason}</span>`}</span>
    <button type="button" class="small" disabled=${state === "connecting"} onClick=${() => connection.retry()}>${state === "connecting" ? "Connecting …" : "Try now"}</button>
  </div>`;
}
