// @ts-check
// A command's output: stdout and stderr as terminal blocks.

import { html } from "../lib/html.js";
import { json } from "../lib/text.js";
import { Text } from "./text.js";

/** Return whether a value is what `cmd.run_all` returns, or a state's changes by a command. */
export function isCommand(value) {
  return value !== null && typeof value === "object" && typeof value.stdout === "string" && typeof value.stderr === "string" && "retcode" in value;
}

/** A command's output. */
export function Command({ value, label }) {
  const { stdout, stderr, retcode, ...others } = value;
  return html`<div class="command" role="group" aria-label=${label}>
    <p class=${retcode === 0 ? "dim" : "bad"}>return code ${String(retcode)}</p>
    ${(stdout !== "" || stderr === "") && html`<h3>stdout</h3><${Text} text=${stdout} label=${`stdout in ${label}`} terminal />`}
    ${stderr !== "" && html`<h3>stderr</h3><${Text} text=${stderr} label=${`stderr in ${label}`} terminal />`}
    ${Object.keys(others).length > 0 && html`<p class="dim">${Object.entries(others).map(([name, one]) => `${name} ${json(one, 200)[0]}`).join(" · ")}</p>`}
  </div>`;
}
