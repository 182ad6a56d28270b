// @ts-check
// Filters that several lists have.

import { useStore } from "../lib/hooks.js";
import { html, useState } from "../lib/html.js";

/** The column of a table for the master, where several masters share one stream. */
export const MASTER = { name: "master", title: "Master" };

/** A choice of one of a store's masters; nothing where there is only one, unless the address names one. */
export function MasterFilter({ store, filters, filter }) {
  useStore(store, 500);
  const { masters } = store;
  const chosen = filters.master;
  if (masters.length < 2 && !chosen) return null;
  const names = masters.includes(chosen) || !chosen ? masters : [...masters, chosen];
  return html`<select class="folds" aria-label="Master" value=${chosen} onChange=${(event) => filter({ master: event.target.value })}>
    <option value="" selected=${!chosen}>All masters</option>
    ${names.map((name) => html`<option key=${name} value=${name} selected=${name === chosen}>${name}</option>`)}
  </select>`;
}

/**
 * A button that stands in for filters on a narrow screen. It shows and hides the elements of the class `folds` next to it.
 *
 * @param active number of those filters that are set
 */
export function Fold({ active }) {
  const [open, setOpen] = useState(false);
  return html`<button type="button" class="fold" aria-expanded=${open} onClick=${() => setOpen(!open)}>Filters${active > 0 && ` (${active})`}</button>`;
}
