// @ts-check
// What is often done with one minion, by one button each; what changes something asks first.

import { html, useState } from "../lib/html.js";
import { needsConfirmation, reportsStates } from "../lib/functions.js";
import { useAttempt } from "../lib/hooks.js";
import { to } from "../lib/route.js";
import { RunQuestion } from "../parts/confirm.js";
import { Fault } from "../parts/marks.js";
import { Job } from "./job.js";

const ACTIONS = [
  ["Ping", "test.ping"],
  ["Test the highstate", "state.apply", { test: true }],
  ["Apply the highstate …", "state.apply"],
  ["Refresh pillar …", "saltutil.refresh_pillar"],
  ["Refresh grains …", "saltutil.refresh_grains"],
  ["Sync modules …", "saltutil.sync_all"],
];

export function Actions({ minion, connection }) {
  const [jid, setJid] = useState(null);
  const { busy, fault, attempt } = useAttempt();
  const [question, ask] = useState(null);
  const target = { tgt: [minion.id], tgt_type: "list" };
  const start = ([, fun, kwargs = {}]) => {
    ask(null);
    attempt(async () => {
      const progress = reportsStates(fun) ? { progress: true } : {};
      setJid((await connection.request("cmd", { fun, ...target, kwargs, ...progress })).jid);
    });
  };
  const choose = (action) => (needsConfirmation(action[1], target, 1, action[2]?.test === true) ? ask(action) : start(action));
  return html`<div class="tools minion-actions">
      <a class="button" href=${to("run", "", { tgt: minion.id, tgt_type: "list" })}>Run a function …</a>
      ${ACTIONS.map((action) => html`<button type="button" key=${action[0]} disabled=${busy || connection.state !== "open"} onClick=${() => choose(action)} title=${action[1]}>${action[0]}</button>`)}
    </div>
    <${Fault} fault=${fault} />
    ${jid && html`<div class="minion-answer"><button type="button" class="plain close" aria-label="Close the job" onClick=${() => setJid(null)}>✕</button><${Job} key=${jid} jid=${jid} connection=${connection} heading="h2" /></div>`}
    ${question && html`<${RunQuestion} fun=${question[1]} minions=${[minion.id]} confirm=${() => start(question)} dismiss=${() => ask(null)} />`}`;
}
