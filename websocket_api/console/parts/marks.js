// @ts-check
// Small things that many views show: states, bars, faults.

import { html } from "../lib/html.js";

const SIGNS = {
  up: "●", down: "○", unknown: "?",
  running: "▶", complete: "✓", failed: "✗", partial: "◐", canceled: "⊘",
  returned: "✓", missing: "∅", pending: "…", sent: "▶", dispatching: "▶", resolved: "✓", error: "✗", timeout: "⏱",
  accepted: "✓", rejected: "✗", denied: "✗",
};

/** A state as a sign and a word: colour alone would not do. */
export function State({ state, word = state }) {
  return html`<span class="state ${state}"><span aria-hidden="true">${SIGNS[state] ?? "·"}</span> ${word}</span>`;
}

/** How far something is. */
export function Bar({ value, state, label }) {
  const percent = Math.max(0, Math.min(100, Math.round(value)));
  return html`<span class="bar ${state}" role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}>
    <span class="bar-done" style=${{ width: `${percent}%` }}></span>
  </span>`;
}

/** `n of m returned`, with its bar. */
export function JobProgress({ job }) {
  if (job.kind !== "job") return html`<span class="dim">on the master</span>`;
  const text = `${job.done} of ${job.total} returned`;
  return html`<span class="progress"><${Bar} value=${job.progress} state=${job.state} label=${`Progress of job ${job.jid}`} /><span class="progress-text">${text}</span></span>`;
}

/** What went wrong, with all that the server says of it. */
export function Fault({ fault }) {
  if (!fault) return null;
  const details = Array.isArray(fault.details) ? fault.details.filter((one) => one?.message && !fault.message.includes(one.message)) : [];
  return html`<div class="fault" role="alert">
    <strong>${fault.message}</strong>${fault.code && html` <code>${fault.code}</code>`}
    ${details.length > 0 && html`<ul>${details.map((one) => html`<li>${one.path ? `${one.path} ` : ""}${one.message}</li>`)}</ul>`}
  </div>`;
}

/** A choice of one among a few. */
export function Choice({ label, value, options, change }) {
  return html`<div class="choice" role="group" aria-label=${label}>
    ${options.map(
      ([name, text]) => html`<button type="button" key=${name} aria-pressed=${value === name ? "true" : "false"} onClick=${() => change(name)}>${text}</button>`,
    )}
  </div>`;
}
