// @ts-check
// A question before something that cannot be taken back.

import { count, namesOf } from "../lib/format.js";
import { changesState } from "../lib/functions.js";
import { useDialog } from "../lib/hooks.js";
import { html } from "../lib/html.js";
import { brief } from "../lib/text.js";

const NAMED = 200; // minions

/**
 * A modal dialog. It opens on *No*, and Escape means no.
 *
 * @param question its title
 * @param yes text of the button that confirms
 * @param confirm called when the user confirms
 * @param dismiss called when the user does not
 * @param minions ids of those that it is about, if any are
 */
export function Confirm({ question, yes, confirm, dismiss, minions = null, children }) {
  const dialog = useDialog(dismiss);
  return html`<dialog class="confirm" aria-labelledby="confirm-title" ...${dialog}>
    <h2 id="confirm-title">${question}</h2>
    ${children}
    ${minions && html`<p class="confirm-names" tabindex="0">${minions.length ? namesOf(minions, NAMED) : "The master knows no minion that matches and on which you may run it."}</p>`}
    <div class="confirm-buttons">
      <button type="button" autofocus onClick=${dismiss}>No, go back</button>
      <button type="button" class="danger" onClick=${confirm}>${yes}</button>
    </div>
  </dialog>`;
}

/** The question before a function runs, on minions or on the master. `call`: its arguments. */
export function RunQuestion({ fun, call = {}, minions, isTest, confirm, dismiss }) {
  const where = minions ? count(minions.length, "minion") : "the master";
  return html`<${Confirm} question=${`Run on ${where}?`} yes=${isTest ? "Test run" : "Run"} ...${{ confirm, dismiss, minions }}>
    <p><code>${fun} ${argumentsText(call)}</code></p>
    <p>${isTest ? "It runs with test=True and changes nothing." : changesState(fun) ? "It may change something." : "It only reads."}</p>
  </${Confirm}>`;
}

function argumentsText({ args = [], kwargs = {} }) {
  return [...args.map((value) => brief(value, 60)), ...Object.entries(kwargs).map(([name, value]) => `${name}=${brief(value, 60)}`)].join(" ");
}
