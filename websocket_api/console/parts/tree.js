// @ts-check
// Data as a tree: objects and lists that open and close, texts of many lines as blocks. Only what is open is in the page.

import { html, useState } from "../lib/html.js";
import { count } from "../lib/format.js";
import { MAX_DEPTH } from "../lib/text.js";
import { scalar } from "../lib/yaml_text.js";
import { Text } from "./text.js";

const SHOWN = 100; // entries of one object or list at first, and more by the button
const OPEN = 150; // values up to which everything is open; a larger value opens on its first level
const SMALL = 12; // values up to which a branch of the first level is open anyway
const INLINE = 160; // characters of a text beside its name
const TERMINALS = new Set(["stdout", "stderr"]);

/** @param label its name, for screen readers */
export function Tree({ value, label }) {
  return html`<div class="tree" role="group" aria-label=${label}><${Entries} value=${value} depth=${0} open=${sizeOf(value, OPEN) <= OPEN} label=${label} /></div>`;
}

function Entries({ value, depth, open, label }) {
  const [max, setMax] = useState(SHOWN);
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value).sort(); // as Salt's own output
  return html`<ul>
    ${keys.slice(0, max).map((key) => html`<${Entry} key=${`${key}`} name=${typeof key === "number" ? null : key} value=${value[key]} depth=${depth} open=${open} label=${label} />`)}
    ${keys.length > max && html`<li><button type="button" class="small" onClick=${() => setMax(max + SHOWN)}>Show ${Math.min(SHOWN, keys.length - max)} more</button></li>`}
  </ul>`;
}

function Entry({ name, value, depth, open, label }) {
  const title = name === null ? html`<span class="dim">-</span> ` : html`<span class="tree-key">${scalar(name)}:</span> `;
  if (value === null || typeof value !== "object") return html`<li>${title}<${Leaf} name=${name} value=${value} label=${label} /></li>`;
  const keys = Object.keys(value);
  if (!keys.length) return html`<li>${title}<span class="dim">${Array.isArray(value) ? "[]" : "{}"}</span></li>`;
  if (isChange(value)) return html`<li>${title}<${Change} old=${value.old} fresh=${value.new} /></li>`;
  if (depth >= MAX_DEPTH) return html`<li>${title}<span class="dim">… (nested deeper)</span></li>`;
  return html`<li><${Branch} title=${title} value=${value} size=${keys.length} depth=${depth + 1} first=${open || (depth === 0 && sizeOf(value, SMALL) <= SMALL)} label=${label} /></li>`;
}

function Branch({ title, value, size, depth, first, label }) {
  const [open, setOpen] = useState(first);
  return html`<details open=${open} onToggle=${(event) => event.target === event.currentTarget && setOpen(event.currentTarget.open)}>
    <summary>${title}${!open && html`<span class="dim">${count(size, Array.isArray(value) ? "item" : "entry", Array.isArray(value) ? "items" : "entries")}</span>`}</summary>
    ${open && html`<${Entries} value=${value} depth=${depth} open=${first} label=${label} />`}
  </details>`;
}

function Leaf({ name, value, label }) {
  if (typeof value !== "string") return html`<span class="tree-value">${String(value)}</span>`;
  const isTerminal = TERMINALS.has(name);
  if (!value.includes("\n") && value.length <= INLINE && !isTerminal) return value === "" ? html`<span class="dim">""</span>` : html`<span>${scalar(value)}</span>`;
  return html`<${Text} text=${value} label=${`${name ?? "text"} in ${label}`} terminal=${isTerminal} />`;
}

/** Whether it is Salt's form of a change, such as a package's version: {old, new}. */
function isChange(value) {
  const isShort = (part) => part === null || (typeof part !== "object" && String(part).length <= INLINE && !String(part).includes("\n"));
  return Object.keys(value).length === 2 && "old" in value && "new" in value && isShort(value.old) && isShort(value.new);
}

function Change({ old, fresh }) {
  const shown = (value) => (value === "" || value === null ? html`<span class="dim">none</span>` : String(value));
  return html`<span class="tree-change"><span class="old">${shown(old)}</span> → <span class="new">${shown(fresh)}</span></span>`;
}

/** Count the values in a value, up to `max`. */
function sizeOf(value, max) {
  if (value === null || typeof value !== "object") return 1;
  let size = 1;
  for (const key of Object.keys(value)) {
    size += sizeOf(value[key], max - size);
    if (size > max) break;
  }
  return size;
}
