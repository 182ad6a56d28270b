// @ts-check
// A notice above every view while the connection is lost or refused: what is shown is not current.

import { html } from "../lib/html.js";

export function ConnectionNotice({ connection }) {
  const { state, reason } = connection;
  if (!["waiting", "connecting", "refused"].includes(state)) return null;
  const text = state === "refused" ? "The server refuses this page." : "The connection is lost; the page shows the last known state.";
  return html`<div class="notice">
    <span>${text}${reason && html` <span class="dim">${reason}</span>`}</span>
    <button type="button" class="small" disabled=${state === "connecting"} onClick=${() => connection.retry()}>${state === "connecting" ? "Connecting …" : "Try now"}</button>
  </div>`;
}
