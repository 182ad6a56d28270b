// @ts-check
// A highstate's return: its states, failed and changed ones first, each folded.

import { html } from "../lib/html.js";
import { count } from "../lib/format.js";
import { brief } from "../lib/text.js";
import { Value } from "./value.js";

const MOST = 500; // states; the return itself can be copied whole

export function Highstate({ states }) {
  const failed = states.filter((state) => state.failed).length;
  const changed = states.filter((state) => state.changed).length;
  return html`<div class="highstate">
    <p>${count(states.length, "state")}: ${failed} failed, ${changed} changed</p>
    ${states.slice(0, MOST).map((state) => html`<${OneState} key=${state.key} state=${state} />`)}
    ${states.length > MOST && html`<p class="dim">${count(states.length - MOST, "more state")} not shown</p>`}
  </div>`;
}

function OneState({ state }) {
  const kind = state.failed ? "failed" : state.changed ? "changed" : state.result === null ? "pending" : "same";
  const word = { failed: "✗ failed", changed: "✎ changed", pending: "… would change", same: "✓ as it was" }[kind];
  return html`<details class="one-state ${kind}" open=${state.failed}>
    <summary><span class="kind">${word}</span> <strong>${state.id}</strong> <span class="dim">${state.fun}</span> <span class="comment">${brief(state.comment)}</span></summary>
    <${Value} value=${state.comment} label=${`comment of ${state.id}`} />
    ${state.changed && html`<${Value} value=${state.changes} label=${`changes of ${state.id}`} />`}
    ${state.duration !== null && html`<p class="dim">took ${String(state.duration)} ms</p>`}
  </details>`;
}
