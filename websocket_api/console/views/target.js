// @ts-check
// Whom a command is for, and who that would be.

import { html, useEffect, useState } from "../lib/html.js";
import { count } from "../lib/format.js";
import { useSettled } from "../lib/store.js";

export const KINDS = ["glob", "list", "compound", "grain", "grain_pcre", "pcre", "nodegroup", "pillar", "pillar_exact", "ipcidr", "range"];
const NAMED = 12; // minions named in the preview

/** The target as the protocol takes it: {tgt, tgt_type}. */
export function targetOf({ tgt, tgt_type }) {
  return { tgt: tgt_type === "list" ? tgt.split(/[\s,]+/).filter(Boolean) : tgt, tgt_type };
}

export function Target({ form, change, connection }) {
  const found = useMatch(form, connection);
  return html`<fieldset>
    <legend>Whom</legend>
    <div class="fields">
      <label class="grow">Target <input name="tgt" value=${form.tgt} onInput=${(event) => change({ tgt: event.target.value })} autocomplete="off" spellcheck=${false} /></label>
      <label>Kind
        <select value=${form.tgt_type} onChange=${(event) => change({ tgt_type: event.target.value })}>
          ${KINDS.map((kind) => html`<option value=${kind} selected=${kind === form.tgt_type}>${kind}</option>`)}
        </select>
      </label>
    </div>
    <p class="preview" role="status">${preview(found)}</p>
  </fieldset>`;
}

function preview({ minions, fault, asking }) {
  if (fault) return html`<span class="bad">${fault.message}</span>`;
  if (!minions) return asking ? "looking …" : "";
  if (!minions.length) return "matches no minion that you may use";
  const rest = minions.length - NAMED;
  return html`matches <strong>${count(minions.length, "minion")}</strong>: ${minions.slice(0, NAMED).join(", ")}${rest > 0 && ` and ${rest} more`}`;
}

function useMatch(form, connection) {
  const [found, tell] = useState({});
  const tgt = useSettled(form.tgt);
  const fun = useSettled(form.fun);
  useEffect(() => {
    if (!tgt.trim()) return tell({});
    let wanted = true;
    tell((before) => ({ ...before, asking: true }));
    const known = /^\w+(\.\w+)+$/.test(fun) ? { fun } : {};
    connection
      .read("match", { ...targetOf({ tgt, tgt_type: form.tgt_type }), ...known })
      .then((minions) => wanted && tell({ minions }))
      .catch((fault) => wanted && tell({ fault }));
    return () => (wanted = false);
  }, [tgt, form.tgt_type, fun]);
  return found;
}
