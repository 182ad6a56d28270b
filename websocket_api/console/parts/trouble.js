// @ts-check
// A word about a connection that is lost or refused, above every view: what is shown below is of before.

import { html } from "../lib/html.js";

export function Trouble({ connection }) {
  const { state, reason } = connection;
  if (!["waiting", "connecting", "refused"].includes(state)) return null;
  const what = state === "refused" ? "The server refuses this page." : "The connection is lost; what is shown is of before.";
  return html`<div class="trouble">
    <span>${what}${reason && html` <span class="dim">${reason}</span>`}</span>
    <button type="button" class="small" disabled=${state === "connecting"} onClick=${() => connection.retry()}>${state === "connecting" ? "Trying …" : "Try now"}</button>
  </div>`;
}
