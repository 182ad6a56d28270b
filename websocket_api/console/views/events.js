// @ts-check
// The live stream of events.

import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { DEFAULTS, asLines, jidOf, pathsOf, searcher, timed, valueAt } from "../lib/event_filters.js";
import { clock, count, tagParts } from "../lib/format.js";
import { useSettled, useStore } from "../lib/hooks.js";
import { to, useFilters } from "../lib/route.js";
import { brief } from "../lib/text.js";
import { Chart } from "../parts/chart.js";
import { Download } from "../parts/copy.js";
import { Fault } from "../parts/marks.js";
import { MASTER } from "../parts/filters.js";
import { Result } from "../parts/result.js";
import { Side } from "../parts/side.js";
import { VirtualTable } from "../parts/virtual.js";
import { Filters } from "./event_filters.js";

const TIME_AND_TAG = [
  { name: "time", title: "Time" },
  { name: "tag", title: "Tag" },
];
const DATA = { name: "data", title: "Data" };

export function EventsView({ events, jobs, route }) {
  useStore(events, 120);
  const [filters, filter] = useFilters(route, DEFAULTS, events.view);
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
  const search = useSettled(filters.search, 200);
  const hasWords = useMemo(() => searcher(search), [search]);
  const isInTime = useMemo(() => timed(filters.from, filters.to), [filters.from, filters.to]);
  const all = !search && !filters.from && !filters.to;
  const rows = all ? events.rows : events.rows.filter((event) => isInTime(event) && hasWords(event));
  const paths = pathsOf(filters.columns);
  const several = jobs.masters.length > 1;
  const columns = [...TIME_AND_TAG, ...(several ? [MASTER] : []), ...(paths.length ? paths.map((path) => ({ name: `path-${path}`, className: "path", title: path })) : [DATA])];
  return html`<div class="view ${selected ? "with-side" : ""}">
    <h1>Events</h1>
    <${Filters} ...${{ events, jobs, filters, filter }} />
    <div class="tools">
      <button type="button" aria-pressed=${events.paused !== null} onClick=${toggle}>${events.paused ? "Resume" : "Pause"}</button>
      <button type="button" onClick=${() => events.clear()}>Clear</button>
      <${Download} file=${() => ({ name: "events.jsonl", text: asLines(rows) })} what="the events below as JSON lines" />
      <span class="dim count">${events.paused ? html`paused, <strong>${events.paused.arrived}</strong> new` : count(events.total, "event")}${events.lost > 0 && html`, <span class="bad">${events.lost} lost</span>`}</span>
      ${!all && html`<span class="dim">${rows.length.toLocaleString("en")} shown</span>`}
      <span class="dim" role="status">${note}</span>
    </div>
    <${Fault} fault=${events.fault} />
    <${Chart} rates=${events.rates} />
    <div class="beside">
      <${VirtualTable}
        label="Events"
        className="events"
        columns=${columns}
        rows=${rows}
        rowHeight=${30}
        keyOf=${(event) => event.key}
        isChosen=${(event) => selected && event.key === selected.key}
        choose=${(event) => event.seq !== null && select(event.key === selected?.key ? null : event)}
        cells=${(event) => cellsOf(event, select, paths, several)}
        stick=${!events.paused}
        empty=${events.fault ? "Events cannot be shown." : events.rows.length ? "No event matches the search." : filters.tag ? "No event with this tag yet." : "No events yet."}
      />
      ${selected && html`<${Event} event=${selected} close=${() => select(null)} />`}
    </div>
  </div>`;
}

function cellsOf(event, select, paths, several) {
  const master = several ? [event.gap ? Object.keys(event.gap.masters ?? {}).join(", ") : event.master] : [];
  if (event.gap) return [clock(event.time), html`<span class="bad">${gapText(event.gap)}</span>`, ...master, ...(paths.length ? paths : [""]).map(() => "")];
  const [start, end] = tagParts(event.tag);
  return [
    clock(event.time),
    html`<button type="button" class="plain" onClick=${() => select(event)} title=${event.tag}><span class="tag-start">${start}</span><span class="tag-end">${end}</span></button>`,
    ...master,
    ...(paths.length ? paths.map((path) => pathCell(event.data, path)) : [html`<code>${brief(event.data)}</code>`]),
  ];
}

function pathCell(data, path) {
  const value = valueAt(data, path);
  return value === undefined ? "" : html`<code>${brief(value)}</code>`;
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
  const jid = jidOf(event.tag);
  return html`<${Side} key=${event.key} label="Event" title=${event.tag} close=${close}>
    <dl>
      <dt>Number</dt><dd>${event.seq}</dd>
      <dt>Time</dt><dd>${event.time === null ? "unknown: before this page was opened" : clock(event.time)}</dd>
      ${jid && html`<dt>Job</dt><dd><a href=${to("jobs", jid)}>${jid}</a></dd>`}
      ${event.master && html`<dt>Master</dt><dd>${event.master}</dd>`}
      ${event.minion && html`<dt>Sent by minion</dt><dd>${event.minion}</dd>`}
    </dl>
    <${Result} key=${event.key} value=${event.data} label="data" file=${`event-${event.seq}`} />
  </${Side}>`;
}
