// @ts-check
// What a minion has: grains from the master's cache; pillar, schedule, beacons and mine from the minion itself.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { ask } from "../lib/ask.js";
import { ago, clock } from "../lib/format.js";
import { useRead, useStore } from "../lib/hooks.js";
import { to } from "../lib/route.js";
import { brief } from "../lib/text.js";
import { KeyTree } from "../parts/keytree.js";
import { Fault } from "../parts/marks.js";
import { Result } from "../parts/result.js";

/** All grains of one minion, as the master has them: the store has some grains of all minions. */
export function Grains({ minion, connection, show = null }) {
  const read = () => connection.read("list_minions", { minions: [minion.id] }).then(([found]) => found?.grains ?? null);
  const { value: grains, fault } = useRead(read, [minion.id, minion.seen]);
  const [fresh, setFresh] = useState(false);
  if (fault) return html`<${Fault} fault=${fault} />`;
  if (grains === undefined) return html`<p class="dim" role="status">reading …</p>`;
  if (grains && show) return show(grains);
  const what = `grains of ${minion.id}`;
  return html`
    ${!fresh && !grains && html`<p class="dim">The master has no grains of this minion yet, or you may not see them.</p>`}
    ${!show && !fresh && html`<p class="dim">As the master's cache has them. <button type="button" class="small" onClick=${() => setFresh(true)}>Read from the minion</button></p>`}
    ${!show && fresh && html`<${Asked} ...${{ connection, minion }} fun="grains.items" what="current grains" show=${(value, time) => html`<${KeyTree} key=${time} value=${value} what=${what} />`} />`}
    ${!show && !fresh && grains && html`<${KeyTree} value=${grains} what=${what} />`}`;
}

export function Pillar({ minion, connection }) {
  // Salt 3008 masks values itself. What the user asks to see is read again, unmasked: one value, or all.
  const unmask = async (path) => {
    const [fun, arg] = path === null ? ["pillar.items", []] : ["pillar.item", [path]];
    const { value } = await ask(connection, minion.id, fun, { arg, kwarg: { unmask: true } });
    return path === null ? value : value?.[path];
  };
  return html`<p class="dim">Values are hidden until you show them, and the console does not store them. Salt keeps what the minion returns in its job cache, as of every job.</p>
    <${Asked} ...${{ connection, minion }} fun="pillar.items" what="its pillar" show=${(value, time) => html`<${KeyTree} key=${time} value=${value} what=${`pillar of ${minion.id}`} masked=${true} unmask=${unmask} />`} />`;
}

export function Schedule({ minion, connection }) {
  return html`<${Asked} ...${{ connection, minion }} fun="schedule.list" call=${{ kwarg: { return_yaml: false, show_disabled: true } }} what="its schedule" show=${(value) => html`<${Schedules} schedules=${withoutFrame(value, "schedule")} />`} />`;
}

/** Salt returns `{"schedule": {}}` if there is none. */
function withoutFrame(value, name) {
  const inner = value?.[name];
  return inner && typeof inner === "object" && Object.keys(value).length === 1 && Object.keys(inner).length === 0 ? {} : (value ?? {});
}

function Schedules({ schedules }) {
  const rows = Object.entries(schedules).filter(([, job]) => job && typeof job === "object");
  if (!rows.length) return html`<p class="dim">Nothing is scheduled on this minion.</p>`;
  return html`<div class="scrolls" tabindex="0" role="region" aria-label="Scheduled jobs"><table>
    <thead><tr><th>Name</th><th>Function</th><th>When</th><th>Enabled</th></tr></thead>
    <tbody>${rows.map(([name, job]) => html`<tr key=${name}><td>${name}</td><td><code>${job.function} ${job.args ? brief(job.args, 80) : ""} ${job.kwargs ? brief(job.kwargs, 80) : ""}</code></td><td>${whenOf(job)}</td><td>${job.enabled === false ? "no" : "yes"}</td></tr>`)}</tbody>
  </table></div>`;
}

const TIMES = ["seconds", "minutes", "hours", "days", "cron", "when", "once", "range", "splay"];

function whenOf(job) {
  const parts = TIMES.filter((name) => job[name] !== undefined && job[name] !== null);
  return parts.map((name) => (/^(second|minute|hour|day)s$/.test(name) ? `every ${job[name]} ${name}` : `${name} ${brief(job[name], 60)}`)).join(", ");
}

export function Beacons({ minion, connection }) {
  const show = (value, time) => {
    const beacons = withoutFrame(value, "beacons");
    if (!Object.keys(beacons).length) return html`<p class="dim">No beacon is configured on this minion.</p>`;
    return html`<${Result} key=${time} value=${beacons} label=${`beacons of ${minion.id}`} />`;
  };
  return html`<${Asked} ...${{ connection, minion }} fun="beacons.list" call=${{ kwarg: { return_yaml: false } }} what="its list of beacons" show=${show} />`;
}

export function Mine({ minion, connection }) {
  const show = (value) => {
    const names = Object.keys(value ?? {});
    if (!names.length) return html`<p class="dim">This minion sends nothing to the mine. <a href=${to("run", "", { tgt: minion.id, tgt_type: "list", fun: "mine.send" })}>Send a function's return with mine.send</a></p>`;
    return html`<ul class="plain-list">${names.map((name) => html`<li key=${name}><${MineValue} ...${{ connection, minion, name }} /></li>`)}</ul>`;
  };
  return html`<${Asked} ...${{ connection, minion }} fun="mine.valid" what="the list of its mine functions" show=${show} />`;
}

