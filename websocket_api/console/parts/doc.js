// @ts-check
// The documentation of a function, drawn from its docstring. Text from a minion stays text.

import { html } from "../lib/html.js";
import { blocksOf, inlineOf } from "../lib/rst.js";

const PAGES = { local: "modules", runner: "runners", wheel: "wheel" };
const SITE = "https://docs.saltproject.io/en/latest/ref";

/** Return the address of a function's page in Salt's documentation. A custom function has none there. */
export function pageOf(client, fun) {
  const folder = PAGES[client];
  const name = `salt.${folder}.${fun.slice(0, fun.lastIndexOf("."))}`;
  return `${SITE}/${folder}/all/${name}.html#salt.${folder}.${fun}`;
}

export function Documentation({ client, fun, doc }) {
  return html`<details class="doc"><summary>Documentation</summary>
    <div class="doc-text" tabindex="0" role="region" aria-label="Documentation">
      ${blocksOf(doc).map(draw)}
    </div>
    <p><a href=${pageOf(client, fun)} target="_blank" rel="noreferrer noopener">${fun} in Salt's documentation ↗</a></p>
  </details>`;
}

function draw({ kind, text, name, depth }) {
  const style = depth ? { marginLeft: `${depth}em` } : undefined;
  if (kind === "code") return html`<pre style=${style} tabindex="0">${text}</pre>`;
  if (kind === "heading") return html`<h4>${inline(text)}</h4>`;
  if (kind === "item") return html`<p class="doc-item" style=${style}>${inline(text)}</p>`;
  if (kind === "term") return html`<p class="doc-term" style=${style}><code>${text}</code></p>`;
  if (kind === "field") return html`<p style=${style}><code>${name}</code> ${inline(text)}</p>`;
  if (kind === "note") return html`<p class="doc-note" style=${style}><strong>${name}</strong> ${inline(text)}</p>`;
  return html`<p style=${style}>${inline(text)}</p>`;
}

function inline(text) {
  return inlineOf(text).map((part) => {
    if (part.kind === "code") return html`<code>${part.text}</code>`;
    if (part.kind === "em") return html`<em>${part.text}</em>`;
    return part.kind === "strong" ? html`<strong>${part.text}</strong>` : html`<span>${part.text}</span>`;
  });
}
