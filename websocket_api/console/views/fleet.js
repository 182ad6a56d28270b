// @ts-check
// The fleet: the minions that the user may see, live.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { ago, count } from "../lib/format.js";
import { to } from "../lib/route.js";
import { useSettled, useStore } from "../lib/hooks.js";
import { brief } from "../lib/text.js";
import { Choice, Fault, State } from "../parts/marks.js";
import { VirtualTable } from "../parts/virtual.js";
import { Keys } from "./keys.js";
import { Minion } from "./minion.js";

const SEEN_EVERY_MS = 15000; // between two readings of when the minions in view were last seen

export function FleetView({ fleet, route, session, connection }) {
  useStore(fleet);
  const [search, setSearch] = useState(route.query.get("search") ?? "");
  const [kind, setKind] = useState("all");
  const words = useSettled(search, 150);
  const rows = fleet.find(words, kind);
  const { counts } = fleet;
  const selected = fleet.minions.get(route.rest);
  const inView = useRef([]);
  useEffect(() => fleet.search(words), [fleet, words]);
  useEffect(() => {
    const refresh = () => connection.state === "open" && inView.current.length && fleet.refreshSeen(inView.current.map((minion) => minion.id)).catch(() => {});
    const timer = setInterval(refresh, SEEN_EVERY_MS); // a failed reading is repeated by the next
    return () => clearInterval(timer);
  }, [fleet, connection]);
  const open = (minion) => {
    location.hash = minion.id === route.rest ? to("fleet") : to("fleet", minion.id);
  };
  const kinds = [["all", `All ${counts.all}`], ["up", `Up ${counts.up}`], ["down", `Down ${counts.down}`]];
  if (session.user.can.keys) kinds.push(["keys", `Keys ${counts.keys}`]);

  return html`<div class="view ${selected ? "with-side" : ""}">
    <h1>Fleet</h1>
    <div class="tools">
      <input type="search" aria-label="Search minions" placeholder="id, grain, or grain:value" value=${search} onInput=${(event) => setSearch(event.target.value)} />
      <${Choice} label="Which minions" value=${kind} options=${kinds} change=${setKind} />
      ${fleet.hasGrains && html`<${Columns} fleet=${fleet} />`}
      <span class="dim" role="status">${countText(fleet, rows, counts)}</span>
    </div>
    <${Fault} fault=${fleet.fault} />
    ${session.user.can.keys && counts.keys > 0 && html`<${Keys} fleet=${fleet} session=${session} connection=${connection} />`}
    <div class="beside">
      <${VirtualTable}
        label="Minions"
        className="fleet"
        columns=${columnsOf(fleet, session.user.can.keys)}
        rows=${rows}
        keyOf=${(minion) => minion.id}
        isChosen=${(minion) => minion.id === route.rest}
        choose=${open}
        cells=${(minion) => cellsOf(minion, fleet, session.user.can.keys)}
        inView=${inView}
        empty=${emptyText(fleet)}
      />
      ${selected && html`<${Minion} key=${selected.id} close=${() => (location.hash = to("fleet"))} minion=${selected} ...${{ fleet, session, connection }} />`}
    </div>
  </div>`;
}

function emptyText(fleet) {
  if (fleet.fault) return "Minions cannot be shown.";
  if (!fleet.complete) return "Reading minions …";
  return fleet.minions.size ? "No minion matches the search." : "No minions yet, or none that you may see.";
}

function countText(fleet, rows, counts) {
  if (!fleet.complete) return `reading, ${count(counts.all, "minion")} so far …`;
  return rows.length === counts.all ? count(counts.all, "minion") : `${rows.length} of ${count(counts.all, "minion")}`;
}

/** Columns that the user may see: empty ones would look like an error. */
function columnsOf(fleet, keys) {
  return [
    { name: "status", title: "Status" },
    { name: "name", title: "Minion" },
    ...(keys ? [{ name: "key", title: "Key" }] : []),
    ...grainsOf(fleet).map((name) => ({ name: `grain-${name}`, className: "grain", title: name })),
    { name: "last", title: "Last job" },
    { name: "seen", title: "Last seen" },
  ];
}

function grainsOf(fleet) {
  return fleet.hasGrains ? fleet.columns : [];
}

function cellsOf(minion, fleet, keys) {
  const state = { true: "up", false: "down" }[minion.connected] ?? "unknown";
  const job = fleet.lastJobs.get(minion.id);
  return [
    html`<${State} state=${state} />`,
    html`<a href=${to("fleet", minion.id)} title=${minion.id}>${minion.id}</a>`,
    ...(keys ? [minion.key && html`<${State} state=${minion.key} />`] : []),
    ...grainsOf(fleet).map((name) => (Object.hasOwn(minion.grains ?? {}, name) ? brief(minion.grains[name], 40) : "")),
    job && html`<a href=${to("jobs", job.jid)}><${State} state=${job.state} word=${job.fun ?? job.jid} /></a>`,
    ago(minion.seen),
  ];
}

function Columns({ fleet }) {
  const change = (event) => {
    const names = event.target.value.split(/[\s,]+/).filter(Boolean).slice(0, 6);
    fleet.setColumns([...new Set(names)]);
  };
  return html`<details class="columns">
    <summary>Grains</summary>
    <label>Grains to show as columns <input value=${fleet.columns.join(", ")} onChange=${change} /></label>
  </details>`;
}
