// @ts-check
// A button that a narrow screen shows instead of filters; it unfolds the elements of the class `folds` beside it.

import { html, useState } from "../lib/html.js";

/** @param active number of those filters that are set */
export function Fold({ active }) {
  const [open, setOpen] = useState(false);
  return html`<button type="button" class="fold" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>Filters${active > 0 && ` (${active})`}</button>`;
}
