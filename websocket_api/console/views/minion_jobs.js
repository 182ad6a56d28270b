// @ts-check
// A minion's jobs, and its last highstate: what it applied, and what a test run says would change.

import { ago, clock } from "../lib/format.js";
import { useRead } from "../lib/hooks.js";
import { html } from "../lib/html.js";
import { isHelper, isTestRun, isWholeHighstate } from "../lib/jobs.js";
import { to } from "../lib/route.js";
import { statesOf } from "../lib/states.js";
import { Fault, JobName, State } from "../parts/marks.js";
import { Result } from "../parts/result.js";

const LISTED = 200; // newest jobs of a minion

/** Read the minion's jobs, again when it has a newer one. */
function useJobs({ connection, minion, fleet }, fields = {}) {
  const last = fleet.lastJobs.get(minion.id);
  const read = () => connection.read("list_jobs", { minion: minion.id, limit: LISTED, ...fields }).then((jobs) => jobs.filter((job) => !isHelper(job)));
  return useRead(read, [minion.id, last?.jid, last?.state]);
}

export function MinionJobs(props) {
  const { minion } = props;
  const { value: jobs, fault } = useJobs(props);
  if (fault) return html`<${Fault} fault=${fault} />`;
  if (!jobs) return html`<p class="dim" role="status">reading …</p>`;
  if (!jobs.length) return html`<p class="dim">No job of this minion is known, or none that you may see.</p>`;
  return html`<div class="scrolls" tabindex="0" role="region" aria-label=${`Jobs of ${minion.id}`}><table>
    <thead><tr><th>State</th><th>Function</th><th>User</th><th>Started</th></tr></thead>
    <tbody>${jobs.map((job) => html`<tr key=${job.jid}>
      <td><${State} state=${job.minions[minion.id].state} /></td>
      <td><${JobName} job=${job} /></td>
      <td>${job.user}</td><td title=${job.jid}>${clock(job.start_time)}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

export function Highstates(props) {
  const { value: jobs, fault } = useJobs(props, { fun: "state.*" });
  if (fault) return html`<${Fault} fault=${fault} />`;
  if (!jobs) return html`<p class="dim" role="status">reading …</p>`;
  const ended = jobs.filter((job) => isWholeHighstate(job) && !["running", "pending"].includes(job.minions[props.minion.id].state));
  return html`
    <h2>Drift</h2>
    <p class="dim">What a highstate would change now, by the last test run. <em>Test the highstate</em> above runs one; it changes nothing.</p>
    <${Last} ...${props} job=${ended.find(isTestRun)} none="No test run of the highstate is known." drift=${true} />
    <h2>Last highstate</h2>
    <${Last} ...${props} job=${ended.find((job) => !isTestRun(job))} none="No highstate of this minion is known." />`;
}

function Last({ job, none, drift = false, minion, connection }) {
  const read = () => job && connection.read("get_job", { jid: job.jid, minion: minion.id }).then((found) => found.minions[minion.id]);
  const { value: part, fault } = useRead(read, [job?.jid]);
  if (!job) return html`<p class="dim">${none}</p>`;
  const states = part && statesOf(part.return);
  return html`<p><${State} state=${job.minions[minion.id].state} /> <a href=${to("jobs", job.jid)}>${clock(job.start_time)}</a> <span class="dim">${ago(job.start_time)}${job.user && ` by ${job.user}`}</span></p>
    <${Fault} fault=${fault} />
    ${drift && states && html`<p><strong>${driftText(states)}</strong></p>`}
    ${part && html`<${Result} key=${job.jid} value=${part.return} label=${`return of ${minion.id}`} fun=${job.fun ?? ""} file=${`return-${minion.id}-${job.jid}`} />`}`;
}

/** Return whether the minion is as its states say. */
export function driftText(states) {
  const failed = states.filter((state) => state.kind === "failed" || state.kind === "blocked").length;
  const changes = states.filter((state) => state.kind === "pending" || state.kind === "changed").length;
  if (failed) return `${failed} of ${states.length} states cannot be tested or would fail${changes ? `; ${changes} would change` : ""}.`;
  return changes ? `${changes} of ${states.length} states would change.` : "No drift: nothing would change.";
}
