// @ts-check
// The states to apply, completed from those that a minion of the target can apply.

import { html, useState } from "../lib/html.js";
import { faultText } from "../lib/faults.js";
import { count } from "../lib/format.js";
import { Combobox } from "../parts/combobox.js";
import { callOf } from "./function.js";

export function StatesField({ field, form, change, functions }) {
  const [found, setFound] = useState(null); // {id, states} or {fault}
  const [busy, setBusy] = useState(false);
  const value = form.typed[field.name] ?? "";
  const put = (text) => change({ typed: { ...form.typed, [field.name]: text } });
  const at = value.lastIndexOf(",") + 1;
  const word = value.slice(at).trim();
  const like = (found?.states ?? []).filter((name) => name.includes(word));
  const options = like.slice(0, 100).map((name) => ({ value: `${value.slice(0, at)}${name}` }));
  const read = () => {
    setBusy(true);
    functions
      .readStates(callOf(form), form.typed.saltenv)
      .then(setFound, (fault) => setFound({ fault: faultText(fault).text }))
      .finally(() => setBusy(false));
  };
  const note = html`<p class="note" role="status">
    <button type="button" class="small" disabled=${busy || !form.tgt.trim()} onClick=${read}>${busy ? "Reading …" : "List the states"}</button>
    <span class=${found?.fault ? "bad" : "dim"}> ${found?.fault ?? (found ? `${count(found.states.length, "state")} on ${found.id}; choose in the field above` : "")}</span>
  </p>`;
  return html`<${Combobox} label=${`${field.name}${field.required ? " (required)" : ""}`} name=${`arg-${field.name}`} value=${value} change=${put} options=${options} note=${note} placeholder="all of the highstate" />`;
}
