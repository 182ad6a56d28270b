// @ts-check
// A question before something that cannot be taken back.

import { useDialog } from "../lib/hooks.js";
import { html } from "../lib/html.js";

/**
 * A modal dialog. It opens on *No*, and Escape means no.
 *
 * @param question its title
 * @param yes text of the button that confirms
 * @param confirm called when the user confirms
 * @param dismiss called when the user does not
 */
export function Confirm({ question, yes, confirm, dismiss, children }) {
  const dialog = useDialog(dismiss);
  return html`<dialog class="confirm" aria-labelledby="confirm-title" ...${dialog}>
    <h2 id="confirm-title">${question}</h2>
    ${children}
    <div class="confirm-buttons">
      <button type="button" autofocus onClick=${dismiss}>No, go back</button>
      <button type="button" class="danger" onClick=${confirm}>${yes}</button>
    </div>
  </dialog>`;
}
