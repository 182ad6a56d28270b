// @ts-check
// A tree of keys and values that can be searched, such as grains; or with masked values, such as pillar.

import { html, useState } from "../lib/html.js";
import { count } from "../lib/format.js";
import { useSettled } from "../lib/hooks.js";
import { SALTS_MASK, hasSaltsMask, treeOf } from "../lib/keytree.js";
import { brief, whole } from "../lib/text.js";
import { Copy, Download } from "./copy.js";
import { Fault } from "./marks.js";

const OPEN = 12; // keys of a branch that is unfolded at first
const MASK = "••••••";

/**
 * @param value
 * @param what it is, for screen readers: `grains of web1`
 * @param masked whether values are hidden until they are asked for; they are never searched while hidden
 * @param unmask reads what Salt itself masked: the value of a path, or without one the whole; it returns a promise
 */
export function KeyTree({ value: given, what, masked = false, unmask = null }) {
  const [search, setSearch] = useState("");
  const [unmasked, setUnmasked] = useState(null); // {value} of the whole
  const [all, showAll] = useState(!masked);
  const [shown, setShown] = useState(() => new Map()); // path -> {value} that is shown
  const [fault, setFault] = useState(null);
  const words = useSettled(search, 150);
  const value = unmasked ? unmasked.value : given;
  const { nodes, left } = treeOf(value, words, all);
  const attempt = (act) => {
    setFault(null);
    act().catch(setFault);
  };
  const reveal = ({ path, value: own }) =>
    attempt(async () => {
      const isShown = shown.has(path);
      const found = !isShown && own === SALTS_MASK && unmask ? await unmask(path) : own;
      setShown((known) => new Map(isShown ? [...known].filter(([one]) => one !== path) : [...known, [path, { value: found }]]));
    });
  const toggleAll = () =>
    attempt(async () => {
      if (!all && unmask && hasSaltsMask(value)) setUnmasked({ value: await unmask(null) });
      if (all) setUnmasked(null);
      showAll(!all);
      setShown(new Map());
    });
  return html`<div class="keytree">
    <div class="tools">
      <input type="search" aria-label=${`Search ${what}`} placeholder=${all ? "key or value" : "key"} value=${search} onInput=${(event) => setSearch(event.target.value)} />
      ${masked && html`<button type="button" onClick=${toggleAll}>${all ? "Hide all values" : "Show all values"}</button>`}
      ${all && html`<${Copy} text=${() => whole(value)} what=${what} /><${Download} file=${() => ({ name: `${what}.json`, text: whole(value) })} what=${what} />`}
      <span class="dim" role="status">${words && !nodes.length ? "No key matches." : ""}</span>
    </div>
    <${Fault} fault=${fault} />
    ${!words && !nodes.length && html`<p class="dim">There is nothing in it.</p>`}
    <${Branch} nodes=${nodes} open=${words !== ""} ...${{ all, masked, shown, reveal }} />
    ${left > 0 && html`<p class="dim">${count(left, "more value")}: search to see them.</p>`}
  </div>`;
}

function Branch({ nodes, open, ...more }) {
  return html`<ul>${nodes.map((node) => html`<${Node} key=${`${node.path} ${open}`} ...${{ node, open, ...more }} />`)}</ul>`;
}

function Node({ node, open, ...more }) {
  const [unfolded, setUnfolded] = useState(open || node.nodes.length <= OPEN);
  if (node.leaf) return html`<li class="leaf"><span class="key" title=${node.path}>${node.key}</span> <${Leaf} ...${{ node, ...more }} /></li>`;
  return html`<li><details open=${unfolded} onToggle=${(event) => setUnfolded(event.currentTarget.open)}>
    <summary><span class="key" title=${node.path}>${node.key}</span> <span class="dim">(${node.nodes.length})</span></summary>
    ${unfolded && html`<${Branch} nodes=${node.nodes} ...${{ open, ...more }} />`}
  </details></li>`;
}

function Leaf({ node, all, masked, shown, reveal }) {
  const [max, setMax] = useState(300);
  const { path } = node;
  const visible = all || shown.has(path);
  const value = shown.has(path) ? shown.get(path).value : node.value;
  const toggle = masked && !all && html`<button type="button" class="small" aria-label=${`${visible ? "Hide" : "Show"} ${path}`} onClick=${() => reveal(node)}>${visible ? "Hide" : "Show"}</button>`;
  if (!visible) return html`<span class="dim" aria-label="hidden">${MASK}</span> ${toggle}`;
  const text = typeof value === "string" ? value : brief(value, 2000);
  return html`<span class="leaf-value ${typeof value}">${text === "" ? html`<span class="dim">(empty)</span>` : text.slice(0, max)}</span>
    ${text.length > max && html` <button type="button" class="small" onClick=${() => setMax(Infinity)}>Show more</button>`} ${toggle}`;
}
