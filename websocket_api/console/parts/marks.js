// @ts-check
// Small parts of many views: states, progress bars, faults, choices.

import { SEPARATOR, args, countsText } from "../lib/format.js";
import { faultText } from "../lib/faults.js";
import { html } from "../lib/html.js";
import { to } from "../lib/route.js";

const SIGNS = {
  up: "●", down: "○", unknown: "?",
  running: "▶", complete: "✓", failed: "✗", partial: "◐", canceled: "⊘",
  returned: "✓", missing: "∅", pending: "…", paused: "‖", sent: "▶", dispatching: "▶", resolved: "✓", error: "✗", timeout: "⏱",
  accepted: "✓", rejected: "✗", denied: "✗",
};

/** States of batches, in the words of jobs. */
const WORDS = { resolved: "complete", dispatching: "running", sent: "running", error: "failed", timeout: "timed out" };

/** A state as a sign and a word, because colour alone is not enough. */
export function State({ state, word = WORDS[state] ?? state }) {
  return html`<span class="state ${state}"><span aria-hidden="true">${SIGNS[state] ?? "·"}</span> ${word}</span>`;
}

export function Bar({ value, state, label }) {
  const percent = Math.max(0, Math.min(100, Math.round(value)));
  return html`<span class="bar ${state}" role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}>
    <span class="bar-done" style=${{ width: `${percent}%` }}></span>
  </span>`;
}

/** A job's function, which leads to its page, with its arguments. */
export function JobName({ job }) {
  const { fun, jid } = job;
  return html`<a href=${to("jobs", jid)} aria-label=${`${fun ?? "unknown function"}, job ${jid}`}>${fun ?? "?"}</a> <span class="dim">${args(job)}</span>`;
}

/** A job's bar and counts. */
export function JobProgress({ job }) {
  if (job.kind !== "job") return html`<span class="dim">on the master</span>`;
  const [returned, ...others] = countsText(job).split(SEPARATOR);
  return html`<span class="progress"><${Bar} value=${job.progress} state=${job.state} label=${`Progress of job ${job.jid}`} /><span class="progress-text">${returned}${others.map((text) => html`${SEPARATOR}<span class="bad">${text}</span>`)}</span></span>`;
}

/** What went wrong, and what to do. */
export function Fault({ fault }) {
  if (!fault) return null;
  const { text, fix, details } = faultText(fault);
  return html`<div class="fault" role="alert">
    <strong>${text}</strong>${fix && ` ${fix}`}
    ${details.length > 0 && html`<ul>${details.map((one) => html`<li>${one}</li>`)}</ul>`}
  </div>`;
}

/** A choice of one among a few. */
export function Choice({ label, value, options, change }) {
  return html`<div class="choice" role="group" aria-label=${label}>
    ${options.map(
      ([name, text]) => html`<button type="button" key=${name} aria-pressed=${value === name} onClick=${() => change(name)}>${text}</button>`,
    )}
  </div>`;
}
