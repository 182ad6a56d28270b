// @ts-check
// The first page: what is up, what waits, what failed, what runs, and what this server is.

import { html, useEffect } from "../lib/html.js";
import { ago, count, target } from "../lib/format.js";
import { localTime } from "../lib/job_filters.js";
import { timeOf } from "../lib/jobs.js";
import { useClock, useStore } from "../lib/hooks.js";
import { to } from "../lib/route.js";
import { Fault, JobName, JobProgress, State } from "../parts/marks.js";
import { OverviewStore } from "../stores/overview.js";

const DAY_MS = 86400000;
const SHOWN = 6; // jobs and minions of each list
const VERSIONS = 3; // other versions of Salt
const OUTCOMES = ["failed", "missing", "canceled", "running", "succeeded"];
const [WIDTH, HEIGHT] = [120, 28]; // of the chart of the event rate

export function OverviewView({ fleet, jobs, session, connection, kept }) {
  const overview = kept("overview", () => new OverviewStore(connection, jobs));
  useStore(fleet, 500);
  useStore(jobs, 500);
  useStore(overview);
  useClock(10);
  useEffect(() => {
    overview.start();
    return () => overview.stop();
  }, [overview]);
  return html`<div class="view page-view overview">
    <h1>Overview</h1>
    <${Fault} fault=${overview.fault ?? fleet.fault} />
    <ul class="tiles" aria-label="Numbers">
      <${Minions} fleet=${fleet} salt=${session.server.master.salt} />
      ${session.user.can.keys && html`<${Keys} fleet=${fleet} />`}
      <${Jobs} overview=${overview} />
      <${Rate} overview=${overview} />
      <${Server} health=${connection.state === "open" ? overview.health : null} session=${session} />
    </ul>
    <div class="cards">
      <${Highstates} fleet=${fleet} overview=${overview} />
      <${JobList} title="Failed in the last 24 hours" jobs=${overview.failures} all=${failedAddress()} empty=${overview.loaded ? "No job failed, or none that you may see." : "reading …"} />
      <${JobList} title="Running now" jobs=${overview.running} all=${to("jobs", "", { state: "running" })} empty=${overview.loaded ? "No job runs, or none that you may see." : "reading …"} />
    </div>
  </div>`;
}

/** A number with its name, which leads to where it comes from. */
function Tile({ name, href, children, more }) {
  return html`<li class="tile"><a href=${href}><span class="tile-name">${name}</span> <span class="tile-value">${children}</span></a>${more && html`<span class="tile-more">${more}</span>`}</li>`;
}

function Minions({ fleet, salt }) {
  const { all, up, down, keys } = fleet.counts;
  const unknown = all - up - down - keys;
  const others = fleet.facets.salt.filter(([version]) => version !== salt).slice(0, VERSIONS);
  const more = html`<a class="state up" href=${to("fleet", "", { kind: "up" })}>● ${up} up</a>
    <a class="state ${down ? "down" : "dim"}" href=${to("fleet", "", { kind: "down" })}>○ ${down} down</a>
    ${unknown > 0 && html`<span class="dim" title="Not seen since the engine started">? ${unknown} not seen yet</span>`}
    ${others.map(([version, n]) => html`<a key=${version} href=${to("fleet", "", { salt: version })} title="Another version than the master">${n} with Salt ${version}</a>`)}`;
  return html`<${Tile} name="Minions" href=${to("fleet")} more=${more}>${fleet.complete ? (all - keys).toLocaleString("en") : "…"}</${Tile}>`;
}

function Keys({ fleet }) {
  const waiting = [...fleet.minions.values()].filter((minion) => minion.key === "pending").length;
  const more = waiting ? html`<span class="bad">compare fingerprints, then accept</span>` : html`<span class="dim">none</span>`;
  return html`<${Tile} name="Keys waiting" href=${to("fleet", "", { kind: "keys" })} more=${more}>${fleet.complete ? waiting : "…"}</${Tile}>`;
}

