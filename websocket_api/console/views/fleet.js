// @ts-check
// The fleet: the minions that the user may see, live; or the page of one of them.

import { html, useEffect, useMemo, useRef } from "../lib/html.js";
import { ago, count } from "../lib/format.js";
import { useSettled, useStore } from "../lib/hooks.js";
import { lazy } from "../lib/lazy.js";
import { queryOf, to, useFilters } from "../lib/route.js";
import { brief } from "../lib/text.js";
import { Choice, Fault, State } from "../parts/marks.js";
import { MASTER, MasterFilter } from "../parts/filters.js";
import { VirtualTable } from "../parts/virtual.js";
import { Columns, Compare, Facets, Nodegroup, SavedFilters } from "./fleet_tools.js";
import { Keys } from "./keys.js";
import { useMatch } from "./target.js";

const MinionPage = lazy(async () => (await import("./minion.js")).MinionPage);
const KeyTools = lazy(async () => (await import("./key_tools.js")).KeyTools);
const FleetActions = lazy(async () => (await import("./fleet_actions.js")).FleetActions);

const SEEN_EVERY_MS = 15000; // between two readings of when the minions on the page were last seen
/** The filters in the address. */
export const FILTERS = { search: "", kind: "all", os: "", salt: "", key: "", group: "", master: "", sort: "name" };

export function FleetView(props) {
  const { fleet, route } = props;
  useStore(fleet);
  // The link back from a minion keeps the filters.
  const back = useRef(to("fleet"));
  if (!route.rest) back.current = to("fleet", "", Object.fromEntries(route.query));
  return route.rest ? html`<${MinionPage} key=${route.rest} ...${props} back=${back.current} />` : html`<${FleetTable} ...${props} />`;
}

/** Read now and then when the minions whose ids `shown` returns were last seen. */
export function useSeen(fleet, connection, shown) {
  useEffect(() => {
    const refresh = () => connection.state === "open" && shown().length && fleet.refreshSeen(shown()).catch(() => {});
    const timer = setInterval(refresh, SEEN_EVERY_MS); // a failed reading is repeated by the next
    return () => clearInterval(timer);
  }, [fleet, connection]);
}

function FleetTable({ fleet, jobs, route, session, connection, functions, form }) {
  const [filters, filter] = useFilters(route, FILTERS);
  const words = useSettled(filters.search, 150);
  const { group, ...others } = filters;
  const matched = useMatch({ tgt: group, tgt_type: "nodegroup", fun: "" }, connection);
  const members = useMemo(() => new Set(matched.value), [matched.value]);
  const found = fleet.find({ ...others, search: words });
  const rows = group ? found.filter(({ id }) => members.has(id)) : found;
  const { counts } = fleet;
  const inView = useRef([]);
  const keys = session.user.can.keys;
  // The masters of a cluster have the same minions.
  const several = jobs.masters.length > 1 && !session.server.master.cluster;
  useEffect(() => fleet.search(words), [fleet, words]);
  useSeen(fleet, connection, () => inView.current.map((minion) => minion.id));
  const kinds = [["all", `All ${counts.all}`], ["up", `Up ${counts.up}`], ["down", `Down ${counts.down}`]];
  if (counts.resources) kinds.push(["resources", `Resources ${counts.resources}`]);
  if (keys) kinds.push(["keys", `Keys ${counts.keys}`]);

  return html`<div class="view">
    <h1>Fleet</h1>
    <div class="tools">
      <input type="search" aria-label="Search minions" placeholder="id, grain, or grain:value" value=${filters.search} onInput=${(event) => filter({ search: event.target.value })} />
      <${Choice} label="Which minions" value=${filters.kind} options=${kinds} change=${(kind) => filter({ kind })} />
      ${(several || filters.master) && html`<${MasterFilter} store=${jobs} ...${{ filters, filter }} />`}
      ${fleet.hasGrains && html`<${Facets} facets=${fleet.facets} filters=${filters} filter=${filter} />`}
      <${SavedFilters} query=${queryOf(filters, FILTERS)} use=${(query) => filter({ ...FILTERS, ...query })}><${Nodegroup} ...${{ functions, session }} value=${group} change=${(name) => filter({ group: name })} /></${SavedFilters}>
      <${Compare} fleet=${fleet} />
      <${Columns} ...${{ fleet, keys, several }} />
      <span class="dim" role="status">${countText(fleet, rows, counts)}</span>
    </div>
    <${Fault} fault=${fleet.fault ?? matched.fault} />
    ${keys && filters.kind === "keys" && html`<${KeyTools} ...${{ fleet, session, connection }} state=${filters.key} change=${(key) => filter({ key })} />`}
    ${keys && counts.keys > 0 && html`<${Keys} fleet=${fleet} session=${session} connection=${connection} />`}
    ${fleet.selection.length > 0 && html`<${FleetActions} ...${{ fleet, session, connection, form }} />`}
    <${VirtualTable}
      label="Minions"
      className="fleet"
      columns=${columnsOf(fleet, { keys, several }, rows, filters.sort, (sort) => filter({ sort }))}
      rows=${rows}
      keyOf=${(minion) => minion.id}
      isChosen=${(minion) => fleet.selected.has(minion.id)}
      choose=${(minion) => (location.hash = to("fleet", minion.id))}
      cells=${(minion) => cellsOf(minion, fleet, { keys, several })}
      inView=${inView}
      empty=${emptyText(fleet)}
    />
  </div>`;
}

