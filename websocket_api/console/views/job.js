// @ts-check
// One job's page: how it stands, and what each minion returned.

import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { args, clock, count, target } from "../lib/format.js";
import { to } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { brief } from "../lib/text.js";
import { Highstate } from "../parts/highstate.js";
import { Bar, Choice, Fault, JobProgress, State } from "../parts/marks.js";
import { Value } from "../parts/value.js";
import { JobStore, statesOf } from "../stores/job.js";

const PIECE = 100; // minions drawn at once; more by the button
const OPEN = 5; // jobs of so many minions are shown unfolded
const CHOICES = ["all", "failed", "running", "returned", "missing"];

export function JobPage({ jid, connection }) {
  const isId = /^\d{20}(_\d+)?$/.test(jid);
  return html`<div class="view page-view">
    <p><a href=${to("jobs")}>← Jobs</a></p>
    ${isId ? html`<${Job} jid=${jid} connection=${connection} />` : html`<h1>Job ${jid}</h1><${Fault} fault=${{ message: "A job id has 20 digits." }} />`}
  </div>`;
}

/** A job, followed while it is shown. */
export function Job({ jid, connection, heading = "h1" }) {
  const store = useMemo(() => new JobStore(connection, jid), [jid]);
  useEffect(() => () => store.stop(), [store]);
  useStore(store);
  const { job } = store;
  if (!job) return html`<${heading}>Job ${jid}</${heading}>${store.fault ? html`<${Fault} fault=${store.fault} />` : html`<p class="dim">reading …</p>`}`;
  return html`<section class="job" aria-label=${`Job ${jid}`}>
    <div class="job-head">
      <${heading}>${job.fun ?? "unknown function"} <span class="dim">${args(job.arg)}</span></${heading}>
      <${Cancel} job=${job} connection=${connection} />
    </div>
    <dl class="facts">
      <div><dt>State</dt><dd><${State} state=${job.state} /></dd></div>
      ${target(job) && html`<div><dt>Target</dt><dd>${target(job)}</dd></div>`}
      <div><dt>User</dt><dd>${job.user}</dd></div>
      <div><dt>Started</dt><dd>${clock(job.start_time)}</dd></div>
      ${job.end_time && html`<div><dt>Ended</dt><dd>${clock(job.end_time)}</dd></div>`}
      <div><dt>Job id</dt><dd><code>${job.jid}</code></dd></div>
    </dl>
    <p class="job-progress" role="status"><${JobProgress} job=${job} /> ${job.failed > 0 && html`<span class="bad">${job.failed} failed</span>`} ${job.missing > 0 && html`<span class="bad">${job.missing} missing</span>`}</p>
    <${Fault} fault=${store.fault} />
    ${job.metadata !== null && job.metadata !== undefined && html`<details><summary>Metadata</summary><${Value} value=${job.metadata} label="metadata" /></details>`}
    ${job.kind === "job" ? html`<${Parts} store=${store} />` : html`<${MasterReturn} job=${job} />`}
  </section>`;
}

function MasterReturn({ job }) {
  return job.state === "running" ? html`<p class="dim">running on the master …</p>` : html`<h2>Returned</h2><${Value} value=${job.return} label="return" />`;
}

function Cancel({ job, connection }) {
  const [fault, tell] = useState(null);
  const [asked, ask] = useState(0);
  if (job.kind !== "job" || job.state !== "running") return null;
  const cancel = async () => {
    ask(asked + 1);
    tell(null);
    try {
      await connection.request("cancel", { jid: job.jid, signal: asked ? "kill" : "term" });
    } catch (refused) {
      tell(refused);
      ask(0);
    }
  };
  return html`<div>
    <button type="button" class="danger" onClick=${cancel}>${asked ? "Kill it" : "Cancel"}</button>
    <${Fault} fault=${fault} />
  </div>`;
}

function Parts({ store }) {
  const [kind, choose] = useState("all");
  const [search, type] = useState("");
  const [most, show] = useState(PIECE);
  const fits = ([id, part]) => (kind === "all" || part.state === kind || (kind === "running" && part.state === "pending")) && id.includes(search);
  const rows = kind === "all" && !search ? store.rows : store.rows.filter(fits);
  return html`<h2>Minions</h2>
    ${store.rows.length > OPEN &&
    html`<div class="tools">
      <input type="search" aria-label="Search minions of this job" placeholder="minion" value=${search} onInput=${(event) => type(event.target.value)} />
      <${Choice} label="Which minions" value=${kind} options=${CHOICES.map((name) => [name, name])} change=${choose} />
      <span class="dim">${count(rows.length, "minion")}</span>
    </div>`}
    <div class="parts">
      ${rows.slice(0, most).map(([id, part]) => html`<${Part} key=${id} id=${id} part=${part} open=${store.rows.length <= OPEN} />`)}
    </div>
    ${rows.length > most && html`<button type="button" onClick=${() => show(most + PIECE)}>Show ${Math.min(PIECE, rows.length - most)} more</button>`}`;
}

function Part({ id, part, open }) {
  const [unfolded, fold] = useState(open || part.state === "failed");
  const ended = !["running", "pending"].includes(part.state);
  const states = unfolded && ended ? statesOf(part.return) : null;
  return html`<details class="part" open=${unfolded} onToggle=${(event) => fold(event.currentTarget.open)}>
    <summary>
      <${State} state=${part.state} /> <strong>${id}</strong>
      ${!ended && html`<${Bar} value=${part.progress} state="running" label=${`Progress on ${id}`} /> <span class="dim">${part.message ?? ""}</span>`}
      ${ended && !unfolded && html`<span class="dim brief">${brief(part.return)}</span>`}
      ${part.retcode ? html`<span class="bad">return code ${part.retcode}</span>` : ""}
    </summary>
    ${unfolded && ended && part.state !== "missing" && (states ? html`<${Highstate} states=${states} />` : html`<${Value} value=${part.return} label=${`return of ${id}`} />`)}
  </details>`;
}
