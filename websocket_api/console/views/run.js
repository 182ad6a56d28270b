// @ts-check
// Run something, and watch the answer come in.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { callOf, fieldsOf } from "../lib/arguments.js";
import { to } from "../lib/route.js";
import { Choice, Fault } from "../parts/marks.js";
import { Arguments, FunctionName, signatureOf } from "./function.js";
import { Job } from "./job.js";
import { Target, targetOf } from "./target.js";

const EMPTY = { client: "local", tgt: "*", tgt_type: "glob", fun: "", typed: {}, more: "", moreNamed: "", names: null, namesOf: null, signature: null, signatureOf: "", how: "now", concurrency: "1", stop: true, progress: true, job: null };

export function RunView({ session, connection, route, form: kept }) {
  // Kept outside of the view: what was typed is still there after a look at another one, or a new login.
  const [, draw] = useState(0);
  if (!kept.client) Object.assign(kept, EMPTY);
  const change = (fields) => {
    Object.assign(kept, fields);
    draw((count) => count + 1);
  };
  useEffect(() => {
    const given = Object.fromEntries(["tgt", "tgt_type", "fun"].flatMap((name) => (route.query.has(name) ? [[name, route.query.get(name)]] : [])));
    if (Object.keys(given).length) change({ ...given, client: "local" });
  }, [route.query.toString()]);
  const answer = useRef(null);
  const before = useRef(kept.job);
  useEffect(() => {
    // Below a long form the answer would come in where nobody looks.
    if (kept.job && kept.job !== before.current) answer.current.scrollIntoView({ block: "start" });
    before.current = kept.job;
  }, [kept.job]);
  return html`<div class="view page-view">
    <h1>Run</h1>
    <${Form} ...${{ form: kept, change, session, connection }} />
    <div class="answer" ref=${answer}>${kept.job && html`<${Job} key=${kept.job} jid=${kept.job} connection=${connection} heading="h2" />`}</div>
  </div>`;
}

const STATES = /^state\.(apply|sls|highstate)$/; // functions that can report each state they have run

function clientsOf(session) {
  const enabled = new Set(session.server.clients);
  return [["local", "Minions"], ["runner", "Runner"], ["wheel", "Wheel"]].filter(
    ([name]) => enabled.has(name) || enabled.has(`${name}_async`),
  );
}

function Form({ form, change, session, connection }) {
  const [fault, tell] = useState(null);
  const [busy, work] = useState(false);
  const onMinions = form.client === "local";
  const batches = onMinions && session.has("batch");
  const switchTo = (client) => change({ client, names: null, namesOf: null, signature: null, signatureOf: "", typed: {} });
  const submit = async (event) => {
    event.preventDefault();
    work(true);
    tell(null);
    try {
      const call = callOf(fieldsOf(signatureOf(form)), form.typed, form.more, form.moreNamed);
      if (batches && form.how === "batch") await runBatch(form, call, connection);
      else change({ job: await runNow(form, call, connection) });
    } catch (refused) {
      tell(refused);
    } finally {
      work(false);
    }
  };
  return html`<form class="run" onSubmit=${submit}>
    <${Choice} label="Where it runs" value=${form.client} options=${clientsOf(session)} change=${switchTo} />
    ${onMinions && html`<${Target} ...${{ form, change, connection }} />`}
    <fieldset>
      <legend>What</legend>
      <div class="fields"><${FunctionName} ...${{ form, change, connection }} /></div>
      <${Arguments} ...${{ form, change, connection }} />
    </fieldset>
    ${onMinions && html`<${How} ...${{ form, change, batches }} />`}
    <${Fault} fault=${fault} />
    <button type="submit" class="primary" disabled=${busy || connection.state !== "open"}>${busy ? "Starting …" : "Run"}</button>
  </form>`;
}

function How({ form, change, batches }) {
  const isBatch = batches && form.how === "batch";
  const isState = STATES.test(form.fun);
  if (!batches && !isState) return null;
  return html`<fieldset>
    <legend>How</legend>
    ${batches && html`<${Choice} label="How it runs" value=${form.how} options=${[["now", "All at once"], ["batch", "As a batch"]]} change=${(how) => change({ how })} />`}
    ${isBatch
      ? html`<div class="fields">
          <label>At a time <input name="concurrency" type="number" min="0" max="1000000" value=${form.concurrency} onInput=${(event) => change({ concurrency: event.target.value })} /></label>
          <label class="check"><input type="checkbox" checked=${form.stop} onChange=${(event) => change({ stop: event.target.checked })} /> Stop when one fails</label>
        </div>`
      : isState && html`<label class="check"><input type="checkbox" checked=${form.progress} onChange=${(event) => change({ progress: event.target.checked })} /> Let states report their progress</label>`}
  </fieldset>`;
}

async function runNow(form, call, connection) {
  if (form.client !== "local") return (await connection.request(form.client, { method: form.fun, ...call })).jid;
  const states = form.progress && STATES.test(form.fun) ? { progress: true } : {};
  return (await connection.request("cmd", { fun: form.fun, ...targetOf(form), ...call, ...states })).jid;
}

async function runBatch(form, { args, kwargs }, connection) {
  const item = { fun: form.fun, ...targetOf(form), arg: args, kwarg: kwargs };
  const on_error = form.stop ? "stop" : "continue";
  const batch = await connection.request("batch", { batch: [item], concurrency: Number(form.concurrency) || 0, on_error });
  location.hash = to("batches", String(batch.id));
}
