// The fleet: every minion that the user may see, live.

import { html, useState } from "../vendor/htm-preact.js";
import { ago, count } from "../lib/format.js";
import { to } from "../lib/route.js";
import { useSettled, useStore } from "../lib/store.js";
import { brief } from "../lib/text.js";
import { Choice, State } from "../parts/marks.js";
import { VirtualTable } from "../parts/virtual.js";
import { Keys } from "./keys.js";
import { Minion } from "./minion.js";


export function FleetView({ fleet, route, session, connection }) {
  useStore(fleet);
  const [search, type] = useState(route.query.get("search") ?? "");
  const [kind, choose] = useState("all");
  const words = useSettled(search, 150);
  const rows = fleet.find(words, kind);
  const { counts } = fleet;
  const chosen = fleet.minions.get(route.rest);
  const open = (minion) => {
    location.hash = minion.id === route.rest ? to("fleet") : to("fleet", minion.id);
  };
  const kinds = [["all", `All ${counts.all}`], ["up", `Up ${counts.up}`], ["down", `Down ${counts.down}`]];
  if (session.user.can.keys) kinds.push(["keys", `Keys ${counts.keys}`]);

  return html`<div class="view ${chosen ? "with-side" : ""}">
    <h1>Fleet</h1>
    <div class="tools">
      <input type="search" aria-label="Search minions" placeholder="id, grain, or grain:value" value=${search} onInput=${(event) => type(event.target.value)} />
      <${Choice} label="Which minions" value=${kind} options=${kinds} change=${choose} />
      <${Columns} fleet=${fleet} />
      <span class="dim" role="status">${found(fleet, rows, counts)}</span>
    </div>
    ${session.user.can.keys && counts.keys > 0 && html`<${Keys} fleet=${fleet} session=${session} connection=${connection} />`}
    <div class="beside">
      <${VirtualTable}
        label="Minions"
        className="fleet"
        columns=${columnsOf(fleet)}
        rows=${rows}
        keyOf=${(minion) => minion.id}
        isChosen=${(minion) => minion.id === route.rest}
        choose=${open}
        cells=${(minion) => cellsOf(minion, fleet)}
        empty=${fleet.whole ? "No minion fits." : "Reading the fleet …"}
      />
      ${chosen && html`<${Minion} key=${chosen.id} minion=${chosen} ...${{ fleet, session, connection }} />`}
    </div>
  </div>`;
}

function found(fleet, rows, counts) {
  if (!fleet.whole) return `reading, ${count(counts.all, "minion")} so far …`;
  return rows.length === counts.all ? count(counts.all, "minion") : `${rows.length} of ${count(counts.all, "minion")}`;
}

function columnsOf(fleet) {
  return [
    { name: "status", title: "Status" },
    { name: "name", title: "Minion" },
    { name: "key", title: "Key" },
    ...fleet.columns.map((name) => ({ name: `grain-${name}`, className: "grain", title: name })),
    { name: "last", title: "Last job" },
    { name: "seen", title: "Heard of" },
  ];
}

function cellsOf(minion, fleet) {
  const state = { true: "up", false: "down" }[minion.connected] ?? "unknown";
  const job = fleet.lastJobs.get(minion.id);
  return [
    html`<${State} state=${state} />`,
    html`<a href=${to("fleet", minion.id)} title=${minion.id}>${minion.id}</a>`,
    minion.key && html`<${State} state=${minion.key} />`,
    ...fleet.columns.map((name) => brief(minion.grains?.[name] ?? "", 40)),
    job && html`<a href=${to("jobs", job.jid)}><${State} state=${job.state} word=${job.fun ?? job.jid} /></a>`,
    ago(minion.seen),
  ];
}

function Columns({ fleet }) {
  const change = (event) => {
    const names = event.target.value.split(/[\s,]+/).filter(Boolean).slice(0, 6);
    fleet.show([...new Set(names)]);
  };
  return html`<details class="columns">
    <summary>Grains</summary>
    <label>Grains with a column <input value=${fleet.columns.join(", ")} onChange=${change} /></label>
  </details>`;
}
