// @ts-check
// The jobs, newest first, live; or the page of one job.

import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { clock, count, target } from "../lib/format.js";
import { DEFAULTS, KINDS, STATES, durationOf, durationText, isFiltered, matcher, requestsOf, statesOf, toggled } from "../lib/job_filters.js";
import { countFilters, to, useFilters } from "../lib/route.js";
import { useClock, useSettled, useStore } from "../lib/hooks.js";
import { Fold, MASTER, MasterFilter } from "../parts/filters.js";
import { Fault, JobName, JobProgress, State } from "../parts/marks.js";
import { VirtualTable } from "../parts/virtual.js";
import { JobPage } from "./job.js";

const COLUMNS = [
  { name: "state", title: "State" },
  { name: "fun", title: "Function" },
  { name: "target", title: "Target" },
  { name: "user", title: "User" },
  { name: "started", title: "Started" },
  { name: "duration", title: "Duration" },
  { name: "bar-cell", title: "Progress" },
];

export function JobsView(props) {
  return props.route.rest ? html`<${JobPage} key=${props.route.rest} jid=${props.route.rest} ...${props} />` : html`<${JobsTable} ...${props} />`;
}

function JobsTable({ jobs, route }) {
  useStore(jobs);
  useClock(1); // durations of running jobs
  const [filters, filter] = useFilters(route, DEFAULTS);
  const settled = useSettled(JSON.stringify(filters), 150);
  const matches = useMemo(() => matcher(JSON.parse(settled)), [settled]);
  const rows = jobs.rows.filter(matches);
  const several = jobs.masters.length > 1;
  return html`<div class="view">
    <h1>Jobs</h1>
    <${Filters} ...${{ jobs, filters, filter }} />
    <div class="tools">
      <span class="dim" role="status">${count(rows.length, "job")}</span>
      ${!isFiltered(filters) && jobs.older && jobs.loaded && html`<button type="button" onClick=${() => jobs.loadOlder()}>Load older</button>`}
      <${More} key=${settled} jobs=${jobs} filters=${JSON.parse(settled)} />
    </div>
    <${Fault} fault=${jobs.fault} />
    <${VirtualTable}
      label="Jobs"
      className="jobs"
      columns=${several ? [...COLUMNS, MASTER] : COLUMNS}
      rows=${rows}
      rowHeight=${44}
      keyOf=${(job) => job.jid}
      choose=${(job) => (location.hash = to("jobs", job.jid))}
      cells=${(job) => cellsOf(job, several)}
      empty=${emptyText(jobs)}
    />
  </div>`;
}

function Filters({ jobs, filters, filter }) {
  const states = new Set(statesOf(filters));
  const type = (name) => (event) => filter({ [name]: event.target.value });
  return html`<div class="tools">
    <input type="search" aria-label="Search jobs" placeholder="function, target, user or jid" value=${filters.search} onInput=${type("search")} />
    <${Fold} active=${countFilters(filters, DEFAULTS, "search")} />
    <div class="chips folds" role="group" aria-label="States">
      <button type="button" aria-pressed=${!states.size} onClick=${() => filter({ state: "" })}>All</button>
      ${Object.entries(STATES).map(([name, text]) => html`<button type="button" key=${name} aria-pressed=${states.has(name)} onClick=${() => filter({ state: toggled(filters, name) })}>${text}</button>`)}
    </div>
    <select class="folds" aria-label="Kind" value=${filters.kind} onChange=${type("kind")}>${Object.entries(KINDS).map(([name, text]) => html`<option value=${name} selected=${name === filters.kind}>${text}</option>`)}</select>
    <${MasterFilter} store=${jobs} ...${{ filters, filter }} />
    <label class="beside-label folds">From <input type="datetime-local" value=${filters.from} onInput=${type("from")} /></label>
    <label class="beside-label folds">To <input type="datetime-local" value=${filters.to} onInput=${type("to")} /></label>
    <label class="check folds" title="saltutil.find_job, sys.argspec and the like"><input type="checkbox" checked=${filters.helpers !== ""} onChange=${(event) => filter({ helpers: event.target.checked ? "1" : "" })} /> Helper jobs</label>
  </div>`;
}

/** Find jobs of these filters that are not loaded: in the engine's memory at once, in the job cache on request. */
function More({ jobs, filters }) {
  const [state, setState] = useState("");
  const [fault, setFault] = useState(null);
  const filtered = isFiltered(filters);
  const find = async (stored) => {
    if (stored) setState("searching");
    try {
      const found = await jobs.find(requestsOf(filters), stored);
      if (stored) setState(`${count(found, "job")} found in the job cache`);
    } catch (refused) {
      setFault(refused);
      setState("");
    }
  };
  useEffect(() => {
    if (filtered) find(false);
  }, []);
  if (!filtered) return null;
  return html`${state === "searching" || state === "" ? html`<button type="button" disabled=${state === "searching"} onClick=${() => find(true)}>${state ? "Searching …" : "Search the job cache"}</button>` : ""}
    <span class="dim" role="status">${state === "searching" ? "" : state}</span><${Fault} fault=${fault} />`;
}

function emptyText(jobs) {
  if (jobs.fault) return "Jobs cannot be shown.";
  if (!jobs.loaded) return "Reading jobs …";
  return jobs.rows.length ? "No job matches the filter." : "No jobs yet, or none that you may see.";
}

function cellsOf(job, several) {
  return [
    html`<${State} state=${job.state} />`,
    html`<${JobName} job=${job} />`,
    target(job),
    job.user,
    clock(job.start_time),
    durationText(durationOf(job)),
    html`<${JobProgress} job=${job} />`,
    ...(several ? [job.master] : []),
  ];
}
