// @ts-check
// What can be done with a job: run it again, test it first, edit it, copy it as a command.

import { html, useState } from "../lib/html.js";
import { callOfJob, canTest, isTest, messageOf, queryOf, withTest } from "../lib/calls.js";
import { asCurl, asPython, asSalt, asSaltLive } from "../lib/copies.js";
import { needsConfirmation } from "../lib/functions.js";
import { useAttempt } from "../lib/hooks.js";
import { to } from "../lib/route.js";
import { RunQuestion } from "../parts/confirm.js";
import { Copy } from "../parts/copy.js";
import { Fault } from "../parts/marks.js";

/** @param {{job: any, parts: Map<string, any>, connection: any}} props */
export function JobActions({ job, parts, connection }) {
  const { busy, fault, attempt } = useAttempt();
  const [question, ask] = useState(null); // {call, minions, title} that waits for an answer
  const { call, reason } = callOfJob(job);
  if (!call) return null;
  const start = async (wanted) => {
    const [type, fields] = messageOf(wanted);
    location.hash = to("jobs", (await connection.request(type, fields)).jid);
  };
  const run = (wanted) =>
    attempt(async () => {
      const { fun, target } = wanted;
      const minions = target && (await connection.request("match", { ...target, fun }));
      if (needsConfirmation(fun, target, minions?.length ?? 0, isTest(wanted))) ask({ call: wanted, minions });
      else await start(wanted);
    });
  const again = failedOrMissing(job, parts);
  const disabled = busy || reason !== "" || connection.state !== "open";
  const button = (title, wanted, primary = false) => html`<button type="button" class=${primary ? "primary" : ""} disabled=${disabled} onClick=${() => run(wanted)}>${title}</button>`;
  return html`<div class="tools job-actions" role="group" aria-label="Actions">
      ${isTest(call) && job.state !== "running" && button("Apply for real", withTest(call, false), true)}
      ${button(isTest(call) ? "Test again" : "Run again", call)}
      ${again.length > 0 && button(`Run on ${again.length.toLocaleString("en")} failed or missing`, { ...call, target: { tgt: again, tgt_type: "list" } })}
      ${canTest(call) && !isTest(call) && button("Test first", withTest(call, true))}
      <a class="button" href=${to("run", "", queryOf(call))}>Edit and run</a>
      ${reason === "" && html`<${Copies} call=${call} />`}
      ${reason !== "" && html`<span class="dim">${reason} It can be edited, but not run again as it was.</span>`}
    </div>
    <${Fault} fault=${fault} />
    ${question && html`<${RunQuestion} fun=${question.call.fun} call=${question.call} isTest=${isTest(question.call)} minions=${question.minions} confirm=${() => {
      ask(null);
      attempt(() => start(question.call));
    }} dismiss=${() => ask(null)} />`}`;
}

/** Return the minions of an ended job that failed, did not return, or were canceled; none if that is all of them, or not all are known. */
function failedOrMissing(job, parts) {
  if (job.kind !== "job" || job.state === "running" || parts.size < job.total) return [];
  const ids = [...parts].filter(([, part]) => ["failed", "missing", "canceled"].includes(part.state)).map(([id]) => id);
  return ids.length < parts.size ? ids : [];
}

const COPIES = { salt: asSalt, "salt-live": asSaltLive, curl: asCurl, Python: asPython };

function Copies({ call }) {
  const [open, setOpen] = useState(false);
  const server = new URL("..", location.href).href.replace(/\/$/, ""); // behind a proxy it can have a path
  return html`<details class="copies" open=${open} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>Copy as …</summary>
    ${open && html`<div class="copies-list">
      ${Object.entries(COPIES).map(([name, make]) => {
        const { text, problem } = make(call, server);
        return html`<p><strong>${name}</strong> ${text ? html`<${Copy} text=${() => text} what=${`as ${name}`} />` : html`<span class="dim">${problem}</span>`}</p>
          ${text && html`<pre tabindex="0" aria-label=${`The call as ${name}`}>${text}</pre>`}`;
      })}
      <p class="dim">None contains your token. <code>salt-live</code> uses its own login; curl and Python read the token from <code>SALTAPI_TOKEN</code>.</p>
    </div>`}
  </details>`;
}
