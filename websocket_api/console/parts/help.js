// @ts-check
// The help: keyboard shortcuts, and where Salt's documentation explains what a view shows.

import { useDialog } from "../lib/hooks.js";
import { html, useState } from "../lib/html.js";
import { SHORTCUTS } from "../lib/shortcuts.js";

const SALT_DOCS = "https://docs.saltproject.io/en/latest/";

export function Help({ views, shortcuts, close }) {
  const dialog = useDialog(close);
  const [single, setSingle] = useState(shortcuts.singleKeys);
  const change = (event) => {
    shortcuts.singleKeys = event.target.checked;
    setSingle(event.target.checked);
  };
  return html`<dialog class="confirm help" aria-labelledby="help-title" ...${dialog} onClick=${(event) => event.target === event.currentTarget && close()}>
    <div class="side-head"><h2 id="help-title">Help</h2><button type="button" class="plain close" aria-label="Close" onClick=${close}>✕</button></div>
    <h3>Keyboard</h3>
    <dl>${[...SHORTCUTS, ...views.map((view) => [`g ${view.key}`, view.title])].map(([keys, text]) => html`<dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${text}</dd>`)}</dl>
    <label class="check"><input type="checkbox" checked=${single} onChange=${change} /> Shortcuts of single keys, such as ? and g</label>
    <h3>In Salt's documentation</h3>
    <ul>${views.filter((view) => view.docs).map((view) => html`<li>${view.title}: <a href=${`${SALT_DOCS}${view.docs[1]}`} target="_blank" rel="noreferrer">${view.docs[0]}</a></li>`)}</ul>
  </dialog>`;
}
