// @ts-check
// Keys of minions: those that wait to be accepted, and the buttons to accept and reject.

import { html, useState } from "../lib/html.js";
import { count } from "../lib/format.js";
import { useAttempt } from "../lib/hooks.js";
import { LISTS, keyCall } from "../lib/keys.js";
import { Fault } from "../parts/marks.js";

const SHOWN = 20; // waiting keys with their own buttons; the fleet's table has all keys
const ACTS = { accept: "Accept", reject: "Reject", delete: "Delete" };

export function Keys({ fleet, session, connection }) {
  const waiting = [...fleet.minions.values()].filter((minion) => minion.key === "pending");
  if (!waiting.length) return null;
  return html`<section class="keys" aria-label="Pending keys">
    <h2>${count(waiting.length, "key")} ${waiting.length === 1 ? "waits" : "wait"} to be accepted</h2>
    <ul>
      ${waiting.slice(0, SHOWN).map((minion) => html`<li key=${minion.id}><code>${minion.id}</code> <${KeyButtons} ...${{ minion, session, connection }} /></li>`)}
    </ul>
    ${waiting.length > SHOWN && html`<p class="dim">${count(waiting.length - SHOWN, "more key")} in the table</p>`}
  </section>`;
}

/** Buttons for what the user may do with a minion's key. */
export function KeyButtons({ minion, session, connection }) {
  const { busy, fault, attempt } = useAttempt();
  const disabled = busy || connection.state !== "open";
  const [asking, ask] = useState(""); // the action that waits for a second click
  const [finger, setFinger] = useState(null);
  const acts = Object.keys(ACTS).filter((act) => callOf(act, minion, session.wheels));
  const run = (act) => {
    // What gives a machine access or takes it away takes two clicks; to reject a key that waits does neither.
    if ((act !== "reject" || minion.key === "accepted") && asking !== act) return ask(act);
    ask("");
    return attempt(() => connection.request("wheel", { ...callOf(act, minion, session.wheels), mode: "sync", timeout: 30 }));
  };
  // The fingerprint is compared with `salt-call --local key.finger` on the minion before its key is accepted.
  const readFinger = () =>
    attempt(async () => {
      const found = await connection.request("wheel", { method: "key.finger", kwargs: { match: minion.id }, mode: "sync", timeout: 30 });
      const own = found?.[LISTS[minion.key]]?.[minion.id]; // other keys can match the pattern, too
      setFinger(own ? [own].flat().join(", ") : "the key no longer exists");
    });
  return html`<span class="key-buttons">
    ${acts.map(
      (act) => (!asking || asking === act) && html`<button type="button" key=${act} class="small" disabled=${disabled} onClick=${() => run(act)} aria-label="${act} the key of ${minion.id}${asking ? ": confirm" : ""}">${asking ? `Yes, ${act} it` : ACTS[act]}</button>`,
    )}
    ${asking && html`<button type="button" class="small" onClick=${() => ask("")}>No</button>`}
    ${session.wheels.includes("key.finger") && (finger ? html`<code class="finger">${finger}</code>` : html`<button type="button" class="small" disabled=${disabled} onClick=${readFinger} aria-label="fingerprint of the key of ${minion.id}">Fingerprint</button>`)}
    <${Fault} fault=${fault} />
  </span>`;
}

/** Return the wheel call, or null if the user may not send it: exact ids if possible, else a pattern that is one. */
function callOf(act, minion, wheels) {
  const exact = keyCall(act, [minion], wheels);
  if (exact) return { method: exact.method, kwargs: exact.kwargs };
  const isChange = act === "accept" ? minion.key !== "accepted" : minion.key !== "rejected" || act === "delete";
  if (!isChange || !wheels.includes(`key.${act}`) || /[*?[\]]/.test(minion.id)) return null;
  const include = { accept: { include_rejected: true }, reject: { include_accepted: true }, delete: {} }[act];
  return { method: `key.${act}`, kwargs: { match: minion.id, ...include } };
}
