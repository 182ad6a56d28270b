// @ts-check
// The target of a command, completed as it is typed, and a preview of the minions that it matches.

import { html, useEffect, useState } from "../lib/html.js";
import { count, namesOf } from "../lib/format.js";
import { useRead, useSettled, useStore } from "../lib/hooks.js";
import { suggestTargets } from "../lib/suggest.js";
import { visible } from "../lib/visible.js";
import { Combobox } from "../parts/combobox.js";
import { Fault } from "../parts/marks.js";

export const TYPES = ["glob", "list", "compound", "grain", "grain_pcre", "pcre", "nodegroup", "pillar", "pillar_exact", "ipcidr", "range"];
const NAMED = 12; // minions that the preview names
const EXAMPLES = {
  glob: "web*", list: "web1,web2", compound: "G@os:Debian and web*", grain: "os:Debian", grain_pcre: "os:(Debian|Ubuntu)", pcre: "web[0-9]+",
  nodegroup: "webservers", pillar: "role:web", pillar_exact: "role:web", ipcidr: "192.168.1.0/24", range: "%cluster",
};

/** Return the target in the protocol's form: {tgt, tgt_type}. */
export function targetOf({ tgt, tgt_type }) {
  return { tgt: tgt_type === "list" ? tgt.split(/[\s,]+/).filter(Boolean) : tgt, tgt_type };
}

export function Target({ form, change, connection, session, fleet, functions }) {
  const found = useMatch(form, connection);
  const [focused, setFocused] = useState(false);
  useStore(functions);
  const knowsGroups = session.wheels.includes("config.values");
  useEffect(() => {
    // Only the master's configuration has the nodegroups; without the permission to read it, they can be typed.
    if (form.tgt_type === "nodegroup" && focused && knowsGroups && !functions.nodegroups.length) functions.readNodegroups().catch(() => {});
  }, [form.tgt_type, focused, knowsGroups]);
  const options = focused ? suggestTargets(form, [...fleet.minions.values()], functions.nodegroups).filter(({ value }) => visible(value) === value) : [];
  return html`<fieldset>
    <legend>Target</legend>
    <div class="fields">
      <${Combobox} className="grow" label="Target" name="tgt" value=${form.tgt} change=${(tgt) => change({ tgt })} options=${options} focus=${setFocused}
        pick=${({ value, tgt_type }) => change({ tgt: value, tgt_type })} placeholder=${EXAMPLES[form.tgt_type]} required />
      <label>Type
        <select value=${form.tgt_type} onChange=${(event) => change({ tgt_type: event.target.value })}>
          ${TYPES.map((type) => html`<option value=${type} selected=${type === form.tgt_type}>${type}</option>`)}
        </select>
      </label>
    </div>
    <div class="preview" role="status">${preview(found)}</div>
  </fieldset>`;
}

function preview({ value: minions, fault, reading }) {
  if (fault) return html`<${Fault} fault=${fault} />`;
  if (!minions) return reading ? "matching …" : "";
  if (!minions.length) return "matches no minion on which you may run it";
  return html`matches <strong>${count(minions.length, "minion")}</strong>: ${namesOf(minions, NAMED)}`;
}

/** Return the fields of `match`: the minions on which the user may run the function, if its name is complete. */
export function matchFields(target, fun) {
  return { ...target, ...(/^\w+(\.\w+)+$/.test(fun) ? { fun } : {}) };
}

/** Return the minions of a target that is typed, as `useRead` does. */
export function useMatch(form, connection) {
  const tgt = useSettled(form.tgt);
  const fun = useSettled(form.fun);
  const read = () => (tgt.trim() ? connection.read("match", matchFields(targetOf({ tgt, tgt_type: form.tgt_type }), fun)) : null);
  return useRead(read, [tgt, form.tgt_type, fun]);
}
