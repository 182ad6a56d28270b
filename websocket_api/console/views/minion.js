// @ts-check
// One minion's page: its state and key, actions, and tabs that read more of it.

import { html, useEffect, useRef } from "../lib/html.js";
import { ago, clock } from "../lib/format.js";
import { to } from "../lib/route.js";
import { Copy } from "../parts/copy.js";
import { Fault, State } from "../parts/marks.js";
import { useSeen } from "./fleet.js";
import { KeyButtons } from "./keys.js";
import { Actions } from "./minion_actions.js";
import { Beacons, Grains, Mine, Pillar, Schedule } from "./minion_data.js";
import { Highstates, MinionJobs } from "./minion_jobs.js";

const TABS = [
  ["", "Overview", Overview],
  ["grains", "Grains", Grains],
  ["pillar", "Pillar", Pillar],
  ["highstate", "Highstate", Highstates],
  ["jobs", "Jobs", MinionJobs],
  ["schedule", "Schedule", Schedule],
  ["beacons", "Beacons", Beacons],
  ["mine", "Mine", Mine],
];

/** Tabs of a minion that only another master has: nothing can be read from it here. */
const ELSEWHERE = TABS.filter(([name]) => name === "" || name === "jobs");

export function MinionPage(props) {
  const { fleet, route, back, connection } = props;
  const id = route.rest;
  useSeen(fleet, connection, () => [id]);
  const minion = fleet.minions.get(id);
  const heading = useRef(null);
  useEffect(() => heading.current.focus({ preventScroll: true }), []); // keyboard users continue here
  const tab = TABS.find(([name]) => name === (route.query.get("tab") ?? "")) ?? TABS[0];
  return html`<div class="view page-view minion">
    <p><a href=${back}>← Fleet</a></p>
    <h1 tabindex="-1" ref=${heading}>${minion && html`<${State} state=${stateOf(minion)} word="" />`}${id}</h1>
    ${minion ? html`<${Minion} key=${id} tab=${tab} ...${{ ...props, minion }} />` : html`<${NoMinion} fleet=${fleet} />`}
  </div>`;
}

function NoMinion({ fleet }) {
  if (!fleet.complete && !fleet.fault) return html`<p class="dim" role="status">reading …</p>`;
  return html`<${Fault} fault=${fleet.fault ?? { message: "There is no minion with this id, or you may not see it." }} />`;
}

function Minion({ tab, ...props }) {
  const { minion } = props;
  const isKeyOnly = minion.key !== null && minion.key !== "accepted";
  const elsewhere = isElsewhere(minion, props.session);
  const tabs = isKeyOnly ? TABS.slice(0, 1) : elsewhere ? ELSEWHERE : TABS;
  const [name, title, Tab] = tabs.includes(tab) ? tab : tabs[0];
  return html`<${Facts} ...${props} />
    ${!isKeyOnly && !elsewhere && html`<${Actions} key=${`actions ${name}`} ...${props} />`}
    ${elsewhere && html`<p class="dim">Functions run on it from its own master only.</p>`}
    <nav class="tabs" aria-label=${`About ${minion.id}`}>
      ${tabs.map(([one, text]) => html`<a key=${one} href=${to("fleet", minion.id, one ? { tab: one } : {})} aria-current=${one === name ? "page" : undefined}>${text}</a>`)}
    </nav>
    <section class="tab" aria-label=${title}><${Tab} key=${name} ...${props} /></section>`;
}

function isElsewhere(minion, session) {
  return minion.master !== undefined && minion.master !== session.server.master.id;
}

export function stateOf(minion) {
  return { true: "up", false: "down" }[minion.connected] ?? "unknown";
}

function Facts({ minion, fleet, session, connection }) {
  const job = fleet.lastJobs.get(minion.id);
  return html`<dl class="facts">
    <div><dt>Status</dt><dd><${State} state=${stateOf(minion)} />${minion.seen && html` <span class="dim" title=${clock(minion.seen)}>seen ${ago(minion.seen)}</span>`}</dd></div>
    ${minion.key && html`<div><dt>Key</dt><dd><${State} state=${minion.key} />${!isElsewhere(minion, session) && html` <${KeyButtons} ...${{ minion, session, connection }} />`}</dd></div>`}
    ${minion.resource && html`<div><dt>Resource</dt><dd>${minion.resource.type}, managed by <a href=${to("fleet", minion.resource.minion)}>${minion.resource.minion}</a></dd></div>`}
    ${minion.master && html`<div><dt>Master</dt><dd>${minion.master}</dd></div>`}
    ${minion.syndic && html`<div><dt>Syndic</dt><dd>${minion.syndic}</dd></div>`}
    ${job && html`<div><dt>Last job</dt><dd><a href=${to("jobs", job.jid)}><${State} state=${job.state} word=${job.fun ?? job.jid} /></a></dd></div>`}
  </dl>`;
}

/** @type {[string, (grains: any) => any][]} */
const SHOWN = [
  ["Operating system", (grains) => grains.osfullname && `${grains.osfullname} ${grains.osrelease ?? ""}`],
  ["Kernel", (grains) => grains.kernel && `${grains.kernel} ${grains.kernelrelease ?? ""}`],
  ["Salt", (grains) => grains.saltversion],
  ["Python", (grains) => Array.isArray(grains.pythonversion) && grains.pythonversion.slice(0, 3).join(".")],
  ["Host name", (grains) => grains.fqdn ?? grains.host],
  ["Addresses", (grains) => Array.isArray(grains.ipv4) && [...grains.ipv4, ...(grains.ipv6 ?? [])].filter((one) => !["127.0.0.1", "::1"].includes(one)).join(", ")],
  ["CPU", (grains) => grains.num_cpus && `${grains.num_cpus} × ${grains.cpu_model ?? grains.cpuarch ?? "CPU"}`],
  ["Memory", (grains) => grains.mem_total && `${(grains.mem_total / 1024).toFixed(1)} GiB`],
  ["Virtual", (grains) => grains.virtual],
  ["Roles", (grains) => [grains.role, grains.roles].flat().filter(Boolean).join(", ")],
];

function Overview({ minion, connection, fleet }) {
  if (minion.resource) return html`<${Grains} ...${{ minion, connection }} />`; // it has none of those below
  return html`<${Grains} ...${{ minion, connection, fleet }} show=${(grains) => html`<dl class="overview">
    ${SHOWN.map(([name, textOf]) => {
      const text = textOf(grains);
      return text && html`<dt>${name}</dt><dd>${String(text)} ${name === "Addresses" && html`<${Copy} text=${() => text} what="the addresses" />`}</dd>`;
    })}
    ${minionsResources(fleet, minion.id)}
  </dl>`} />`;
}

function minionsResources(fleet, id) {
  const resources = [...fleet.minions.values()].filter((one) => one.resource?.minion === id);
  return resources.length > 0 && html`<dt>Resources</dt><dd>${resources.map((one, at) => html`${at > 0 && ", "}<a key=${one.id} href=${to("fleet", one.id)}>${one.id}</a>`)}</dd>`;
}
