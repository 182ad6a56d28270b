// @ts-check
// The keys of the fleet: those of each state, and the one with a fingerprint.

import { html, useState } from "../lib/html.js";
import { faultText } from "../lib/faults.js";
import { LISTS, fingerOf, keysWith } from "../lib/keys.js";
import { to } from "../lib/route.js";
import { useRead, useSettled } from "../lib/hooks.js";
import { Choice } from "../parts/marks.js";

const STATES = { "": "All but accepted", pending: "Pending", rejected: "Rejected", denied: "Denied", accepted: "Accepted" };
const WORDS = Object.fromEntries(Object.entries(LISTS).map(([state, list]) => [list, state]));

export function KeyTools({ fleet, session, connection, state, change }) {
  const counts = { "": 0 };
  for (const { key } of fleet.minions.values()) {
    if (key === null) continue;
    counts[key] = (counts[key] ?? 0) + 1;
    if (key !== "accepted") counts[""] += 1;
  }
  const options = Object.entries(STATES).map(([name, text]) => [name, `${text} ${counts[name] ?? 0}`]);
  return html`<section class="key-tools" aria-label="Keys">
    <${Choice} label="Which keys" value=${state} options=${options} change=${change} />
    ${session.wheels.includes("key.finger") && html`<${Compare} connection=${connection} />`}
    <p class="dim note">Select keys in the table to accept, reject or delete many. Compare a fingerprint with what <code>salt-call --local key.finger</code> prints on the minion.</p>
  </section>`;
}

/** Look for the key with the fingerprint that is pasted. */
function Compare({ connection }) {
  const [text, setText] = useState("");
  const finger = fingerOf(useSettled(text.trim(), 300));
  const read = () => connection.request("wheel", { method: "key.finger", kwargs: { match: "*" }, mode: "sync", timeout: 60 });
  const found = useRead(() => (finger ? read().then((fingers) => keysWith(finger, fingers)) : null), [finger]);
  return html`<label>Paste a fingerprint to compare
      <input value=${text} onInput=${(event) => setText(event.target.value)} placeholder="12:34:ab:…" autocomplete="off" spellcheck=${false} /></label>
    <p class="note" role="status">${answer(text, finger, found)}</p>`;
}

function answer(text, finger, { value: keys, fault, reading }) {
  if (!text.trim()) return "";
  if (!finger) return html`<span class="dim">This is not a fingerprint, which has 16 to 64 pairs of hexadecimal digits, such as 12:34:ab.</span>`;
  if (reading || !(keys || fault)) return html`<span class="dim">comparing …</span>`;
  if (fault) return html`<span class="bad">${faultText(fault).text}</span>`;
  if (!keys.length) return html`<span class="bad">✗ No key on this master has this fingerprint.</span>`;
  return keys.map(({ id, list }) => html`<span class="state accepted">✓ It is the key of </span><a href=${to("fleet", id)}>${id}</a> (${WORDS[list] ?? list}) `);
}
