// @ts-check
// The live stream of events.

import { html, useEffect, useState } from "../lib/html.js";
import { clock, count, tagParts } from "../lib/format.js";
import { useSettled, useStore } from "../lib/hooks.js";
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
const KINDS = { startswith: "begins with", find: "contains", endswith: "ends with", fnmatch: "pattern", regex: "regular expression" };

export function EventsView({ events }) {
  useStore(events, 120);
  const [selected, select] = useState(null);
  const [note, setNote] = useState("");
  useEffect(() => {
    events.start();
    return () => events.stop();
  }, [events]);
  const toggle = () => {
    if (!events.paused) return events.pause();
    const { arrived, dropped } = events.resume();
    setNote(`${count(arrived, "event")} arrived while paused${dropped ? `, ${dropped} of them are no longer kept` : ""}`);
  };
  return html`<div class="view ${selected ? "with-side" : ""}">
    <h1>Events</h1>
    <div class="tools">
      <${Filter} events=${events} />
      <button type="button" aria-pressed=${events.paused ? "true" : "false"} onClick=${toggle}>${events.paused ? "Resume" : "Pause"}</button>
      <button type="button" onClick=${() => events.clear()}>Clear</button>
      <span class="dim count">${events.paused ? html`paused, <strong>${events.paused.arrived}</strong> new` : count(events.total, "event")}${events.lost > 0 && html`, <span class="bad">${events.lost} lost</span>`}</span>
      <span class="dim" role="status">${note}</span>
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
        isChosen=${(event) => selected && event.key === selected.key}
        choose=${(event) => event.seq !== null && select(event.key === selected?.key ? null : event)}
        cells=${(event) => cellsOf(event, select)}
        stick=${!events.paused}
        empty=${events.fault ? "Events cannot be shown." : "No events yet."}
      />
      ${selected && html`<${Event} event=${selected} close=${() => select(null)} />`}
    </div>
  </div>`;
}

function cellsOf(event, select) {
  if (event.gap) return [clock(event.time), html`<span class="bad">${gapText(event.gap)}</span>`, ""];
  const [start, end] = tagParts(event.tag);
  return [
    clock(event.time),
    html`<button type="button" class="plain" onClick=${() => select(event)} title=${event.tag}><span class="tag-start">${start}</span><span class="tag-end">${end}</span></button>`,
    html`<code>${brief(event.data)}</code>`,
  ];
}

const GAP_REASONS = {
  history: "they are no longer in the history",
  epoch: "the engine was restarted",
  restart: "the engine did not run for a while",
  bus: "the engine lost the master's event bus",
  overflow: "this browser reads too slowly",
};

function gapText({ count: missing, reason }) {
  const text = missing === null || missing === undefined ? "some events are missing" : `${count(missing, "event")} missing`;
  return `gap: ${text}, ${GAP_REASONS[reason] ?? reason}`;
}

function Event({ event, close }) {
  return html`<${Side} key=${event.key} label="Event" title=${event.tag} close=${close}>
    <dl>
      <dt>Number</dt><dd>${event.seq}</dd>
      <dt>Time</dt><dd>${event.time === null ? "unknown: before this page was opened" : clock(event.time)}</dd>
      ${event.minion && html`<dt>Sent by minion</dt><dd>${event.minion}</dd>`}
    </dl>
    <${Value} key=${event.key} value=${event.data} label="data" />
  </${Side}>`;
}

function Filter({ events }) {
  // The typed filter is in the store, so that it is still there when the user returns to the view.
  const [{ tag, match_type: kind }, setTyped] = useState(events.typed);
  const type = (fields) => setTyped((events.typed = { ...events.typed, ...fields }));
  const settled = useSettled(tag, 400);
  const apply = (wanted) => {
    const changed = wanted !== events.filter.tag || (wanted && kind !== events.filter.match_type);
    if (changed) events.setFilter({ tag: wanted, match_type: kind });
  };
  useEffect(() => apply(settled), [settled, kind]);
  return html`<select aria-label="Match the tag by" value=${kind} onChange=${(event) => type({ match_type: event.target.value })}>
      ${Object.entries(KINDS).map(([name, text]) => html`<option value=${name} selected=${name === kind}>tag ${text}</option>`)}
    </select>
    <input type="search" aria-label="Filter by tag" placeholder="salt/job/" value=${tag} onInput=${(event) => type({ tag: event.target.value })} onKeyDown=${(event) => event.key === "Enter" && apply(tag)} spellcheck=${false} />`;
}
