// @ts-check
// The steps of a running orchestration, each with the progress of its job.

import { html, useEffect, useMemo } from "../lib/html.js";
import { clock } from "../lib/format.js";
import { useStore } from "../lib/hooks.js";
import { to } from "../lib/route.js";
import { brief } from "../lib/text.js";
import { OrchestrationStore } from "../stores/orchestration.js";
import { Fault, JobProgress, State } from "./marks.js";

export function RunningSteps({ job, connection }) {
  const store = useMemo(() => new OrchestrationStore(connection, job), [job.jid]);
  useEffect(() => () => store.stop(), [store]);
  useStore(store);
  const { list, uncertain } = store.steps;
  return html`<h2>Steps</h2>
    <${Fault} fault=${store.fault} />
    ${uncertain && html`<p class="state-warning">Another orchestration began meanwhile. Steps of it may be shown here until this one returns.</p>`}
    ${list.length === 0 && html`<p class="dim">No step has begun yet, or you may not see the events of steps. The return has all of them.</p>`}
    <ol class="steps" aria-label="Steps">
      ${list.map((step, at) => html`<${Step} key=${step.number} step=${step} job=${store.jobs.get(step.jid)} last=${at === list.length - 1} />`)}
    </ol>`;
}

function Step({ step, job, last }) {
  const state = job ? job.state : last ? "running" : "complete";
  return html`<li>
    <span class="step-head"><${State} state=${state} word=${job || last ? state : "ended"} /> <strong>${step.name}</strong> <span class="dim">${step.type}${step.type === "state" ? ` · ${step.fun}` : ""}${step.tgt !== null ? ` on ${brief(step.tgt, 80)}` : ""} · began ${clock(step.time)}</span></span>
    ${step.jid && html`<a href=${to("jobs", step.jid)}>Job ${step.jid}</a>`}
    ${job?.kind === "job" && html`<${JobProgress} job=${job} />`}
  </li>`;
}
