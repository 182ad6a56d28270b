// @ts-check
// The live stream of events.

import { html, useEffect, useState } from "../lib/html.js";
import { clock, count } from "../lib/format.js";
import { useSettled, useStore } from "../lib/store.js";
import { brief } from "../lib/text.js";
import { Chart } from "../parts/chart.js";
import { Fault } from "../parts/marks.js";
import { Side } from "../parts/side.js";
import { Value } from "../parts/value.js";
import { VirtualTable } from "../parts/virtual.js";

const COLUMNS = [
  { name: "time", title: "Time" },
  { name: "tag", title: "Tag" },
  { name: "data", title: "Data" },
];
const KINDS = { startswith: "begins with", find: "holds", endswith: "ends with", fnmatch: "pattern", regex: "regular expression" };

export function EventsView({ events }) {
  useStore(events, 120);
  const [chosen, choose] = useState(null);
  const [told, tell] = useState("");
  useEffect(() => {
    events.start();
    return () => events.stop();
  }, [events]);
  const toggle = () => {
    if (!events.paused) return events.pause();
    const { came, gone } = events.resume();
    tell(`${count(came, "event")} came while paused${gone ? `, ${gone} of them cannot be shown any more` : ""}`);
  };
  return html`<div class="view ${chosen ? "with-side" : ""}">
    <h1>Events</h1>
    <div class="tools">
      <${Filter} events=${events} />
      <button type="button" aria-pressed=${events.paused ? "true" : "false"} onClick=${toggle}>${events.paused ? "Resume" : "Pause"}</button>
      <button type="button" onClick=${() => events.clear()}>Clear</button>
      <span class="dim count">${events.paused ? html`paused, <strong>${events.paused.came}</strong> missed` : count(events.total, "event")}${events.lost > 0 && html`, <span class="bad">${events.lost} lost</span>`}</span>
      <span class="dim" role="status">${told}</span>
    </div>
    <${Fault} fault=${events.fault} />
    <${Chart} rates=${events.rates} />
    <div class="beside">
      <${VirtualTable}
        label="Events"
        className="events"
        columns=${COLUMNS}
        rows=${events.rows}
        rowHeight=${30}
        keyOf=${(event) => event.key}
        isChosen=${(event) => chosen && event.key === chosen.key}
        choose=${(event) => event.seq !== null && choose(event.key === chosen?.key ? null : event)}
        cells=${(event) => cellsOf(event, choose)}
        stick=${!events.paused}
        empty=${events.fault ? "Nothing comes." : "Nothing yet: events that you may see appear here as they happen."}
      />
      ${chosen && html`<${Event} event=${chosen} close=${() => choose(null)} />`}
    </div>
  </div>`;
}

function cellsOf(event, choose) {
  if (event.gap) return [clock(event.time), html`<span class="bad">gap: ${event.gap.count ?? "some"} events are missing (${event.gap.reason})</span>`, ""];
  return [
    clock(event.time),
    html`<button type="button" class="plain" onClick=${() => choose(event)} title=${event.tag}>${event.tag}</button>`,
    html`<code>${brief(event.data)}</code>`,
  ];
}

function Event({ event, close }) {
  return html`<${Side} key=${event.key} label="Event" title=${event.tag} close=${close}>
    <dl>
      <dt>Number</dt><dd>${event.seq}</dd>
      <dt>Time</dt><dd>${event.time === null ? "before this page looked; the event does not tell" : clock(event.time)}</dd>
      ${event.minion && html`<dt>Sent by minion</dt><dd>${event.minion}</dd>`}
    </dl>
    <${Value} key=${event.key} value=${event.data} label="data" />
  </${Side}>`;
}

function Filter({ events }) {
  // Kept outside of the view: who leaves it while typing finds what was typed.
  const [{ tag, match_type: kind }, put] = useState(events.typed);
  const type = (fields) => put((events.typed = { ...events.typed, ...fields }));
  const settled = useSettled(tag, 400);
  const apply = (wanted) => {
    const changed = wanted !== events.filter.tag || (wanted && kind !== events.filter.match_type);
    if (changed) events.want({ tag: wanted, match_type: kind });
  };
  useEffect(() => apply(settled), [settled, kind]);
  return html`<select aria-label="How the tag is compared" value=${kind} onChange=${(event) => type({ match_type: event.target.value })}>
      ${Object.entries(KINDS).map(([name, text]) => html`<option value=${name} selected=${name === kind}>tag ${text}</option>`)}
    </select>
    <input type="search" aria-label="Filter by tag" placeholder="salt/job/" value=${tag} onInput=${(event) => type({ tag: event.target.value })} onKeyDown=${(event) => event.key === "Enter" && apply(tag)} spellcheck=${false} />`;
}
