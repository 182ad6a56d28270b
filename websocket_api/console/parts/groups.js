// @ts-check
// Minions in groups of the same outcome: each group is one row, which opens to its minions and their return.

import { html, useMemo, useState } from "../lib/html.js";
import { count } from "../lib/format.js";
import { WITHOUT_RETURN } from "../lib/outcomes.js";
import { to } from "../lib/route.js";
import { statesOf, statesText } from "../lib/states.js";
import { brief } from "../lib/text.js";
import { Bar, State } from "./marks.js";
import { Result } from "./result.js";

const SHOWN = 100; // groups, and minions of a group without a return, at first; more by the button
const CHOICES = 12; // minions of a group at first, of which one is shown
const OPEN_GROUPS = 5; // failed groups that are unfolded at first
const OPEN_MINIONS = 5; // minions up to which every group is unfolded
const NAMED = 3; // minions that a folded group names
const NAMED_STATES = 3; // failed states that it names
const NOTES = {
  missing: "No return. Check that the minion is up and that its salt-minion service runs.",
  canceled: "The job was canceled before it returned.",
  pending: "No report yet.",
  running: "",
};

/**
 * @param rows groups of lib/outcomes.js
 * @param total number of minions
 * @param search only minions whose id contains it
 * @param fun the function that returned
 */
export function MinionGroups({ rows, total, search = "", fun = "" }) {
  const [max, setMax] = useState(SHOWN);
  return html`<div class="parts">
      ${rows.slice(0, max).map((group, at) => html`<${Group} key=${group.number} group=${group} search=${search} fun=${fun} first=${total <= OPEN_MINIONS || (group.state === "failed" && at < OPEN_GROUPS)} />`)}
    </div>
    ${rows.length > max && html`<button type="button" onClick=${() => setMax(max + SHOWN)}>Show ${Math.min(SHOWN, rows.length - max)} more</button>`}`;
}

function Group({ group, search, fun, first }) {
  const [open, setOpen] = useState(first);
  const { state, members } = group;
  const ids = [...members.keys()];
  if (!ids.length) return null; // its minions have moved to other groups since the list was made
  if (open || ids.length <= NAMED) ids.sort();
  const { retcode } = members.get(ids[0]);
  const returned = !WITHOUT_RETURN.has(state);
  return html`<details class="part" open=${open} onToggle=${(event) => event.target === event.currentTarget && setOpen(event.currentTarget.open)}>
    <summary>
      <${State} state=${state} /> <strong>${ids.length === 1 ? ids[0] : count(ids.length, "minion")}</strong>
      ${ids.length > 1 && ids.length <= NAMED && html`<span>${ids.join(", ")}</span>`}
      ${state === "running" && ids.length === 1 && !open && html`<${Progress} id=${ids[0]} part=${members.get(ids[0])} />`}
      ${returned && html`<${Outcome} group=${group} part=${members.get(ids[0])} open=${open} />`}
      ${returned && retcode ? html`<span class="bad">return code ${retcode}</span>` : ""}
    </summary>
    ${open && (returned ? html`<${Returns} group=${group} ids=${ids} search=${search} fun=${fun} />` : html`<${Waiting} group=${group} ids=${ids} search=${search} />`)}
  </details>`;
}

/** What a group's minions returned, in one line; while it is open, only which states failed. */
function Outcome({ group, part, open }) {
  const [text, failed] = useMemo(() => outcomeOf(part), [group.outcome]);
  return html`<span class="dim brief">${open ? failed : [text, failed].filter(Boolean).join(" · ")}</span>`;
}

function outcomeOf(part) {
  const states = statesOf(part.return);
  if (!states) return [brief(part.return), ""];
  const failed = states.filter(({ kind }) => kind === "failed").map(({ id }) => id);
  const more = failed.length > NAMED_STATES ? ` and ${failed.length - NAMED_STATES} more` : "";
  return [statesText(states), failed.length ? `failed: ${failed.slice(0, NAMED_STATES).join(", ")}${more}` : ""];
}

/** A group's minions, and the return of one of them. */
function Returns({ group, ids, search, fun }) {
  const [chosen, choose] = useState(ids[0]); // stays shown while others arrive
  const found = search ? ids.filter((id) => id.includes(search)) : ids;
  const id = found.includes(chosen) ? chosen : (found[0] ?? ids[0]);
  const part = group.members.get(id);
  return html`
    ${ids.length > 1 &&
    html`<p class="dim">${group.states ? "The same states with the same results. Durations, process ids, dates with times, and each minion’s own id may differ." : "Their returns are equal."} Shown: <a href=${to("fleet", id)}>${id}</a></p>
      <${Names} ids=${found} chosen=${id} choose=${choose} />`}
    <${Result} key=${id} value=${part.return} label=${`return of ${id}`} fun=${fun} file=${`return-${id}`} />`;
}

function Names({ ids, chosen, choose }) {
  const [max, setMax] = useState(CHOICES);
  return html`<div class="members" role="group" aria-label="Minions of this group">
    ${ids.slice(0, max).map((id) => html`<button type="button" key=${id} class="small" aria-pressed=${id === chosen} onClick=${() => choose(id)}>${id}</button>`)}
    ${ids.length > max && html`<button type="button" class="small" onClick=${() => setMax(max + SHOWN)}>Show ${Math.min(SHOWN, ids.length - max)} more of ${ids.length}</button>`}
  </div>`;
}

function Waiting({ group, ids, search }) {
  const [max, setMax] = useState(SHOWN);
  const found = search ? ids.filter((id) => id.includes(search)) : ids;
  const note = NOTES[group.state];
  return html`${note && html`<p class="dim">${note}</p>`}
    <ul class="waiting">
      ${found.slice(0, max).map((id) => html`<li key=${id}><a href=${to("fleet", id)}>${id}</a> ${group.state === "running" && html`<${Progress} id=${id} part=${group.members.get(id)} />`}</li>`)}
    </ul>
    ${found.length > max && html`<button type="button" class="small" onClick=${() => setMax(max + SHOWN)}>Show ${Math.min(SHOWN, found.length - max)} more of ${found.length}</button>`}`;
}

function Progress({ id, part }) {
  return html`<${Bar} value=${part.progress} state="running" label=${`Progress on ${id}`} /> <span class="dim">${part.message ?? ""}</span>`;
}
