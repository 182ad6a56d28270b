// @ts-check
// The user and their permissions, the connection, and the server with its limits.

import { html, useEffect } from "../lib/html.js";
import { clock, span } from "../lib/format.js";
import { useClock, useStore } from "../lib/hooks.js";
import { brief } from "../lib/text.js";
import { notifications } from "../parts/toasts.js";

const PING_EVERY_MS = 5000; // while this view is shown
const READ_EVERY_MS = 30_000;
const RIGHTS = {
  all: "run every function everywhere",
  events: "see events other than those of jobs, minions and keys",
  fire: "fire events",
  jobs: "see all jobs",
  keys: "see keys",
};

export function ConnectionView({ session, connection }) {
  useClock(1);
  useEffect(() => {
    connection.ping();
    session.readAgain();
    const timers = [setInterval(() => connection.ping(), PING_EVERY_MS), setInterval(() => session.readAgain(), READ_EVERY_MS)];
    return () => timers.forEach(clearInterval);
  }, [connection]);
  const { user, server } = session;
  const left = user.expire - Date.now() / 1000;
  return html`<div class="view page-view">
    <h1>Connection</h1>
    <div class="cards">
      <section><h2>You</h2>
        <dl>
          <dt>User</dt><dd>${user.user} <span class="dim">(${user.eauth})</span></dd>
          <dt>Login ends</dt><dd>${clock(user.expire * 1000)} <span class="dim">in ${span(left)}</span></dd>
          <dt>On this device</dt><dd>${session.stays ? "stays logged in" : "until this tab is closed"}</dd>
          <dt>Notifications</dt><dd><${Notify} /></dd>
          ${Object.entries(RIGHTS).map(([name, text]) => html`<dt>May ${text}</dt><dd>${answer(user.can[name])}</dd>`)}
          <dt>Permissions</dt><dd><ul>${user.perms.map((perm) => html`<li><code>${brief(perm, 200)}</code></li>`)}</ul></dd>
        </dl>
      </section>
      <section><h2>Connection</h2>
        <dl>
          <dt>State</dt><dd>${connection.state === "open" ? "connected" : "not connected"}${connection.reason && `: ${connection.reason}`}</dd>
          <dt>Latency</dt><dd>${connection.latency === null ? "…" : `${connection.latency.toFixed(1)} ms`}</dd>
          <dt>Reconnects</dt><dd>${connection.reconnects}</dd>
          <dt>Subscriptions</dt><dd>${connection.follows.size}</dd>
          <dt>Last event</dt><dd>${connection.follows.seq} <span class="dim">of epoch ${connection.follows.epoch}</span></dd>
        </dl>
        <h3>Log</h3>
        <ol class="notes" reversed>${[...connection.notes].reverse().map((note) => html`<li>${clock(note.time)} ${note.text}</li>`)}</ol>
      </section>
      <section><h2>Server</h2>
        <dl>
          <dt>Master</dt><dd>${server.master.id}${server.master.cluster && html` <span class="dim">of cluster ${server.master.cluster}</span>`}</dd>
          ${Object.entries(server.masters ?? {}).map(([name, known]) => html`<dt>Other master</dt><dd>${name} <span class=${known.stale ? "bad" : "dim"}>${masterText(known)}</span></dd>`)}
          <dt>Salt</dt><dd>${server.master.salt}</dd>
          <dt>websocket_api</dt><dd>${server.version}</dd>
          <dt>Clients</dt><dd>${server.clients.join(", ") || "none"}</dd>
          <dt>Subscriptions</dt><dd>${server.subscriptions.join(", ")}</dd>
        </dl>
        <details><summary>Limits</summary>
          <dl class="limits">${Object.entries(server.limits).map(([name, value]) => html`<dt>${name.replaceAll("_", " ")}</dt><dd>${value.toLocaleString("en")}</dd>`)}</dl>
        </details>
      </section>
    </div>
  </div>`;
}

const NOTIFY = { on: "on: when a job that you started ends", off: "off", denied: "blocked: allow them in the browser's settings for this page", unsupported: "not available: they need https" };

/** Notifications of the system; the browser asks only after the user turned them on. */
function Notify() {
  useStore(notifications, 0);
  const { state } = notifications;
  return html`${NOTIFY[state]} ${state === "off" && html`<button type="button" class="small" onClick=${() => notifications.turnOn()}>Turn on</button>`}${state === "on" && html`<button type="button" class="small" onClick=${() => notifications.turnOff()}>Turn off</button>`}`;
}

/** Return what the server knows of another master. */
export function masterText({ stale, seen }) {
  if (!stale) return "connected";
  return seen ? `silent, last seen ${clock(seen)}` : "silent";
}

function answer(value) {
  if (Array.isArray(value)) return value.join(", ");
  return value ? "yes" : "no";
}
