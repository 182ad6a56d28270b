// @ts-check
// One job's page: its state, and what each minion returned.

import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { args, clock, count, target } from "../lib/format.js";
import { to } from "../lib/route.js";
import { useStore } from "../lib/hooks.js";
import { statesOf } from "../lib/states.js";
import { brief } from "../lib/text.js";
import { Confirm } from "../parts/confirm.js";
import { Highstate } from "../parts/highstate.js";
import { Bar, Choice, Fault, JobProgress, State } from "../parts/marks.js";
import { Value } from "../parts/value.js";
import { JobStore } from "../stores/job.js";

const SHOWN = 100; // minions at first, and more by the button
const OPEN = 5; // jobs of this many minions are shown unfolded
const CHOICES = ["all", "failed", "running", "returned", "missing", "canceled"];
const KILL_AFTER_MS = 5000; // that a canceled job gets to end before it can be killed

export function JobPage({ jid, connection }) {
  const isId = /^\d{20}(_\d+)?$/.test(jid);
  return html`<div class="view page-view">
    <p><a href=${to("jobs")}>← Jobs</a></p>
    ${isId ? html`<${Job} jid=${jid} connection=${connection} />` : html`<h1>Job ${jid}</h1><${Fault} fault=${{ message: "A job id has 20 digits. Choose a job from the list." }} />`}
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
    <${Stop} job=${job} connection=${connection}>
      <${heading}>${job.fun ?? "unknown function"} <span class="dim">${args(job)}</span></${heading}>
    </${Stop}>
    <dl class="facts">
      <div><dt>State</dt><dd><${State} state=${job.state} /></dd></div>
      ${target(job) && html`<div><dt>Target</dt><dd>${target(job)}</dd></div>`}
      <div><dt>User</dt><dd>${job.user}</dd></div>
      <div><dt>Started</dt><dd>${clock(job.start_time)}</dd></div>
      ${job.end_time && html`<div><dt>Ended</dt><dd>${clock(job.end_time)}</dd></div>`}
      <div><dt>Job id</dt><dd><code>${job.jid}</code></dd></div>
    </dl>
    <p class="job-progress" role="status"><${JobProgress} job=${job} /></p>
    <${Fault} fault=${store.fault} />
    ${job.metadata !== null && job.metadata !== undefined && html`<details><summary>Metadata</summary><${Value} value=${job.metadata} label="metadata" /></details>`}
    ${job.kind === "job" ? html`<${Parts} store=${store} />` : html`<${MasterReturn} job=${job} />`}
  </section>`;
}

function MasterReturn({ job }) {
  return job.state === "running" ? html`<p class="dim">running on the master …</p>` : html`<h2>Return</h2><${Value} value=${job.return} label="return" />`;
}

/** The job's heading with *Cancel*; a job that does not end by that can be killed, by another button and a question. */
function Stop({ job, connection, children }) {
  const [fault, setFault] = useState(null);
  const [canceled, setCanceled] = useState(false);
  const [late, setLate] = useState(false);
  const [asking, ask] = useState(false);
  useEffect(() => {
    if (!canceled) return undefined;
    const timer = setTimeout(() => setLate(true), KILL_AFTER_MS);
    return () => clearTimeout(timer);
  }, [canceled]);
  const running = job.kind === "job" && job.state === "running";
  const send = async (signal) => {
    setFault(null);
    try {
      await connection.request("cancel", { jid: job.jid, signal });
    } catch (refused) {
      setFault(refused);
      setCanceled(false);
      setLate(false);
    }
  };
  const cancel = () => {
    setCanceled(true);
    send("term");
  };
  const kill = () => {
    ask(false);
    send("kill");
  };
  return html`<div class="job-head">${children}
      ${running && html`<button type="button" class="danger" disabled=${canceled} onClick=${cancel}>${canceled ? "Canceling …" : "Cancel"}</button>`}
    </div>
    <${Fault} fault=${fault} />
    ${running && late && html`<p class="job-kill">Some minions still run the job. <button type="button" class="small" onClick=${() => ask(true)}>Kill …</button></p>`}
    ${running && asking && html`<${Confirm} question="Kill the job?" yes="Kill" confirm=${kill} dismiss=${() => ask(false)}>
      <p>Its processes end at once, wherever they are. A package manager or a file may be left half done.</p>
    </${Confirm}>`}`;
}

function Parts({ store }) {
  const [kind, setKind] = useState("all");
  const [search, setSearch] = useState("");
  const [max, setMax] = useState(SHOWN);
  const matches = ([id, part]) => (kind === "all" || part.state === kind || (kind === "running" && part.state === "pending")) && id.includes(search);
  const rows = kind === "all" && !search ? store.rows : store.rows.filter(matches);
  return html`<h2>Minions</h2>
    ${store.rows.length > OPEN &&
    html`<div class="tools">
      <input type="search" aria-label="Search minions of this job" placeholder="minion" value=${search} onInput=${(event) => setSearch(event.target.value)} />
      <${Choice} label="Which minions" value=${kind} options=${CHOICES.map((name) => [name, name])} change=${setKind} />
      <span class="dim">${count(rows.length, "minion")}</span>
    </div>`}
    <div class="parts">
      ${rows.slice(0, max).map(([id, part]) => html`<${Part} key=${id} id=${id} part=${part} open=${store.rows.length <= OPEN} />`)}
    </div>
    ${rows.length > max && html`<button type="button" onClick=${() => setMax(max + SHOWN)}>Show ${Math.min(SHOWN, rows.length - max)} more</button>`}`;
}

const WITHOUT_RETURN = new Set(["running", "pending", "missing", "canceled"]);

function Part({ id, part, open }) {
  const [unfolded, setUnfolded] = useState(open || part.state === "failed");
  const runs = ["running", "pending"].includes(part.state);
  const returned = !WITHOUT_RETURN.has(part.state);
  const states = unfolded && returned ? statesOf(part.return) : null;
  return html`<details class="part" open=${unfolded} onToggle=${(event) => setUnfolded(event.currentTarget.open)}>
    <summary>
      <${State} state=${part.state} /> <strong>${id}</strong>
      ${runs && html`<${Bar} value=${part.progress} state="running" label=${`Progress on ${id}`} /> <span class="dim">${part.message ?? ""}</span>`}
      ${returned && !unfolded && html`<span class="dim brief">${brief(part.return)}</span>`}
      ${part.retcode ? html`<span class="bad">return code ${part.retcode}</span>` : ""}
    </summary>
    ${unfolded && returned && (states ? html`<${Highstate} states=${states} />` : html`<${Value} value=${part.return} label=${`return of ${id}`} />`)}
    ${unfolded && part.state === "missing" && html`<p class="dim">The minion did not return. Check that it is up and that its salt-minion service runs.</p>`}
    ${unfolded && part.state === "canceled" && html`<p class="dim">The job was canceled before the minion returned.</p>`}
  </details>`;
}
