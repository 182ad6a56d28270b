// @ts-check
// One minion: its status, key, last job and grains.

import { html, useEffect, useState } from "../lib/html.js";
import { ago } from "../lib/format.js";
import { to } from "../lib/route.js";
import { Fault, State } from "../parts/marks.js";
import { Side } from "../parts/side.js";
import { Value } from "../parts/value.js";
import { KeyButtons } from "./keys.js";

export function Minion({ minion, fleet, session, connection, close }) {
  const [grains, setGrains] = useState(undefined);
  const [fault, setFault] = useState(null);
  // The store has some grains of all minions; this reads all grains of one, again whenever it was seen.
  useEffect(() => {
    let wanted = true;
    connection
      .read("list_minions", { minions: [minion.id] })
      .then(([found]) => wanted && setGrains(found?.grains ?? null))
      .catch((refused) => wanted && setFault(refused));
    return () => (wanted = false);
  }, [minion.id, minion.seen]);
  const state = { true: "up", false: "down" }[minion.connected] ?? "unknown";
  const job = fleet.lastJobs.get(minion.id);
  return html`<${Side} label=${`Minion ${minion.id}`} title=${minion.id} close=${close}>
    <dl>
      <dt>Status</dt><dd><${State} state=${state} />${minion.seen && ` last seen ${ago(minion.seen)}`}</dd>
      ${minion.key && html`<dt>Key</dt><dd><${State} state=${minion.key} /> <${KeyButtons} ...${{ minion, session, connection }} /></dd>`}
      ${minion.syndic && html`<dt>Syndic</dt><dd>${minion.syndic}</dd>`}
      ${job && html`<dt>Last job</dt><dd><a href=${to("jobs", job.jid)}><${State} state=${job.state} word=${job.fun ?? job.jid} /></a></dd>`}
    </dl>
    ${minion.key !== "pending" && html`<p><a href=${to("run", "", { tgt: minion.id, tgt_type: "list" })}>Run a function on it</a></p>`}
    <h3>Grains</h3>
    <${Fault} fault=${fault} />
    ${grains === undefined && !fault && html`<p class="dim">reading …</p>`}
    ${grains === null && html`<p class="dim">no grains yet, or none that you may see</p>`}
    ${grains && html`<${Value} value=${grains} label=${`grains of ${minion.id}`} />`}
  </${Side}>`;
}
