// @ts-check
// Compare the minions with a list of those that should exist.

import { count } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { differences, parseReference } from "../lib/reference.js";
import { to } from "../lib/route.js";

const LIST = "salt-console-reference"; // in localStorage
const NAMED = 100; // ids of each kind

export function Reference({ fleet }) {
  const [text, setText] = useState(localStorage.getItem(LIST) ?? "");
  const type = (event) => {
    setText(event.target.value);
    localStorage.setItem(LIST, event.target.value);
  };
  const reference = parseReference(text);
  const found = Object.entries(differences(reference, [...fleet.minions.values()])).filter(([, ids]) => ids.length);
  return html`<label>Minions that should exist, one a line
      <textarea rows="6" value=${text} onInput=${type} spellcheck=${false} placeholder=${"web1\nweb2 false"}></textarea>
    </label>
    <p class="dim note"><code>false</code> after an id: it is down on purpose. The list is kept in this browser.</p>
    ${reference.size > 0 && html`<div role="status">
      ${found.length === 0 && html`<p>No difference: ${count(reference.size, "minion")}.</p>`}
      ${found.map(([kind, ids]) => html`<p><strong>${ids.length.toLocaleString("en")} ${kind}:</strong> ${ids.slice(0, NAMED).map((id, at) => html`${at > 0 && ", "}<a href=${to("fleet", id)}>${id}</a>`)}${ids.length > NAMED && " …"}</p>`)}
    </div>`}`;
}
