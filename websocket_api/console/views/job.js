// @ts-check
// One job's page: its state, and what each minion returned.

import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { args, clock, count, returnedCount, target } from "../lib/format.js";
import { to } from "../lib/route.js";
import { useStore } from "../lib/hooks.js";
import { isOrchestration } from "../lib/steps.js";
import { Confirm } from "../parts/confirm.js";
import { MinionGroups } from "../parts/groups.js";
import { Choice, Fault, JobProgress, State } from "../parts/marks.js";
import { Result } from "../parts/result.js";
import { RunningSteps } from "../parts/steps.js";
import { JobStore } from "../stores/job.js";
import { JobActions } from "./job_actions.js";

const FEW = 5; // minions up to which there is no filter
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
      <${heading}>${job.fun ?? "unknown function"} <span class="dim">${args(job, 1000)}</span></${heading}>
    </${Stop}>
    <dl class="facts">
      <div><dt>State</dt><dd><${State} state=${job.state} /></dd></div>
      ${target(job) && html`<div><dt>Target</dt><dd>${target(job, Array.isArray(job.tgt) ? 9 : 50)}</dd></div>`}
      <div><dt>User</dt><dd>${job.user}</dd></div>
      ${job.master && html`<div><dt>Master</dt><dd>${job.master}</dd></div>`}
      <div><dt>Started</dt><dd>${clock(job.start_time)}</dd></div>
      ${job.end_time && html`<div><dt>Ended</dt><dd>${clock(job.end_time)}</dd></div>`}
      <div><dt>Job id</dt><dd><code>${job.jid}</code></dd></div>
    </dl>
    <p class="job-progress" role="status"><${JobProgress} job=${job} /></p>
    <${JobActions} job=${job} parts=${store.parts} connection=${connection} />
    <${Fault} fault=${store.fault} />
    ${job.metadata !== null && job.metadata !== undefined && html`<details><summary>Metadata</summary><${Result} value=${job.metadata} label="metadata" file=${`metadata-${job.jid}`} /></details>`}
    ${job.kind === "job" ? html`<${Parts} store=${store} />` : html`<${MasterReturn} job=${job} connection=${connection} />`}
  </section>`;
}

function MasterReturn({ job, connection }) {
  if (job.state === "running" && isOrchestration(job)) return html`<${RunningSteps} job=${job} connection=${connection} />`;
  return job.state === "running" ? html`<p class="dim">running on the master …</p>` : html`<h2>Return</h2><${Result} value=${job.return} label="return" fun=${job.fun ?? ""} file=${`return-${job.jid}`} />`;
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
  const [each, setEach] = useState(false);
  const all = store.rows;
  const isWanted = ({ state }) => kind === "all" || state === kind || (kind === "running" && state === "pending");
  const groups = kind === "all" ? all : all.filter(isWanted);
  const rows = each ? apart(groups, search) : search ? groups.filter((group) => idsOf(group).some((id) => id.includes(search))) : groups;
  const minions = rows.reduce((sum, group) => sum + (search ? idsOf(group).filter((id) => id.includes(search)).length : group.members.size), 0);
  return html`<h2>Minions</h2>
    ${store.parts.size > FEW &&
    html`<div class="tools">
      <input type="search" aria-label="Search minions of this job" placeholder="minion" value=${search} onInput=${(event) => setSearch(event.target.value)} />
      <${Choice} label="Which minions" value=${kind} options=${choicesOf(store.job)} change=${setKind} />
      <label class="check"><input type="checkbox" checked=${!each} onChange=${(event) => setEach(!event.target.checked)} /> Group the same outcomes</label>
      <span class="dim" role="status">${store.complete ? "" : "reading, "}${count(minions, "minion")}${!each && ` in ${count(rows.length, "group")}`}${store.complete ? "" : " so far …"}</span>
    </div>`}
    <${MinionGroups} rows=${rows} total=${store.parts.size} search=${search} fun=${store.job.fun ?? ""} />
    ${all.length > 0 && rows.length === 0 && html`<p class="dim">No minion matches the filter.</p>`}`;
}

/** Return the states that occur, to choose from. */
function choicesOf(job) {
  const counts = { failed: job.failed, returned: returnedCount(job) - job.failed, running: job.total - job.done, missing: job.missing, canceled: job.canceled };
  return [["all", "all"], ...Object.entries(counts).filter(([, n]) => n).map(([name, n]) => [name, `${n.toLocaleString("en")} ${name}`])];
}

function idsOf(group) {
  return [...group.members.keys()];
}

/** Return groups of one minion each. */
function apart(groups, search) {
  return groups.flatMap((group) => [...group.members].filter(([id]) => id.includes(search)).map(([id, part]) => ({ ...group, number: id, members: new Map([[id, part]]) })));
}
