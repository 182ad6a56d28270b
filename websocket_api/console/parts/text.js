// @ts-check
// A text of any length: a diff, a terminal's output, or plain; and a command's output.

import { html, useState } from "../lib/html.js";
import { diffRuns, isDiff, terminalRuns } from "../lib/runs.js";
import { SHOWN, json } from "../lib/text.js";

const MORE = 10; // times as many characters at each press of the button
const RUNS = { diff: diffRuns, terminal: terminalRuns, plain: (text) => [[text, ""]] };

/**
 * A text in a box: its beginning, and more on demand.
 *
 * @param text
 * @param label its name, for screen readers
 * @param terminal whether it is a terminal's output, with colours
 * @param plain whether nothing is coloured
 */
export function Text({ text, label, terminal = false, plain = false }) {
  const kind = plain ? "plain" : terminal ? "terminal" : isDiff(text) ? "diff" : "plain";
  const cut = (max) => [text.slice(0, max), text.length <= max];
  return html`<${Writing} write=${cut} label=${label} kind=${kind} />`;
}

/** What `write(max)` returns, [text, whole], in a box. */
export function Writing({ write, label, kind = "plain" }) {
  const [max, setMax] = useState(SHOWN);
  const [text, whole] = write(max);
  const runs = RUNS[kind](text);
  return html`<pre tabindex="0" class=${kind} aria-label=${label}>${
      text === "" ? html`<span class="dim">(empty)</span>` : runs.map(([part, name]) => (name ? html`<span class=${name}>${part}</span>` : part))
    }</pre>
    ${!whole && html`<p class="more">Only the beginning is shown. <button type="button" onClick=${() => setMax(max * MORE)}>Show more</button></p>`}`;
}

/** Return whether a value is what `cmd.run_all` returns, or a state's changes by a command. */
export function isCommand(value) {
  return value !== null && typeof value === "object" && typeof value.stdout === "string" && typeof value.stderr === "string" && "retcode" in value;
}

/** A command's output: stdout and stderr as terminal blocks. */
export function Command({ value, label }) {
  const { stdout, stderr, retcode, ...others } = value;
  return html`<div class="command" role="group" aria-label=${label}>
    <p class=${retcode === 0 ? "dim" : "bad"}>return code ${String(retcode)}</p>
    ${(stdout !== "" || stderr === "") && html`<h3>stdout</h3><${Text} text=${stdout} label=${`stdout in ${label}`} terminal />`}
    ${stderr !== "" && html`<h3>stderr</h3><${Text} text=${stderr} label=${`stderr in ${label}`} terminal />`}
    ${Object.keys(others).length > 0 && html`<p class="dim">${Object.entries(others).map(([name, one]) => `${name} ${json(one, 200)[0]}`).join(" · ")}</p>`}
  </div>`;
}
