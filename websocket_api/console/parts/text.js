// @ts-check
// A text of any length: a diff, a terminal's output, or plain.

import { terminalRuns } from "../lib/ansi.js";
import { diffRuns, isDiff } from "../lib/diff.js";
import { html, useState } from "../lib/html.js";
import { SHOWN } from "../lib/text.js";

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
