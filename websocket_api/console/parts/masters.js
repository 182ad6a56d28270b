// @ts-check
// A filter by master, where several masters share one stream.

import { useStore } from "../lib/hooks.js";
import { html } from "../lib/html.js";

/** A choice of one master; nothing where there is only one, unless the address names one. */
export function MasterFilter({ jobs, filters, filter }) {
  useStore(jobs, 500);
  const { masters } = jobs;
  const chosen = filters.master;
  if (masters.length < 2 && !chosen) return null;
  const names = masters.includes(chosen) || !chosen ? masters : [...masters, chosen];
  return html`<select class="folds" aria-label="Master" value=${chosen} onChange=${(event) => filter({ master: event.target.value })}>
    <option value="" selected=${!chosen}>All masters</option>
    ${names.map((name) => html`<option key=${name} value=${name} selected=${name === chosen}>${name}</option>`)}
  </select>`;
}
