// @ts-check
// The function to run: completion from the functions that the user may run, and a form of its signature.

import { html, useEffect, useState } from "../lib/html.js";
import { fieldsOf } from "../lib/arguments.js";
import { faultText } from "../lib/faults.js";
import { count } from "../lib/format.js";
import { useSettled, useStore } from "../lib/hooks.js";
import { acceptsPillar } from "../lib/functions.js";
import { firstLine } from "../lib/rst.js";
import { brief } from "../lib/text.js";
import { visible } from "../lib/visible.js";
import { parsePillar } from "../lib/yaml.js";
import { Combobox } from "../parts/combobox.js";
import { Documentation } from "../parts/doc.js";
import { targetOf } from "./target.js";

const OFFERED = 50; // names at a time

/** Return the form's call as the functions store needs it: {client, target, fun}. */
export function callOf(form) {
  return { client: form.client, target: form.client === "local" ? targetOf(form) : null, fun: form.fun };
}

function hasTarget(form) {
  return form.client !== "local" || form.tgt.trim() !== "";
}

export function FunctionName({ form, change, functions }) {
  useStore(functions);
  const [note, setNote] = useState("");
  const [focused, setFocused] = useState(false);
  const known = functions.names(callOf(form));
  const place = JSON.stringify({ ...callOf(form), fun: "" });
  const settled = useSettled(place);
  useEffect(() => {
    // A minion is asked by a job, so only while a function is being chosen.
    if (!focused || settled !== place || !hasTarget(form)) return undefined;
    let wanted = true;
    setNote(known ? "" : "reading the functions …");
    functions.readNames(callOf(form)).then(
      (names) => wanted && setNote(names.length ? "" : "There is no function here that you may run."),
      (fault) => wanted && setNote(`No completion: ${faultText(fault).text}`),
    );
    return () => (wanted = false);
  }, [focused, settled, place]);
  const docs = useDocs(form, functions, focused && known !== null);
  const options = namesLike(known ?? [], form.fun).map((value) => ({ value, detail: firstLine(docs?.[value]) }));
  return html`<${Combobox} className="grow" label="Function" name="fun" value=${form.fun} change=${(text) => change({ fun: text.trim() })} options=${options} focus=${setFocused} required placeholder="test.ping" note=${html`<p class="dim note" role="status">${note}</p>`} />`;
}

/** Return one-line descriptions of the functions of the module that is being typed; a minion is asked once for each. */
function useDocs(form, functions, wanted) {
  const module = useSettled(/^(\w+)\./.exec(form.fun)?.[1] ?? "", 400);
  const call = callOf(form);
  const asks = wanted && form.client === "local" && module !== "" && hasTarget(form);
  useEffect(() => {
    if (asks) functions.readDocs(call, module).catch(() => {}); // names are enough without their descriptions
  }, [asks, module]);
  return form.client === "local" ? functions.docs(call, module) : null;
}

/** Return the first names that begin with `text`, then those that contain it. */
function namesLike(names, text) {
  const word = text.toLowerCase();
  const all = names.filter((name) => visible(name) === name); // a name is put into the form as it is
  const begin = all.filter((name) => name.startsWith(word));
  const contain = all.filter((name) => !name.startsWith(word) && name.includes(word));
  return [...begin, ...contain].slice(0, OFFERED);
}

/** Return the signature of the form's function, or null if it is not known. */
export function signatureOf(form, functions) {
  return functions.signature(callOf(form));
}

