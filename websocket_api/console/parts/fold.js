// @ts-check
// A button that stands in for filters on a narrow screen. It shows and hides the elements of the class `folds` next to it.

import { html, useState } from "../lib/html.js";

/** @param active number of those filters that are set */
export function Fold({ active }) {
  const [open, setOpen] = useState(false);
  return html`<button type="button" class="fold" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>Filters${active > 0 && ` (${active})`}</button>`;
}
