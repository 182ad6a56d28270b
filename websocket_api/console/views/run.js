// @ts-check
// Run a function and watch its returns arrive.

import { html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { callOf, fieldsOf, intoFields } from "../lib/arguments.js";
import { formOfQuery } from "../lib/calls.js";
import { acceptsPillar, hasTestMode, needsConfirmation, reportsStates } from "../lib/functions.js";
import { useAttempt } from "../lib/hooks.js";
import { to } from "../lib/route.js";
import { parsePillar } from "../lib/yaml.js";
import { RunQuestion } from "../parts/confirm.js";
import { Choice, Fault } from "../parts/marks.js";
import { CommandsStore } from "../stores/commands.js";
import { Commands } from "./commands.js";
import { Arguments, FunctionName, signatureOf } from "./function.js";
import { Job } from "./job.js";
import { Target, matchFields, targetOf } from "./target.js";

const EMPTY = { client: "local", tgt: "", tgt_type: "glob", fun: "", typed: {}, more: "", moreNamed: "", pillar: "", how: "now", concurrency: "1", name: "", stop: true, progress: true, job: null };

export function RunView({ session, connection, functions, fleet, route, form }) {
  // The form is kept outside of the view: it is still there after another view or a new login.
  const [, draw] = useState(0);
  for (const [name, value] of Object.entries(EMPTY)) form[name] ??= value; // another view may have set a part of it
  const change = (fields) => {
    Object.assign(form, fields);
    draw((count) => count + 1);
  };
  const commands = useMemo(() => new CommandsStore(session.user), []);
  // Arguments without a field, such as those of a template, go into the fields of the function.
  const use = (command) => change({ ...EMPTY, job: form.job, filled: !Object.keys(command.typed ?? {}).length, ...command });
  useEffect(() => {
    const given = formOfQuery(route.query);
    const saved = commands.saved.find(({ title }) => title === route.query.get("saved"));
    if (given) change(given);
    else if (saved) use(saved.command);
  }, [route.query.toString()]);
  const answer = useRef(null);
  const before = useRef(form.job);
  useEffect(() => {
    // Below a long form, the returns would be out of view.
    if (form.job && form.job !== before.current) answer.current.scrollIntoView({ block: "start" });
    before.current = form.job;
  }, [form.job]);
  return html`<div class="view page-view">
    <h1>Run</h1>
    <${Commands} ...${{ commands, form, use, session, functions }} />
    <${Form} ...${{ form, change, session, connection, functions, fleet, commands }} />
    <div class="answer" ref=${answer}>${form.job && html`<${Job} key=${form.job} jid=${form.job} connection=${connection} heading="h2" />`}</div>
  </div>`;
}

function clientsOf(session) {
  const enabled = new Set(session.server.clients);
  return [["local", "Minions"], ["runner", "Runner"], ["wheel", "Wheel"]].filter(
    ([name]) => enabled.has(name) || enabled.has(`${name}_async`),
  );
}

function Form({ form, change, session, connection, functions, fleet, commands }) {
  const { busy, fault, attempt } = useAttempt();
  const [question, ask] = useState(null); // {call, minions, isTest} that waits for a confirmation
  const signature = signatureOf(form, functions);
  useEffect(() => {
    // Arguments of an address are in the lines for further ones until the function's fields are known.
    if (form.filled && signature) change({ ...intoFields(fieldsOf(signature), form), filled: false });
  }, [form.filled, signature]);
  const onMinions = form.client === "local";
  const batches = onMinions && session.has("batch");
  const switchTo = (client) => change({ client, typed: {} });
  const start = async (call) => {
    commands.ran(form);
    if (batches && form.how === "batch") await runBatch(form, call, connection);
    else change({ job: await runNow(form, call, connection) });
  };
  const submit = (event) => {
    event.preventDefault();
    const isTest = event.submitter?.name === "test";
    attempt(async () => {
      const call = callOf(fieldsOf(signatureOf(form, functions)), form.typed, form.more, form.moreNamed);
      if (isTest) call.kwargs.test = true;
      if (onMinions && acceptsPillar(form.fun)) addPillar(call, form.pillar);
      const target = onMinions ? targetOf(form) : null;
      const minions = target && (await connection.request("match", matchFields(target, form.fun)));
      if (needsConfirmation(form.fun, target, minions?.length ?? 0, call.kwargs.test === true)) ask({ call, minions, fun: form.fun, isTest });
      else await start(call);
    });
  };
  const confirmed = () => {
    const { call } = question;
    ask(null);
    attempt(() => start(call));
  };
  const disabled = busy || connection.state !== "open";
  const runByKey = (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || disabled) return;
    event.preventDefault();
    event.currentTarget.requestSubmit();
  };
  return html`<form class="run" onSubmit=${submit} onKeyDown=${runByKey}>
    <${Choice} label="Where it runs" value=${form.client} options=${clientsOf(session)} change=${switchTo} />
    ${onMinions && html`<${Target} ...${{ form, change, connection, session, fleet, functions }} />`}
    <fieldset>
      <legend>Function</legend>
      <div class="fields"><${FunctionName} ...${{ form, change, functions }} /></div>
      <${Arguments} ...${{ form, change, functions }} />
    </fieldset>
    ${onMinions && html`<${Options} ...${{ form, change, batches }} />`}
    <${Fault} fault=${fault} />
    <div class="tools">
      <button type="submit" class="primary" disabled=${disabled} title="Ctrl+Enter">${busy ? "Starting …" : "Run"}</button>
      ${hasTestMode(form.fun, signatureOf(form, functions)) && html`<button type="submit" name="test" disabled=${disabled} title="Run with test=True: show what would change">Test run</button>`}
    </div>
    ${question && html`<${RunQuestion} ...${question} confirm=${confirmed} dismiss=${() => ask(null)} />`}
  </form>`;
}

