// @ts-check
// Keys that wait for somebody to decide.

import { html, useState } from "../lib/html.js";
import { count } from "../lib/format.js";
import { Fault } from "../parts/marks.js";

const SHOWN = 20; // waiting keys with buttons of their own; the fleet's table has them all
const LISTS = { pending: "minions_pre", rejected: "minions_rejected", denied: "minions_denied", accepted: "minions" };

export function Keys({ fleet, session, connection }) {
  const waiting = [...fleet.minions.values()].filter((minion) => minion.key === "pending");
  if (!waiting.length) return null;
  return html`<section class="keys" aria-label="Keys that wait">
    <h2>${count(waiting.length, "key")} ${waiting.length === 1 ? "waits" : "wait"} to be accepted</h2>
    <ul>
      ${waiting.slice(0, SHOWN).map((minion) => html`<li key=${minion.id}><code>${minion.id}</code> <${KeyButtons} ...${{ minion, session, connection }} /></li>`)}
    </ul>
    ${waiting.length > SHOWN && html`<p class="dim">${count(waiting.length - SHOWN, "more key")} in the table</p>`}
  </section>`;
}

/** Buttons for what may be done with a minion's key, by who may. */
export function KeyButtons({ minion, session, connection }) {
  const [fault, tell] = useState(null);
  const [busy, work] = useState(false);
  const [asked, ask] = useState(false);
  const [finger, point] = useState(null);
  const acts = (minion.key === "accepted" ? ["reject"] : ["accept", "reject"]).filter(
    (act) => act !== `${minion.key}`.replace(/ed$/, "") && callOf(act, minion, session.wheels),
  );
  const run = async (act) => {
    // A minion that is in use would be cut off: not by one slip of the finger.
    if (minion.key === "accepted" && !asked) return ask(true);
    ask(false);
    work(true);
    tell(null);
    try {
      await connection.request("wheel", { ...callOf(act, minion, session.wheels), mode: "sync", timeout: 30 });
    } catch (refused) {
      tell(refused);
    } finally {
      work(false);
    }
  };
  // To be compared with what `salt-call --local key.finger` says on the minion, before its key is accepted.
  const look = async () => {
    tell(null);
    try {
      const found = await connection.request("wheel", { method: "key.finger", kwargs: { match: minion.id }, mode: "sync", timeout: 30 });
      point(found?.[LISTS[minion.key]]?.[minion.id] ?? "there is no such key any more"); // others match the pattern too
    } catch (refused) {
      tell(refused);
    }
  };
  return html`<span class="key-buttons">
    ${acts.map(
      (act) => html`<button type="button" class="small" disabled=${busy} onClick=${() => run(act)} aria-label="${act} the key of ${minion.id}${asked ? ": yes" : ""}">${act === "accept" ? "Accept" : asked ? "Reject it: yes" : "Reject"}</button>`,
    )}
    ${asked && html`<button type="button" class="small" onClick=${() => ask(false)}>No</button>`}
    ${session.wheels.includes("key.finger") && (finger ? html`<code class="finger">${finger}</code>` : html`<button type="button" class="small" onClick=${look} aria-label="fingerprint of the key of ${minion.id}">Fingerprint</button>`)}
    <${Fault} fault=${fault} />
  </span>`;
}

/**
 * What to send, or null where the user may not. key.accept takes a pattern, and a minion chooses its own name: the
 * form with a dictionary takes exactly this one.
 */
function callOf(act, minion, wheels) {
  const from = LISTS[minion.key];
  if (wheels.includes(`key.${act}_dict`)) {
    const include = act === "accept" ? "rejected" : "accepted";
    const extra = from === "minions_denied" ? { include_denied: true } : { [`include_${include}`]: true };
    return { method: `key.${act}_dict`, kwargs: { match: { [from]: [minion.id] }, ...extra } };
  }
  if (wheels.includes(`key.${act}`) && !/[*?[\]]/.test(minion.id)) {
    const include = act === "accept" ? "include_rejected" : "include_accepted";
    return { method: `key.${act}`, kwargs: { match: minion.id, [include]: true } };
  }
  return null;
}
