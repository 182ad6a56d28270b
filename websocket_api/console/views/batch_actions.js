// @ts-check
// What can be done with a batch: pause, resume, cancel, and run failed requests again.

import { html, useMemo, useState } from "../lib/html.js";
import { RUNNING, againOf, titleOf } from "../lib/batches.js";
import { count } from "../lib/format.js";
import { to } from "../lib/route.js";
import { Confirm } from "../parts/confirm.js";
import { Fault } from "../parts/marks.js";

export function BatchActions({ batch, store, session, connection }) {
  const [fault, setFault] = useState(null);
  const [sent, setSent] = useState(""); // the operation that waits for its answer, or cancel until the batch has ended
  const [question, ask] = useState(null);
  const send = async (operation) => {
    setSent(operation);
    setFault(null);
    try {
      await connection.request(operation, { batch: batch.id });
      if (operation !== "cancel_batch") setSent("");
    } catch (refused) {
      setFault(refused);
      setSent("");
    }
  };
  const runs = RUNNING.has(batch.status);
  const disabled = sent !== "" || connection.state !== "open";
  const canPause = session.has("pause_batch");
  return html`<div class="batch-actions">
    <div class="tools">
      ${runs && canPause && !batch.paused && html`<button type="button" disabled=${disabled} title="Send nothing more; what runs goes on to its end" onClick=${() => send("pause_batch")}>Pause</button>`}
      ${runs && canPause && batch.paused && html`<button type="button" class="primary" disabled=${disabled} onClick=${() => send("resume_batch")}>Resume</button>`}
      ${!runs && html`<${Again} ...${{ store, disabled, ask }} />`}
      ${runs && html`<button type="button" class="danger" disabled=${disabled} onClick=${() => send("cancel_batch")}>${sent === "cancel_batch" ? "Canceling …" : "Cancel"}</button>`}
    </div>
    <${Fault} fault=${fault} />
    ${question && html`<${AgainQuestion} ...${{ batch, question, connection }} fail=${setFault} close=${() => ask(null)} />`}
  </div>`;
}

function Again({ store, disabled, ask }) {
  // There can be 100,000 requests.
  const [failed, all] = useMemo(() => [false, true].map((andCanceled) => againOf(store.requests.values(), andCanceled)), [store.version]);
  const reason = failed.reason || all.reason;
  if (reason) return html`<span class="dim">Failed requests cannot be run again. ${reason}</span>`;
  return html`
    ${failed.count > 0 && html`<button type="button" disabled=${disabled} onClick=${() => ask(failed)}>Run ${failed.count.toLocaleString("en")} failed again …</button>`}
    ${all.count > failed.count && html`<button type="button" disabled=${disabled} onClick=${() => ask(all)}>Run ${all.count.toLocaleString("en")} failed and canceled again …</button>`}`;
}

function AgainQuestion({ batch, question, connection, fail, close }) {
  const run = async () => {
    close();
    try {
      const name = batch.name ? { name: `${batch.name} (again)`.slice(0, 200) } : {};
      const made = await connection.request("batch", { batch: question.items, concurrency: batch.concurrency, on_error: batch.on_error, ...name });
      location.hash = to("batches", String(made.id));
    } catch (refused) {
      fail(refused);
    }
  };
  return html`<${Confirm} question=${`Run on ${count(question.minions.length, "minion")}?`} yes="Run" confirm=${run} dismiss=${close} minions=${question.minions}>
    <p>A new batch runs ${count(question.count, "request")} of <strong>${titleOf(batch)}</strong> again.</p>
  </${Confirm}>`;
}
