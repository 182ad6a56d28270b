// @ts-check
// A highstate's return: failed and changed states first, those that a failed one blocked below it, unchanged ones folded.

import { html, useMemo, useState } from "../lib/html.js";
import { count, duration } from "../lib/format.js";
import { to } from "../lib/route.js";
import { KINDS, isHighstate, kindCounts, statesText, underCauses } from "../lib/states.js";
import { brief } from "../lib/text.js";
import { Groups } from "../lib/outcomes.js";
import { Choice } from "./marks.js";
import { MinionGroups } from "./groups.js";
import { Command, Text, isCommand } from "./text.js";
import { Tree } from "./tree.js";

const MAX_SHOWN = 500; // states; the return itself can be copied whole
const FEW = 8; // states up to which nothing is folded and no filter is offered
const SIGNS = { failed: "✗", changed: "✎", pending: "…", blocked: "⊘", same: "✓" };

export function Highstate({ states, label }) {
  const [kind, setKind] = useState("all");
  const [word, setWord] = useState("");
  const [order, setOrder] = useState("kind");
  const many = states.length > FEW;
  const filtered = kind !== "all" || word.trim() !== "" || order !== "kind";
  const shown = useMemo(() => arranged(states, kind, word.trim().toLowerCase(), order), [states, kind, word, order]);
  const unfolded = filtered || !many ? shown : shown.filter(({ state }) => state.kind !== "same");
  const same = shown.slice(unfolded.length);
  const total = states.reduce((sum, state) => sum + (state.duration ?? 0), 0);
  return html`<div class="highstate" role="group" aria-label=${label}>
    <p>${statesText(states)}${total > 0 && html` <span class="dim">· took ${duration(total)}</span>`}</p>
    ${many &&
    html`<div class="tools">
      <input type="search" aria-label="Filter states" placeholder="id, function or comment" value=${word} onInput=${(event) => setWord(event.target.value)} />
      <${Choice} label="Which states" value=${kind} options=${choices(states)} change=${setKind} />
      <label class="check"><input type="checkbox" checked=${order === "duration"} onChange=${(event) => setOrder(event.target.checked ? "duration" : "kind")} /> Slowest first</label>
    </div>`}
    <${States} entries=${unfolded} />
    ${filtered && !unfolded.length && html`<p class="dim">No state matches the filter.</p>`}
    ${same.length > 0 && html`<${Folded} title=${count(same.length, "unchanged state")} entries=${same} />`}
  </div>`;
}

function choices(states) {
  const words = { ...KINDS, blocked: "not run" };
  return [["all", "all"], ...kindCounts(states).map(([kind, n]) => [kind, `${n} ${words[kind]}`])];
}

/** Return the states of a filter as [{state, blocked}]; states that were blocked are below their cause only in the usual order. */
function arranged(states, kind, word, order) {
  const matches = (state) => (kind === "all" || state.kind === kind) && [state.id, state.name, state.fun, state.sls, state.comment].some((text) => text.toLowerCase().includes(word));
  if (kind === "all" && word === "" && order === "kind") return underCauses(states);
  const found = states.filter(matches);
  if (order === "duration") found.sort((a, b) => (b.duration ?? 0) - (a.duration ?? 0));
  return found.map((state) => ({ state, blocked: [] }));
}

function States({ entries }) {
  return html`${entries.slice(0, MAX_SHOWN).map(({ state, blocked }) => html`<${State} key=${state.key} state=${state} blocked=${blocked} />`)}
    ${entries.length > MAX_SHOWN && html`<p class="dim">${count(entries.length - MAX_SHOWN, "more state")} not shown</p>`}`;
}

/** States that are drawn only while they are unfolded. */
function Folded({ title, entries }) {
  const [open, setOpen] = useState(false);
  return html`<details class="folded" open=${open} onToggle=${(event) => event.target === event.currentTarget && setOpen(event.currentTarget.open)}>
    <summary>${title}</summary>
    ${open && html`<${States} entries=${entries} />`}
  </details>`;
}

function State({ state, blocked }) {
  const { kind, id } = state;
  const [open, setOpen] = useState(kind === "failed");
  return html`<details class="one-state ${kind}" open=${open} onToggle=${(event) => event.target === event.currentTarget && setOpen(event.currentTarget.open)}>
      <summary><span class="kind">${SIGNS[kind]} ${KINDS[kind]}</span> <strong>${id}</strong> <span class="dim">${state.fun}</span> <span class="comment">${brief(state.comment)}</span>${state.duration !== null && html` <span class="dim took">${duration(state.duration)}</span>`}</summary>
      ${open && html`<${Details} ...${state} />`}
    </details>
    ${blocked.length > 0 && html`<div class="blocked-below"><${Folded} title=${`⊘ ${count(blocked.length, "state")} not run because this failed`} entries=${blocked.map((one) => ({ state: one, blocked: [] }))} /></div>`}`;
}

function Details({ id, name, sls, comment, warnings, changes, jid }) {
  return html`
    ${comment !== brief(comment) && html`<${Text} text=${comment} label=${`comment of ${id}`} />`}
    ${warnings.map((one) => html`<p class="state-warning"><strong>Warning:</strong> ${one}</p>`)}
    <${Changes} changes=${changes} label=${`changes of ${id}`} />
    <p class="dim">${[name !== id && `name ${name}`, sls && `sls ${sls}`].filter(Boolean).join(" · ")}${jid && html` <a href=${to("jobs", jid)}>Job ${jid}</a>`}</p>`;
}

function Changes({ changes, label }) {
  if (changes === null || typeof changes !== "object" || !Object.keys(changes).length) return null;
  if (changes.out === "highstate" && changes.ret && typeof changes.ret === "object") return html`<${Nested} returns=${changes.ret} />`;
  if (typeof changes.diff === "string" && Object.keys(changes).length === 1) return html`<${Text} text=${changes.diff} label=${label} />`;
  return isCommand(changes) ? html`<${Command} value=${changes} label=${label} />` : html`<${Tree} value=${changes} label=${label} />`;
}

/** The minions of an orchestration's step. */
function Nested({ returns }) {
  const rows = useMemo(() => {
    const groups = new Groups();
    for (const [id, value] of Object.entries(returns)) groups.put(id, { state: hasFailed(value) ? "failed" : "returned", return: value });
    return groups.rows;
  }, [returns]);
  return html`<${MinionGroups} rows=${rows} total=${Object.keys(returns).length} />`;
}

function hasFailed(value) {
  return isHighstate(value) && Object.values(value).some((state) => state.result === false);
}