/** Add the typed pillar to a call; nothing is sent if it is not valid. */
function addPillar(call, text) {
  let pillar;
  try {
    pillar = parsePillar(text);
  } catch ({ message }) {
    throw new Error(`The pillar is not valid: ${message}.`);
  }
  if (pillar === undefined) return;
  if ("pillar" in call.kwargs) throw new Error("There are two pillars: in its field and among the named arguments. Remove one.");
  call.kwargs.pillar = pillar;
}

function Options({ form, change, batches }) {
  const isBatch = batches && form.how === "batch";
  const isState = reportsStates(form.fun);
  if (!batches && !isState) return null;
  return html`<fieldset>
    <legend>Options</legend>
    ${batches && html`<${Choice} label="Run mode" value=${form.how} options=${[["now", "All at once"], ["batch", "As a batch"]]} change=${(how) => change({ how })} />`}
    ${isBatch
      ? html`<div class="fields">
          <label class="grow">Name of the batch <input name="name" maxlength="200" value=${form.name} placeholder="for lists; can be left empty" onInput=${(event) => change({ name: event.target.value })} /></label>
          <label>Batch size <input name="concurrency" type="number" min="0" max="1000000" value=${form.concurrency} onInput=${(event) => change({ concurrency: event.target.value })} /></label>
          <label class="check"><input type="checkbox" checked=${form.stop} onChange=${(event) => change({ stop: event.target.checked })} /> Stop on the first failure</label>
        </div>`
      : isState && html`<label class="check"><input type="checkbox" checked=${form.progress} onChange=${(event) => change({ progress: event.target.checked })} /> Report the progress of states</label>`}
  </fieldset>`;
}

async function runNow(form, call, connection) {
  if (form.client !== "local") return (await connection.request(form.client, { method: form.fun, ...call })).jid;
  const states = form.progress && reportsStates(form.fun) ? { progress: true } : {};
  return (await connection.request("cmd", { fun: form.fun, ...targetOf(form), ...call, ...states })).jid;
}

async function runBatch(form, { args, kwargs }, connection) {
  const item = { fun: form.fun, ...targetOf(form), arg: args, kwarg: kwargs };
  const on_error = form.stop ? "stop" : "continue";
  const name = form.name.trim() ? { name: form.name.trim() } : {};
  const batch = await connection.request("batch", { batch: [item], concurrency: Number(form.concurrency) || 0, on_error, ...name });
  location.hash = to("batches", String(batch.id));
}
