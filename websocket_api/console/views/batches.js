// @ts-check
// The view of all batches, or of one with its requests.

import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { clock, count } from "../lib/format.js";
import { to } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { brief } from "../lib/text.js";
import { Bar, Fault, State } from "../parts/marks.js";
import { Side } from "../parts/side.js";
import { Value } from "../parts/value.js";
import { VirtualTable } from "../parts/virtual.js";
import { BatchStore, RUNNING } from "../stores/batches.js";

const COLUMNS = [
  { name: "state", title: "Status" },
  { name: "batch", title: "Batch" },
  { name: "user", title: "User" },
  { name: "started", title: "Started" },
  { name: "bar-cell", title: "Progress" },
  { name: "number", title: "Errors" },
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
    return html`<div class="view page-view"><p><a href=${to("batches")}>← Batches</a></p><h1>Batch ${rest}</h1><${Fault} fault=${{ message: "A batch has a number." }} /></div>`;
  }
  return rest ? html`<${Batch} key=${rest} id=${Number(rest)} ...${props} />` : html`<${BatchesTable} ...${props} />`;
}

function BatchesTable({ batches }) {
  useStore(batches);
  return html`<div class="view">
    <h1>Batches</h1>
    <div class="tools"><span class="dim" role="status">${count(batches.rows.length, "batch", "batches")}</span> <a href=${to("run")}>Make one from Run</a></div>
    <${Fault} fault=${batches.fault} />
    <${VirtualTable}
      label="Batches"
      className="batches"
      columns=${COLUMNS}
      rows=${batches.rows}
      rowHeight=${44}
      keyOf=${(batch) => batch.id}
      choose=${(batch) => (location.hash = to("batches", String(batch.id)))}
      cells=${(batch) => [
        html`<${State} state=${batch.status} />`,
        html`<a href=${to("batches", String(batch.id))}>${batch.id}</a>`,
        batch.user,
        clock(batch.created_at),
        html`<${Progress} batch=${batch} />`,
        batch.error_count ? html`<span class="bad">${batch.error_count}</span>` : "",
      ]}
      empty=${batches.fault ? "Nothing can be shown." : batches.loaded ? "There is no batch that you may see." : "Reading the batches …"}
    />
  </div>`;
}

function Progress({ batch }) {
  return html`<span class="progress"><${Bar} value=${batch.progress} state=${batch.status} label=${`Progress of batch ${batch.id}`} /><span class="progress-text">${batch.done_count + batch.error_count} of ${batch.total_count} done</span></span>`;
}

function Batch({ id, connection }) {
  const store = useMemo(() => new BatchStore(connection, id), [id]);
  const [chosen, setChosen] = useState(null);
  useEffect(() => () => store.stop(), [store]);
  useStore(store);
  const { batch } = store;
  return html`<div class="view ${chosen ? "with-side" : ""}">
    <p><a href=${to("batches")}>← Batches</a></p>
    <div class="job-head"><h1>Batch ${id}</h1>${batch && html`<${Cancel} batch=${batch} connection=${connection} />`}</div>
    <${Fault} fault=${store.fault} />
    ${!batch && !store.fault && html`<p class="dim">reading …</p>`}
    ${batch &&
    html`<dl class="facts">
        <div><dt>Status</dt><dd><${State} state=${batch.status} /></dd></div>
        <div><dt>User</dt><dd>${batch.user}</dd></div>
        <div><dt>Started</dt><dd>${clock(batch.created_at)}</dd></div>
        <div><dt>At a time</dt><dd>${batch.concurrency || "all"}</dd></div>
        <div><dt>On an error</dt><dd>${batch.on_error}</dd></div>
      </dl>
      <p class="job-progress" role="status"><${Progress} batch=${batch} /> ${batch.error_count > 0 && html`<span class="bad">${count(batch.error_count, "error")}</span>`}</p>
      <div class="beside">
        <${VirtualTable}
          label="Requests"
          className="requests"
          columns=${REQUESTS}
          rows=${store.rows}
          keyOf=${(request) => request.id}
          isChosen=${(request) => request.id === chosen}
          choose=${(request) => setChosen(request.id === chosen ? null : request.id)}
          cells=${(request) => requestCells(request, setChosen)}
          empty="No request."
        />
        ${store.requests.has(chosen) && html`<${Request} request=${store.requests.get(chosen)} close=${() => setChosen(null)} />`}
      </div>`}
  </div>`;
}

function requestCells(request, choose) {
  const { id, minion, fun, status, progress, message } = request;
  return [
    html`<${State} state=${status} />`,
    html`<button type="button" class="plain" onClick=${() => choose(id)}>${minion}</button>`,
    fun,
    html`<${Bar} value=${progress} state=${status} label=${`Progress on ${minion}`} />`,
    request.finished_at ? resultOf(request) : (message ?? ""),
  ];
}

function resultOf({ result, retcode, message }) {
  const code = retcode ? html`<span class="bad">return code ${retcode}</span> ` : "";
  return html`${code}${message ? `${message} ` : ""}${brief(result)}`;
}

function Request({ request, close }) {
  const { id, minion, status, jid, retcode, message, result } = request;
  return html`<${Side} key=${id} label=${`Request to ${minion}`} title=${minion} close=${close}>
    <p><${State} state=${status} /> ${jid && html`<a href=${to("jobs", jid)}>its job</a>`} ${retcode ? html`<span class="bad">return code ${retcode}</span>` : ""}</p>
    ${message && html`<p>${message}</p>`}
    <${Value} key=${id} value=${result} label=${`result of ${minion}`} />
  </${Side}>`;
}

function Cancel({ batch, connection }) {
  const [fault, setFault] = useState(null);
  if (!RUNNING.has(batch.status)) return null;
  const cancel = () => connection.request("cancel_batch", { batch: batch.id }).catch(setFault);
  return html`<div><button type="button" class="danger" onClick=${cancel}>Cancel</button><${Fault} fault=${fault} /></div>`;
}