export function Arguments({ form, change, functions }) {
  useStore(functions);
  const fun = useSettled(form.fun, 500);
  const [note, setNote] = useState("");
  const [tries, setTries] = useState(0);
  const [retryable, setRetryable] = useState(false);
  const names = functions.names(callOf(form));
  const complete = /^\w+(\.\w+)+$/.test(fun) && (!names || names.includes(fun)) && hasTarget(form);
  const place = useSettled(JSON.stringify({ ...callOf(form), fun }), 500);
  const signature = signatureOf(form, functions);
  useEffect(() => {
    if (!complete) return undefined;
    let wanted = true;
    setNote(signature ? "" : "reading its arguments …");
    functions.readSignature({ ...callOf(form), fun }).then(
      () => wanted && setNote(""),
      (fault) => {
        if (!wanted) return;
        setNote(signature ? "" : `Its arguments are not known: ${faultText(fault).text} You can type them below.`);
        setRetryable(!signature && fault.retryable);
      },
    );
    return () => {
      wanted = false;
      setNote("");
      setRetryable(false);
    };
  }, [place, complete, tries]);
  return html`
    <p class="dim note" role="status">${note} ${retryable && html`<button type="button" class="small" onClick=${() => setTries(tries + 1)}>Try again</button>`}</p>
    ${signature?.doc && html`<${Documentation} key=${form.fun} client=${form.client} fun=${form.fun} doc=${signature.doc} />`}
    <div class="fields">
      ${fieldsOf(signature).map((field) => (isStates(form, field) ? html`<${StatesField} key=${field.name} ...${{ field, form, change, functions }} />` : html`<${Field} key=${field.name} field=${field} form=${form} change=${change} />`))}
    </div>
    ${form.client === "local" && acceptsPillar(form.fun) && html`<${PillarEditor} form=${form} change=${change} />`}
    <div class="fields">
      <${Further} name="more" label=${signature ? "Further arguments, one a line" : "Arguments, one a line"} known=${signature} takes=${signature?.varargs} ...${{ form, change }} />
      <${Further} name="moreNamed" label=${`${signature ? "Further named" : "Named"} arguments, name=value, one a line`} known=${signature} takes=${signature?.keywords} ...${{ form, change }} />
    </div>
    <p class="dim note">Values are read as JSON if they are JSON (5, true, ["a"]), otherwise as text. Shift+Enter begins a new line in a field; Ctrl+Enter runs the command from anywhere in the form.</p>`;
}

/** Arguments without a field of their own. Text that does not fit the function stays visible, because it would be sent. */
function Further({ name, label, known, takes, form, change }) {
  if (known && !takes && !form[name]) return null;
  return html`<label class="grow">${label}
      <textarea rows="2" value=${form[name]} onInput=${(event) => change({ [name]: event.target.value })} spellcheck=${false}></textarea>
      ${known && !takes && html`<span class="bad">${form.fun} accepts no such arguments. Remove them.</span>`}
    </label>`;
}

function Field({ field, form, change }) {
  const put = (event) => change({ typed: { ...form.typed, [field.name]: event.target.value } });
  const value = form.typed[field.name] ?? "";
  const label = `${field.name}${field.required ? " (required)" : ""}`;
  if (field.isFlag) {
    return html`<label>${label}
      <select value=${value} onChange=${put}>
        <option value="">${`${field.default} (default)`}</option><option value="true">true</option><option value="false">false</option>
      </select></label>`;
  }
  const hint = field.hasDefault && field.default !== null ? JSON.stringify(field.default) : "";
  return html`<label>${label} <textarea class="one-line" rows="1" name=${`arg-${field.name}`} value=${value} onInput=${put} onKeyDown=${submitByEnter} placeholder=${hint} required=${field.required && !form.more} autocomplete="off" spellcheck=${false}></textarea></label>`;
}

/** Enter sends the form, as in a field of one line; Shift and Enter begin a new line. */
function submitByEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey || event.isComposing) return;
  event.preventDefault();
  event.currentTarget.form.requestSubmit();
}

/** Whether a field names states, which can be chosen from a list. */
function isStates(form, { name }) {
  return form.client === "local" && name === "mods" && /^state\.\w+$/.test(form.fun);
}

/** The states to apply, completed from those that a minion of the target can apply. */
function StatesField({ field, form, change, functions }) {
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

/** Pillar for one run, typed as YAML or JSON and checked before anything is sent. */
function PillarEditor({ form, change }) {
  const [open, setOpen] = useState(form.pillar !== "");
  const text = useSettled(form.pillar, 300);
  const { value, fault } = pillarOf(text);
  return html`<details class="pillar-editor" open=${open} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>Pillar for this run</summary>
    <label>Pillar, as YAML or JSON
      <textarea rows="5" value=${form.pillar} onInput=${(event) => change({ pillar: event.target.value })} spellcheck=${false} placeholder=${"site:\n  port: 8080"} aria-invalid=${fault ? "true" : undefined} aria-describedby="pillar-check"></textarea>
    </label>
    <p id="pillar-check" class="note ${fault ? "bad" : "dim"}" role="status">${fault ? `Not valid: ${fault}` : value === undefined ? "It is merged over the minion's own pillar. Salt stores it with the job, where users who may see the job see it." : `Sent as ${brief(value, 300)}`}</p>
  </details>`;
}

function pillarOf(text) {
  try {
    return { value: parsePillar(text) };
  } catch ({ message }) {
    return { fault: message };
  }
}