function emptyText(fleet) {
  if (fleet.fault) return "Minions cannot be shown.";
  if (!fleet.complete) return "Reading minions …";
  return fleet.minions.size ? "No minion matches the filters." : "No minions yet, or none that you may see.";
}

function countText(fleet, rows, counts) {
  if (!fleet.complete) return `reading, ${count(counts.all, "minion")} so far …`;
  return rows.length === counts.all ? count(counts.all, "minion") : `${rows.length.toLocaleString("en")} of ${count(counts.all, "minion")}`;
}

/** Columns that the user may see and wants: empty ones would look like an error. */
function columnsOf(fleet, { keys, several }, rows, sort, change) {
  const columns = [
    { name: "status", title: "Status" },
    { name: "name", title: "Minion" },
    ...(keys ? [{ name: "key", title: "Key" }] : []),
    ...(several ? [MASTER] : []),
    ...grainsOf(fleet).map((name) => ({ name: `grain-${name}`, className: "grain", title: name })),
    { name: "last", title: "Last job" },
    { name: "seen", title: "Last seen" },
  ];
  return [
    { name: "pick", title: html`<${SelectAll} fleet=${fleet} rows=${rows} />` },
    ...columns.filter(({ name }) => isShown(fleet, name)).map((column) => sortable(column, sort, change)),
  ];
}

function isShown(fleet, name) {
  return !fleet.hidden.includes(name);
}

function sortable(column, sort, change) {
  const { name, title } = column;
  const isOwn = sort.replace(/^-/, "") === name;
  const isDown = isOwn && sort.startsWith("-");
  const button = html`<button type="button" class="plain sort" onClick=${() => change(isOwn && !isDown ? `-${name}` : name)}>${title}<span aria-hidden="true">${isOwn ? (isDown ? " ▼" : " ▲") : ""}</span></button>`;
  return { ...column, title: button, sort: isOwn ? (isDown ? "descending" : "ascending") : "none" };
}

function SelectAll({ fleet, rows }) {
  const all = rows.length > 0 && rows.every((minion) => fleet.selected.has(minion.id));
  return html`<input type="checkbox" checked=${all} disabled=${!rows.length} aria-label="Select all minions that match" onChange=${() => fleet.select(rows.map((minion) => minion.id), !all)} />`;
}

function grainsOf(fleet) {
  return fleet.hasGrains ? fleet.columns : [];
}

function cellsOf(minion, fleet, { keys, several }) {
  const state = { true: "up", false: "down" }[minion.connected] ?? "unknown";
  const job = fleet.lastJobs.get(minion.id);
  const isSelected = fleet.selected.has(minion.id);
  const cells = [
    ["status", html`<${State} state=${state} />`],
    ["name", html`<a href=${to("fleet", minion.id)} title=${minion.id}>${minion.id}</a>${minion.resource && html` <span class="dim" title=${`a resource of type ${minion.resource.type}`}>${minion.resource.type} of ${minion.resource.minion}</span>`}`],
    ...(keys ? [["key", minion.key && html`<${State} state=${minion.key} />`]] : []),
    ...(several ? [["master", minion.master]] : []),
    ...grainsOf(fleet).map((name) => [`grain-${name}`, Object.hasOwn(minion.grains ?? {}, name) ? brief(minion.grains[name], 40) : ""]),
    ["last", job && html`<a href=${to("jobs", job.jid)}><${State} state=${job.state} word=${job.fun ?? job.jid} /></a>`],
    ["seen", ago(minion.seen)],
  ];
  return [
    html`<input type="checkbox" checked=${isSelected} aria-label=${`Select ${minion.id}`} onChange=${() => fleet.select([minion.id], !isSelected)} />`,
    ...cells.filter(([name]) => isShown(fleet, name)).map(([, cell]) => cell),
  ];
}