function MineValue({ connection, minion, name }) {
  const [answer, setAnswer] = useState(null);
  const read = () => {
    setAnswer({ busy: true });
    ask(connection, minion.id, "mine.get", { arg: [minion.id, name], kwarg: { tgt_type: "list" } }).then(
      ({ value }) => setAnswer({ value: value?.[minion.id] }),
      (fault) => setAnswer({ fault }),
    );
  };
  return html`<code>${name}</code> ${!answer && html`<button type="button" class="small" onClick=${read} aria-label=${`Show ${name}`}>Show</button>`}
    ${answer?.busy && html`<span class="dim">reading …</span>`}
    <${Fault} fault=${answer?.fault} />
    ${answer && "value" in answer && (answer.value === undefined ? html`<span class="dim">not sent yet</span>` : html`<${Result} value=${answer.value} label=${`mine of ${name}`} fun=${name} file=${`mine-${minion.id}-${name}`} />`)}`;
}

/**
 * What one minion returns for a function: run when it is first shown, or again by a button. A minion that is down is asked
 * by the button only.
 *
 * @param fun the function to run
 * @param call its {arg, kwarg}
 * @param what is read, for people: `the pillar`
 * @param show (value, when it was read) -> what is drawn
 */
function Asked({ connection, minion, fun, call = {}, what, show }) {
  useStore(connection);
  const [answer, setAnswer] = useState(null); // {value, jid, time} or {fault}
  const [busy, setBusy] = useState(false);
  const shown = useRef(true);
  const isOut = connection.state === "out";
  const read = async () => {
    setBusy(true);
    const found = await ask(connection, minion.id, fun, call).then(
      (one) => ({ ...one, time: Date.now() }),
      (fault) => ({ fault }),
    );
    if (!shown.current) return;
    setAnswer(found);
    setBusy(false);
  };
  useEffect(() => {
    shown.current = true;
    if (minion.connected !== false && connection.state === "open") read();
    return () => void (shown.current = false);
  }, []);
  useEffect(() => {
    if (isOut) setAnswer(null); // what was read with a login is not kept without one
  }, [isOut]);
  const jid = answer?.jid ?? answer?.fault?.jid;
  const isDown = minion.connected === false && !answer && !busy;
  return html`<div class="asked">
    ${isDown && html`<p class="down-note"><strong>${minion.id} is down</strong>${minion.seen && `, last seen ${ago(minion.seen)}`}: ${what} can only be read from the minion itself.</p>`}
    <div class="tools asked-tools">
      <button type="button" class="small" disabled=${busy || connection.state !== "open"} onClick=${read}>${busy ? "Reading …" : isDown ? "Try anyway" : answer ? "Read again" : "Read"}</button>
      <span class="dim" role="status">${busy ? `running ${fun} …` : answer?.time ? html`from ${fun} at ${clock(answer.time)}` : ""}</span>
      ${jid && html`<a class="dim-link" href=${to("jobs", jid)}>job</a>`}
    </div>
    <${Fault} fault=${answer?.fault} />
    ${answer && !answer.fault && show(answer.value, answer.time)}
  </div>`;
}
