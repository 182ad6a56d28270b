// @ts-check
// All batches, or one batch with its requests.

import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { clock, count } from "../lib/format.js";
import { to, useFilters } from "../lib/route.js";
import { useStore } from "../lib/hooks.js";
import { functionsOf, stateOf, targetOf, titleOf } from "../lib/batches.js";
import { brief } from "../lib/text.js";
import { Bar, Fault, State } from "../parts/marks.js";
import { MASTER, MasterFilter } from "../parts/filters.js";
import { Side } from "../parts/side.js";
import { Result } from "../parts/result.js";
import { VirtualTable } from "../parts/virtual.js";
import { BatchStore } from "../stores/batches.js";
import { BatchActions } from "./batch_actions.js";

const COLUMNS = [
  { name: "state", title: "Status" },
  { name: "batch", title: "Batch" },
  { name: "fun", title: "Function" },
  { name: "target", title: "Target" },
  { name: "user", title: "User" },
  { name: "started", title: "Started" },
  { name: "bar-cell", title: "Progress" },
];
const REQUESTS = [
  { name: "state", title: "Status" },
  { name: "name", title: "Minion" },
  { name: "fun", title: "Function" },
  { name: "bar-cell", title: "Progress" },
  { name: "result", title: "Result" },
];

export function BatchesView(props) {
  const { rest } = props.route;
  if (rest && !/^\d{1,16}$/.test(rest)) {
    return html`<div class="view page-view"><p><a href=${to("batches")}>← Batches</a></p><h1>Batch ${rest}</h1><${Fault} fault=${{ message: "A batch id is a number. Choose a batch from the list." }} /></div>`;
  }
  return rest ? html`<${Batch} key=${rest} id=${Number(rest)} ...${props} />` : html`<${BatchesTable} ...${props} />`;
}

function BatchesTable({ batches, route }) {
  useStore(batches);
  const [filters, filter] = useFilters(route, { master: "" });
  const several = batches.masters.length > 1;
  const rows = batches.rows.filter(({ master }) => !filters.master || master === filters.master);
  return html`<div class="view">
    <h1>Batches</h1>
    <div class="tools"><span class="dim" role="status">${count(rows.length, "batch", "batches")}</span> <${MasterFilter} store=${batches} ...${{ filters, filter }} /> <a href=${to("run")}>New batch</a></div>
    <${Fault} fault=${batches.fault} />
    <${VirtualTable}
      label="Batches"
      className="batches"
      columns=${several ? [...COLUMNS, MASTER] : COLUMNS}
      rows=${rows}
      rowHeight=${44}
      keyOf=${(batch) => batch.id}
      choose=${(batch) => (location.hash = to("batches", String(batch.id)))}
      cells=${(batch) => [
        html`<${State} state=${stateOf(batch)} />`,
        html`<a href=${to("batches", String(batch.id))} title=${batch.id}>${titleOf(batch)}</a>`,
        functionsOf(batch),
        targetOf(batch),
        batch.user,
        clock(batch.created_at),
        html`<${Progress} batch=${batch} />`,
        ...(several ? [batch.master] : []),
      ]}
      empty=${batches.fault ? "Batches cannot be shown." : batches.loaded ? "No batches yet, or none that you may see." : "Reading batches …"}
    />
  </div>`;
}

/** A batch's bar and counts; a request that failed has ended, but is not done. */
function Progress({ batch }) {
  const { done_count: done, error_count: failed, total_count: total } = batch;
  return html`<span class="progress"><${Bar} value=${batch.progress} state=${batch.status} label=${`Progress of batch ${batch.id}`} /><span class="progress-text">${done} of ${total} done${failed > 0 && html` · <span class="bad">${failed} failed</span>`}</span></span>`;
}

function Batch({ id, session, connection }) {
  const store = useMemo(() => new BatchStore(connection, id), [id]);
  const [selected, setSelected] = useState(null);
  useEffect(() => () => store.stop(), [store]);
  useStore(store);
  const { batch } = store;
  return html`<div class="view ${selected ? "with-side" : ""}">
    <p><a href=${to("batches")}>← Batches</a></p>
    <div class="job-head"><h1>${batch ? titleOf(batch) : `Batch ${id}`}</h1>${batch && html`<${BatchActions} ...${{ batch, store, session, connection }} />`}</div>
    <${Fault} fault=${store.fault} />
    ${!batch && !store.fault && html`<p class="dim">reading …</p>`}
    ${batch &&
    html`<dl class="facts">
        <div><dt>Status</dt><dd><${State} state=${stateOf(batch)} /></dd></div>
        ${functionsOf(batch) && html`<div><dt>Function</dt><dd>${functionsOf(batch)}</dd></div>`}
        <div><dt>Target</dt><dd>${targetOf(batch)}</dd></div>
        <div><dt>User</dt><dd>${batch.user}</dd></div>
        ${batch.master && html`<div><dt>Master</dt><dd>${batch.master}</dd></div>`}
        <div><dt>Started</dt><dd>${clock(batch.created_at)}</dd></div>
        <div><dt>Batch size</dt><dd>${batch.concurrency || "all"}</dd></div>
        <div><dt>On an error</dt><dd>${batch.on_error}</dd></div>
        ${batch.name && html`<div><dt>Batch id</dt><dd><code>${id}</code></dd></div>`}
      </dl>
      ${batch.paused && html`<p class="down-note" role="status">Paused: nothing more is sent, and what runs goes on to its end.</p>`}
      <p class="job-progress" role="status"><${Progress} batch=${batch} /></p>
      <div class="beside">
        <${VirtualTable}
          label="Requests"
          className="requests"
          columns=${REQUESTS}
          rows=${store.rows}
          keyOf=${(request) => request.id}
          isChosen=${(request) => request.id === selected}
          choose=${(request) => setSelected(request.id === selected ? null : request.id)}
          cells=${(request) => requestCells(request, setSelected)}
          empty="No requests."
        />
        ${store.requests.has(selected) && html`<${Request} request=${store.requests.get(selected)} close=${() => setSelected(null)} />`}
      </div>`}
  </div>`;
}

function requestCells(request, select) {
  const { id, minion, fun, status, progress, message } = request;
  return [
    html`<${State} state=${status} />`,
    html`<button type="button" class="plain" onClick=${() => select(id)}>${minion}</button>`,
    fun,
    html`<${Bar} value=${progress} state=${status} label=${`Progress on ${minion}`} />`,
    request.finished_at ? resultOf(request) : (message ?? ""),
  ];
}

/** What a request returned; without a return, why. */
function resultOf({ result, retcode, message }) {
  const code = retcode ? html`<span class="bad">return code ${retcode}</span> ` : "";
  return html`${code}${message ? `${message} ` : ""}${brief((retcode === null && result?.message) || result)}`;
}

function Request({ request, close }) {
  const { id, minion, fun, status, jid, retcode, message, result, finished_at: ended } = request;
  return html`<${Side} key=${id} label=${`Request to ${minion}`} title=${minion} close=${close}>
    <p><${State} state=${status} /> ${jid && html`<a href=${to("jobs", jid)}>Job ${jid}</a>`} ${retcode ? html`<span class="bad">return code ${retcode}</span>` : ""}</p>
    ${message && html`<p>${message}</p>`}
    ${ended ? html`<${Result} key=${id} value=${result} label=${`result of ${minion}`} fun=${fun} />` : html`<p class="dim">No result yet.</p>`}
  </${Side}>`;
}
