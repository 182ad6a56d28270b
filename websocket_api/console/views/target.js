// @ts-check
// The target of a command, and a preview of the minions that it matches.

import { html, useEffect, useState } from "../lib/html.js";
import { count } from "../lib/format.js";
import { useSettled } from "../lib/hooks.js";
import { Fault } from "../parts/marks.js";

export const TYPES = ["glob", "list", "compound", "grain", "grain_pcre", "pcre", "nodegroup", "pillar", "pillar_exact", "ipcidr", "range"];
const NAMED = 12; // minions that the preview names

/** Return the target in the protocol's form: {tgt, tgt_type}. */
export function targetOf({ tgt, tgt_type }) {
  return { tgt: tgt_type === "list" ? tgt.split(/[\s,]+/).filter(Boolean) : tgt, tgt_type };
}

export function Target({ form, change, connection }) {
  const found = useMatch(form, connection);
  return html`<fieldset>
    <legend>Target</legend>
    <div class="fields">
      <label class="grow">Target <input name="tgt" value=${form.tgt} onInput=${(event) => change({ tgt: event.target.value })} placeholder="web*" required autocomplete="off" spellcheck=${false} /></label>
      <label>Type
        <select value=${form.tgt_type} onChange=${(event) => change({ tgt_type: event.target.value })}>
          ${TYPES.map((type) => html`<option value=${type} selected=${type === form.tgt_type}>${type}</option>`)}
        </select>
      </label>
    </div>
    <div class="preview" role="status">${preview(found)}</div>
  </fieldset>`;
}

function preview({ minions, fault, reading }) {
  if (fault) return html`<${Fault} fault=${fault} />`;
  if (!minions) return reading ? "matching …" : "";
  if (!minions.length) return "matches no minion on which you may run it";
  return html`matches <strong>${count(minions.length, "minion")}</strong>: ${namesOf(minions, NAMED)}`;
}

/** Return the first minions by name, and how many more there are. */
export function namesOf(minions, max) {
  const rest = minions.length - max;
  return `${minions.slice(0, max).join(", ")}${rest > 0 ? ` and ${rest.toLocaleString("en")} more` : ""}`;
}

/** Return the fields of `match`: the minions on which the user may run the function, if its name is complete. */
export function matchFields(target, fun) {
  return { ...target, ...(/^\w+(\.\w+)+$/.test(fun) ? { fun } : {}) };
}

function useMatch(form, connection) {
  const [found, setFound] = useState({});
  const tgt = useSettled(form.tgt);
  const fun = useSettled(form.fun);
  useEffect(() => {
    if (!tgt.trim()) return setFound({});
    let wanted = true;
    setFound((before) => ({ ...before, reading: true }));
    connection
      .read("match", matchFields(targetOf({ tgt, tgt_type: form.tgt_type }), fun))
      .then((minions) => wanted && setFound({ minions }))
      .catch((fault) => wanted && setFound({ fault }));
    return () => (wanted = false);
  }, [tgt, form.tgt_type, fun]);
  return found;
}
