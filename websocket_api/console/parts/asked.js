// @ts-check
// What one minion returns for a function: run when it is first shown, or again by a button. A minion that is down is asked by the button only.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { ask } from "../lib/ask.js";
import { ago, clock } from "../lib/format.js";
import { useStore } from "../lib/hooks.js";
import { to } from "../lib/route.js";
import { Fault } from "./marks.js";

/**
 * @param fun the function to run
 * @param call its {arg, kwarg}
 * @param what is read, for people: `the pillar`
 * @param show (value, when it was read) -> what is drawn
 */
export function Asked({ connection, minion, fun, call = {}, what, show }) {
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
    if (minion.connected !== false) read();
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
