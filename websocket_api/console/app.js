// @ts-check
// The page: the header with its views, the login, and the view that the address names.

import { html, render, useEffect, useMemo, useState } from "./lib/html.js";
import { useStore } from "./lib/hooks.js";
import { loadTheRest } from "./lib/lazy.js";
import { to, useRoute } from "./lib/route.js";
import { FIRST, viewsOf } from "./lib/views.js";
import { ConnectionNotice } from "./parts/notice.js";
import { Login } from "./parts/login.js";
import { BatchesStore } from "./stores/batches.js";
import { EventsStore } from "./stores/events.js";
import { FleetStore } from "./stores/fleet.js";
import { FunctionsStore } from "./stores/functions.js";
import { JobsStore } from "./stores/jobs.js";
const STATES = {
  open: "connected",
  connecting: "connecting …",
  waiting: "connection lost, reconnecting …",
  refused: "refused",
  out: "logged out",
};

/** Draw the page into an element. `restored` resolves when a stored login was tried, with the fault if it failed. */
export function show(element, props) {
  element.replaceChildren();
  render(html`<${App} ...${props} />`, element);
}

function App({ session, connection, restored }) {
  useStore(session, 0);
  useStore(connection, 50);
  const [restoring, setRestoring] = useState(true);
  const [fault, setFault] = useState(null);
  useEffect(() => {
    restored.then((found) => {
      setFault(found);
      setRestoring(false);
    });
  }, []);
  const out = !restoring && (connection.state === "out" || session.user === null || session.loggingIn);
  const again = out && session.user !== null;
  return html`
    ${session.user && html`<${Page} key=${session.number} session=${session} connection=${connection} behind=${out} />`}
    ${!session.user && restoring && html`<p class="restoring" role="status">connecting …</p>`}
    ${out && html`<${Login} session=${session} reason=${connection.reason || fault?.message} again=${again} />`}
  `;
}

function Page({ session, connection, behind }) {
  const stores = useStores(session, connection);
  const route = useRoute();
  const views = viewsOf(session);
  const { name, title, View } = views.find((one) => one.name === route.view) ?? views.find((one) => one.name === FIRST);
  useEffect(() => void loadTheRest(), []);
  useEffect(() => {
    document.title = `${title} · Salt console`; // a constant of this file
    scrollToCenter(document.querySelector("nav"), document.querySelector("nav [aria-current]"));
  }, [title]);
  return html`<div class="page" inert=${behind ? true : undefined} aria-hidden=${behind ? "true" : undefined}>
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header>
      <span class="brand">Salt</span>
      <nav aria-label="Views">
        ${views.map((one) => html`<a key=${one.name} href=${to(one.name)} aria-current=${one.name === name ? "page" : undefined}>${one.title}</a>`)}
      </nav>
      <span role="status"><a class="wire ${connection.state}" href=${to("connection")}><span aria-hidden="true">●</span> ${STATES[connection.state]}</a></span>
      <span class="user-name">${session.user.user}</span>
      <button type="button" onClick=${() => session.logOut()}>Log out</button>
    </header>
    <${ConnectionNotice} connection=${connection} />
    <main id="main" tabindex="-1"><${View} ...${{ session, connection, route, ...stores }} /></main>
  </div>`;
}

/** Create what outlives a view, for one user. */
function useStores(session, connection) {
  const stores = useMemo(() => {
    const fleet = new FleetStore(connection);
    const stop = fleet.listen(() => {
      if (!fleet.complete) return;
      stop();
      session.readWheels();
    });
    const batches = session.has("list_batches") ? new BatchesStore(connection) : null;
    const functions = new FunctionsStore(connection, fleet);
    return { fleet, functions, jobs: new JobsStore(connection, fleet), events: new EventsStore(connection), batches, form: {} };
  }, []);
  useEffect(
    () => () => {
      stores.fleet.stop();
      stores.jobs.stop();
      stores.events.stop();
      stores.batches?.stop();
    },
    [],
  );
  return stores;
}

/** Scroll the views of a narrow screen sideways. scrollIntoView would also move where Tab continues. */
function scrollToCenter(box, element) {
  const [outer, inner] = [box.getBoundingClientRect(), element.getBoundingClientRect()];
  box.scrollLeft += inner.left + inner.width / 2 - (outer.left + outer.width / 2);
}

function skip(event) {
  event.preventDefault(); // the part behind # is the route
  document.getElementById("main").focus();
}
