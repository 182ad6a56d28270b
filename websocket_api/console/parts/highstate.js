// @ts-check
// A highstate's return: its states, failed and changed ones first, each folded.

import { html } from "../lib/html.js";
import { count } from "../lib/format.js";
import { KINDS, statesText } from "../lib/states.js";
import { brief } from "../lib/text.js";
import { Value } from "./value.js";

const MAX_SHOWN = 500; // states; the return itself can be copied whole
const SIGNS = { failed: "✗", changed: "✎", pending: "…", blocked: "⊘", same: "✓" };

export function Highstate({ states }) {
  return html`<div class="highstate">
    <p>${statesText(states)}</p>
    ${states.slice(0, MAX_SHOWN).map((state) => html`<${State} key=${state.key} state=${state} />`)}
    ${states.length > MAX_SHOWN && html`<p class="dim">${count(states.length - MAX_SHOWN, "more state")} not shown</p>`}
  </div>`;
}

function State({ state }) {
  const { kind } = state;
  const hasChanges = Object.keys(state.changes).length > 0;
  return html`<details class="one-state ${kind}" open=${kind === "failed"}>
    <summary><span class="kind">${SIGNS[kind]} ${KINDS[kind]}</span> <strong>${state.id}</strong> <span class="dim">${state.fun}</span> <span class="comment">${brief(state.comment)}</span></summary>
    <${Value} value=${state.comment} label=${`comment of ${state.id}`} />
    ${hasChanges && html`<${Value} value=${state.changes} label=${`changes of ${state.id}`} />`}
    ${state.duration !== null && html`<p class="dim">took ${String(state.duration)} ms</p>`}
  </details>`;
}
