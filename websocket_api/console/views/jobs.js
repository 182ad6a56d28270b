// @ts-check
// The jobs, newest first, live; or the page of one job.

import { html, useState } from "../lib/html.js";
import { args, clock, count, target } from "../lib/format.js";
import { to, useFilters } from "../lib/route.js";
import { useSettled, useStore } from "../lib/hooks.js";
import { Choice, Fault, JobProgress, State } from "../parts/marks.js";
import { VirtualTable } from "../parts/virtual.js";
import { isHelper } from "../stores/helpers.js";
import { JobPage } from "./job.js";

const COLUMNS = [
  { name: "state", title: "State" },
  { name: "fun", title: "Function" },
  { name: "target", title: "Target" },
  { name: "user", title: "User" },
  { name: "started", title: "Started" },
  { name: "bar-cell", title: "Progress" },
];
const STATES = [["all", "All"], ["running", "Running"], ["failed", "Failed"], ["partial", "Partial"], ["canceled", "Canceled"]];

export function JobsView(props) {
  return props.route.rest ? html`<${JobPage} key=${props.route.rest} jid=${props.route.rest} ...${props} />` : html`<${JobsTable} ...${props} />`;
}

function JobsTable({ jobs, route }) {
  useStore(jobs);
  const [{ search, state }, filter] = useFilters(route, { search: "", state: "all" });
  const [helpers, showHelpers] = useState(false);
  const words = useSettled(search, 150).toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (job) => (helpers || !isHelper(job)) && (state === "all" || job.state === state) && words.every((word) => textOf(job).includes(word));
  const rows = jobs.rows.filter(matches);
  return html`<div class="view">
    <h1>Jobs</h1>
    <div class="tools">
      <input type="search" aria-label="Search jobs" placeholder="function, target, user or job id" value=${search} onInput=${(event) => filter({ search: event.target.value })} />
      <${Choice} label="Which jobs" value=${state} options=${STATES} change=${(name) => filter({ state: name })} />
      <label class="check" title="saltutil.find_job, sys.argspec and the like"><input type="checkbox" checked=${helpers} onChange=${(event) => showHelpers(event.target.checked)} /> Helper jobs</label>
      <span class="dim" role="status">${count(rows.length, "job")}</span>
      ${jobs.older && jobs.loaded && html`<button type="button" onClick=${() => jobs.loadOlder()}>Load older</button>`}
    </div>
    <${Fault} fault=${jobs.fault} />
    <${VirtualTable}
      label="Jobs"
      className="jobs"
      columns=${COLUMNS}
      rows=${rows}
      rowHeight=${44}
      keyOf=${(job) => job.jid}
      choose=${(job) => (location.hash = to("jobs", job.jid))}
      cells=${cellsOf}
      empty=${emptyText(jobs)}
    />
  </div>`;
}

function emptyText(jobs) {
  if (jobs.fault) return "Jobs cannot be shown.";
  if (!jobs.loaded) return "Reading jobs …";
  return jobs.rows.length ? "No job matches the filter." : "No jobs yet, or none that you may see.";
}

function textOf(job) {
  return `${job.jid} ${job.fun} ${target(job)} ${job.user}`.toLowerCase();
}

function cellsOf(job) {
  return [
    html`<${State} state=${job.state} />`,
    html`<a href=${to("jobs", job.jid)} aria-label=${`${job.fun ?? "unknown function"}, job ${job.jid}`}>${job.fun ?? "?"}</a> <span class="dim">${args(job)}</span>`,
    target(job),
    job.user,
    clock(job.start_time),
    html`<${JobProgress} job=${job} />`,
  ];
}