function Jobs({ overview }) {
  const { failures, running, loaded } = overview;
  return html`
    <${Tile} name="Failed jobs, 24 h" href=${failedAddress()} more=${failures[0] && html`<span class="dim">last ${ago(failures[0].start_time)}</span>`}>${loaded ? html`<span class=${failures.length ? "bad" : ""}>${failures.length}</span>` : "…"}</${Tile}>
    <${Tile} name="Running jobs" href=${to("jobs", "", { state: "running" })} more=${running[0] && html`<span class="dim">${running[0].fun}</span>`}>${loaded ? running.length : "…"}</${Tile}>`;
}

function failedAddress() {
  return to("jobs", "", { state: "failed,partial", from: localTime(Date.now() - DAY_MS) });
}

function Rate({ overview }) {
  const { rates } = overview;
  const rate = rates.at(-1);
  return html`<${Tile} name="Events per second" href=${to("events")} more=${rates.length > 1 && html`<${Line} values=${rates} />`}>${rate === undefined ? "…" : rate.toFixed(rate < 10 ? 1 : 0)}</${Tile}>`;
}

function Line({ values }) {
  const max = Math.max(1, ...values);
  const points = values.map((value, at) => `${(at * WIDTH) / (values.length - 1)},${HEIGHT - 1 - ((HEIGHT - 2) * value) / max}`).join(" ");
  return html`<svg class="line" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${`at most ${Math.round(max)} per second in the last minutes`}><polyline points=${points} /></svg>`;
}

const HEALTH = { ok: ["up", "healthy"], degraded: ["partial", "degraded"], down: ["down", "down"] };

function Server({ health, session }) {
  const { master, version } = session.server;
  const [state, word] = HEALTH[health?.status] ?? ["unknown"];
  const faults = Object.entries(health?.parts ?? {}).filter(([, part]) => part.fault);
  const more = html`<span class="dim">Salt ${master.salt} · websocket_api ${version}${master.cluster && ` · cluster ${master.cluster}`}</span>
    ${faults.map(([name, part]) => html`<span class="bad">${name}: ${part.fault}</span>`)}`;
  return html`<${Tile} name="Master ${master.id}" href=${to("connection")} more=${more}><${State} state=${state} word=${word} /></${Tile}>`;
}

function Highstates({ fleet, overview }) {
  const rows = [...overview.highstates].filter(([id]) => fleet.minions.has(id));
  const counts = OUTCOMES.map((outcome) => [outcome, rows.filter(([, found]) => found.outcome === outcome).length]).filter(([, n]) => n);
  const never = [...fleet.minions.values()].filter(({ id, key }) => (key === "accepted" || key === null) && !overview.highstates.has(id)).length;
  const bad = rows.filter(([, { outcome }]) => outcome === "failed" || outcome === "missing").sort(([a], [b]) => (a < b ? -1 : 1));
  return html`<section>
    <h2>Last highstate of each minion</h2>
    ${!overview.loaded ? html`<p class="dim">reading …</p>` : html`<p>${counts.map(([outcome, n]) => html`<span class="outcome ${outcome}">${n} ${outcome}</span> `)}${never > 0 && html`<span class="dim">${never} without a known highstate</span>`}</p>`}
    ${bad.length > 0 && html`<ul class="plain-list">${bad.slice(0, SHOWN).map(([id, found]) => html`<li key=${id}><a href=${to("fleet", id)}>${id}</a> <a href=${to("jobs", found.jid)}><${State} state=${found.outcome} /></a> <span class="dim">${ago(timeOf(found.jid))}</span></li>`)}</ul>`}
    ${bad.length > SHOWN && html`<p class="dim">and ${count(bad.length - SHOWN, "more minion")}</p>`}
    <p><a href=${to("jobs", "", { search: "state." })}>Jobs with states</a></p>
  </section>`;
}

function JobList({ title, jobs, all, empty }) {
  return html`<section>
    <h2>${title}</h2>
    ${!jobs.length ? html`<p class="dim">${empty}</p>` : html`<ul class="plain-list">${jobs.slice(0, SHOWN).map((job) => html`<li key=${job.jid}>
      <div class="one-job"><${JobName} job=${job} /> ${target(job) && html`on ${target(job, 3)}`} <span class="dim">by ${job.user}, ${ago(job.start_time)}</span></div>
      <${JobProgress} job=${job} />
    </li>`)}</ul>`}
    ${jobs.length > SHOWN && html`<p><a href=${all}>All ${jobs.length} jobs</a></p>`}
  </section>`;
}
