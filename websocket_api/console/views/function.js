// @ts-check
// Which function to run: completion from what the user may run, and a form from its signature.

import { html, useEffect, useState } from "../lib/html.js";
import { fieldsOf } from "../lib/arguments.js";
import { useSettled } from "../lib/store.js";
import { visible } from "../lib/visible.js";
import { targetOf } from "./target.js";

const PATIENCE = 300; // seconds that a busy minion may take to describe a function
const OFFERED = 50; // names offered at a time: a list of two thousand slows the browser's own box

/** Whom to ask about functions: one of the minions of the target, or the master. */
function asked(form) {
  return form.client === "local" ? targetOf(form) : { client: form.client };
}

export function FunctionName({ form, change, connection }) {
  const [names, offer] = useState([]);
  const [note, say] = useState("");
  const key = JSON.stringify(asked(form));
  const read = async () => {
    // One minion is asked by a job: only when somebody is about to choose, and once for a target.
    if (form.namesOf === key) return;
    say("reading which functions there are …");
    change({ namesOf: key });
    try {
      const found = await connection.request("functions", asked(form));
      change({ names: found });
      say(found.length ? "" : "There is no function here that you may run.");
    } catch (fault) {
      change({ namesOf: null });
      say(`no completion: ${fault.message}`);
    }
  };
  useEffect(() => {
    const word = form.fun.toLowerCase();
    const all = (form.names ?? []).filter((name) => visible(name) === name); // a name goes into the form as it is
    const begins = all.filter((name) => name.startsWith(word));
    const holds = all.filter((name) => !name.startsWith(word) && name.includes(word));
    offer([...begins, ...holds].slice(0, OFFERED));
  }, [form.fun, form.names]);
  return html`<label class="grow">Function
      <input name="fun" list="functions" value=${form.fun} onFocus=${read} onInput=${(event) => change({ fun: event.target.value.trim() })} autocomplete="off" spellcheck=${false} required placeholder="test.ping" />
    </label>
    <datalist id="functions">${names.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
    <p class="dim note" role="status">${note}</p>`;
}

/** The signature of the function that stands in the form; null while it is not known. */
export function signatureOf(form) {
  return form.signatureOf === keyOf(form) ? form.signature : null;
}

function keyOf({ client, fun }) {
  return `${client} ${fun}`;
}

export function Arguments({ form, change, connection }) {
  const fun = useSettled(form.fun, 500);
  const [note, say] = useState("");
  const [asks, ask] = useState(0);
  const [failed, fail] = useState(false);
  const known = /^\w+(\.\w+)+$/.test(fun) && (!form.names || form.names.includes(fun));
  const key = keyOf({ client: form.client, fun });
  useEffect(() => {
    if (!known || form.signatureOf === key) return undefined;
    let wanted = true;
    say("reading its arguments …");
    connection
      .request("signature", { module: fun, ...asked(form), ...(form.client === "local" ? { timeout: PATIENCE } : {}) })
      .then((signature) => {
        if (!wanted) return;
        change({ signature, signatureOf: key });
        say("");
      })
      .catch((fault) => {
        if (!wanted) return;
        say(`its arguments are not known: ${fault.message}`);
        fail(fault.retryable);
      });
    return () => {
      wanted = false;
      say("");
      fail(false);
    };
  }, [key, known, asks]);
  const signature = signatureOf(form);
  return html`
    <p class="dim note" role="status">${note} ${failed && html`<button type="button" class="small" onClick=${() => ask(asks + 1)}>Ask again</button>`}</p>
    ${signature?.doc && html`<details class="doc"><summary>What it does</summary><pre tabindex="0" aria-label="Documentation">${signature.doc}</pre></details>`}
    <div class="fields">
      ${fieldsOf(signature).map((field) => html`<${Field} key=${field.name} field=${field} form=${form} change=${change} />`)}
    </div>
    <div class="fields">
      <${Further} name="more" label=${signature ? "Further arguments, one a line" : "Arguments, one a line"} known=${signature} takes=${signature?.varargs} ...${{ form, change }} />
      <${Further} name="moreNamed" label=${`${signature ? "Further named" : "Named"} arguments, name=value, one a line`} known=${signature} takes=${signature?.keywords} ...${{ form, change }} />
    </div>
    <p class="dim note">A value that is JSON is taken as such (5, true, ["a"]); all else is text.</p>`;
}

/** Arguments beside those that have a field; what was typed there stays to be seen, for it will be sent. */
function Further({ name, label, known, takes, form, change }) {
  if (known && !takes && !form[name]) return null;
  return html`<label class="grow">${label}
      <textarea rows="2" value=${form[name]} onInput=${(event) => change({ [name]: event.target.value })} spellcheck=${false}></textarea>
      ${known && !takes && html`<span class="bad">${form.fun} takes none of these.</span>`}
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
  return html`<label>${label} <input name=${`arg-${field.name}`} value=${value} onInput=${put} placeholder=${hint} required=${field.required && !form.more} autocomplete="off" spellcheck=${false} /></label>`;
}
