// @ts-check
// Result: whatever a function returned, in the form that fits it, and as YAML, JSON or raw; with search, copy and download.

import { find } from "../lib/find.js";
import { useSettled } from "../lib/hooks.js";
import { html, useMemo, useState } from "../lib/html.js";
import { isDiff } from "../lib/runs.js";
import { orchestratedOf, statesOf } from "../lib/states.js";
import { json, readable } from "../lib/text.js";
import { yaml } from "../lib/yaml_text.js";
import { Copy, Download } from "./copy.js";
import { Highstate } from "./highstate.js";
import { Choice } from "./marks.js";
import { Command, Text, Writing, isCommand } from "./text.js";
import { Tree } from "./tree.js";

const MATCHES = 200; // shown of a search
const LARGE = 400; // characters above which a search is offered
const WRITE = { yaml, json: (value, max) => json(value, max), raw: (value, max) => (typeof value === "string" ? readable(value, max) : json(value, max, true)) };
const SUFFIX = { yaml: "yaml", json: "json", raw: "json" };

/**
 * A return.
 *
 * @param value the return, whatever it is
 * @param label its name for screen readers, such as `return of web1`
 * @param fun the function that returned it; the text of `cmd` functions is a terminal's output
 * @param file name of a download, without its ending
 */
export function Result({ value, label = "return", fun = "", file = label }) {
  const main = useMemo(() => mainForm(value, fun), [value, fun]);
  const isText = typeof value === "string";
  const forms = formsOf(value, main);
  const [chosen, choose] = useState("main");
  const [searching, search] = useState(false);
  const [word, setWord] = useState("");
  const form = forms.some(([name]) => name === chosen) ? chosen : "main";
  const written = useMemo(() => (max) => WRITE[form](value, max), [value, form]);
  // As a file, a tree or states are YAML, which reads most like them.
  const kind = form === "main" ? (isText ? "raw" : "yaml") : form;
  const whole = () => WRITE[kind](value, Infinity)[0];
  const isLarge = useMemo(() => json(value, LARGE)[0].length >= LARGE, [value]);
  return html`<div class="result">
    <div class="result-tools">
      ${forms.length > 1 && html`<${Choice} label=${`Form of the ${label}`} value=${form} options=${forms} change=${choose} />`}
      ${isLarge && html`<button type="button" class="small" aria-pressed=${searching} onClick=${() => search(!searching)}>Find</button>`}
      <${Copy} text=${whole} what=${label} />
      ${(isLarge || !isText) && typeof value === "object" && html`<${Download} what=${label} file=${() => ({ name: `${file}.${SUFFIX[kind]}`, text: whole() })} />`}
      ${isLarge && isText && html`<${Download} what=${label} file=${() => ({ name: `${file}.txt`, text: value })} />`}
    </div>
    ${searching && isLarge && html`<input type="search" class="result-find" aria-label=${`Find in the ${label}`} placeholder="name or text" value=${word} onInput=${(event) => setWord(event.target.value)} />`}
    ${searching && isLarge && word.trim() !== "" && html`<${Matches} value=${value} word=${word.trim()} />`}
    ${form === "main" ? html`<${Main} ...${main} value=${value} label=${label} />` : html`<${Writing} write=${written} label=${label} />`}
  </div>`;
}

/** Return the forms of a value, the one that fits it first. */
function formsOf(value, { form }) {
  if (typeof value === "string") return form === "plain" ? [["main", "Text"]] : [["main", form === "diff" ? "Diff" : "Output"], ["raw", "Raw"]];
  if (value === null || typeof value !== "object" || !Object.keys(value).length) return [];
  return [["main", { states: "States", command: "Output", errors: "Text", tree: "Tree" }[form]], ["yaml", "YAML"], ["json", "JSON"], ["raw", "Raw"]];
}

const COMMANDS = /^(cmd|cmdmod|ssh|lxc|docker)\./;

function mainForm(value, fun) {
  if (typeof value === "string") return { form: isDiff(value) ? "diff" : COMMANDS.test(fun) ? "terminal" : "plain" };
  if (value === null || typeof value !== "object") return { form: "scalar" };
  const states = statesOf(value) ?? statesOf(orchestratedOf(value));
  if (states) return { form: "states", states };
  if (isErrors(value) && fun.startsWith("state.")) return { form: "errors" };
  return { form: isCommand(value) ? "command" : "tree" };
}

/** Return whether a value is what state functions return instead of states: a list of errors. */
function isErrors(value) {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string");
}

function Main({ form, states, value, label }) {
  if (form === "states") return html`<${Highstate} states=${states} label=${label} />`;
  if (form === "errors") return html`<${Text} text=${value.join("\n")} label=${label} plain />`;
  if (form === "command") return html`<${Command} value=${value} label=${label} />`;
  if (form === "tree" && Object.keys(value).length) return html`<${Tree} value=${value} label=${label} />`;
  if (form === "tree" || form === "scalar") return html`<pre tabindex="0" aria-label=${label}>${json(value)[0]}</pre>`;
  return html`<${Text} text=${value} label=${label} terminal=${form === "terminal"} plain=${form === "plain"} />`;
}

function Matches({ value, word }) {
  const settled = useSettled(word, 200); // a search of a large return takes longer than between two keys
  const { matches, complete } = useMemo(() => find(value, settled, MATCHES), [value, settled]);
  return html`<div class="matches">
    <p class="dim" role="status">${complete ? "" : "more than "}${matches.length} ${matches.length === 1 ? "match" : "matches"}</p>
    <ol>${matches.map(({ where, before, match, after }) => html`<li><span class="dim">${where}</span> ${before}<mark>${match}</mark>${after}</li>`)}</ol>
  </div>`;
}
