// @ts-check
// What can be done with the selected minions: run a function, test or apply the highstate, accept, reject or delete keys.

import { html, useState } from "../lib/html.js";
import { count } from "../lib/format.js";
import { needsConfirmation } from "../lib/functions.js";
import { useAttempt } from "../lib/hooks.js";
import { keyCall } from "../lib/keys.js";
import { to } from "../lib/route.js";
import { Confirm } from "../parts/confirm.js";
import { Fault } from "../parts/marks.js";

const KEYS = { accept: "Accept keys", reject: "Reject keys", delete: "Delete keys" };

export function FleetActions({ fleet, session, connection, form }) {
  const [question, ask] = useState(null); // {title, yes, text, names, act}
  const { busy, fault, attempt: attemptOne } = useAttempt();
  const { selection } = fleet;
  const runnable = selection.filter((minion) => minion.key === null || minion.key === "accepted").map((minion) => minion.id);
  const target = { tgt: runnable, tgt_type: "list" };
  const attempt = (act) => {
    ask(null);
    return attemptOne(act);
  };
  const start = (kwargs) => async () => {
    const { jid } = await connection.request("cmd", { fun: "state.apply", ...target, kwargs, progress: true });
    location.hash = to("jobs", jid);
  };
  const highstate = (isTest) =>
    attempt(async () => {
      const kwargs = isTest ? { test: true } : {};
      const names = await connection.request("match", { ...target, fun: "state.apply" });
      if (!needsConfirmation("state.apply", target, names.length, isTest)) return start(kwargs)();
      const text = isTest ? "The highstate runs with test=True and changes nothing." : "The highstate may change them.";
      ask({ title: `Run on ${count(names.length, "minion")}?`, yes: isTest ? "Test run" : "Run", text, names, act: start(kwargs) });
    });
  const run = () => {
    Object.assign(form, { client: "local", tgt: runnable.join(","), tgt_type: "list" });
    location.hash = to("run");
  };
  const keyActs = Object.keys(KEYS).map((act) => ({ act, call: keyCall(act, selection, session.wheels) })).filter(({ call }) => call);
  const changeKeys = ({ act, call }) =>
    ask({
      title: `${KEYS[act]} of ${count(call.ids.length, "minion")}?`,
      yes: KEYS[act],
      text: act === "accept" ? "Compare the fingerprints first: whoever has an accepted key gets pillar and commands of this minion." : "These minions can no longer connect.",
      names: call.ids,
      act: async () => {
        await connection.request("wheel", { method: call.method, kwargs: call.kwargs, mode: "sync", timeout: 60 });
        fleet.select(call.ids, false);
      },
    });
  const disabled = busy || connection.state !== "open";
  return html`<section class="selection" aria-label="Selected minions">
    <div class="tools">
      <strong role="status">${count(selection.length, "minion")} selected</strong>
      ${runnable.length > 0 && html`
        <button type="button" disabled=${disabled} onClick=${run}>Run a function …</button>
        <button type="button" disabled=${disabled} onClick=${() => highstate(true)}>Test the highstate</button>
        <button type="button" disabled=${disabled} onClick=${() => highstate(false)}>Apply the highstate …</button>`}
      ${keyActs.map((one) => html`<button type="button" key=${one.act} disabled=${disabled} onClick=${() => changeKeys(one)}>${KEYS[one.act]} …</button>`)}
      <button type="button" onClick=${() => fleet.select([...fleet.selected], false)}>Clear the selection</button>
    </div>
    <${Fault} fault=${fault} />
    ${question && html`<${Confirm} question=${question.title} yes=${question.yes} confirm=${() => attempt(question.act)} dismiss=${() => ask(null)} minions=${question.names}>
      <p>${question.text}</p>
    </${Confirm}>`}
  </section>`;
}
