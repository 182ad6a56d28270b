// @ts-check
// Pillar for one run, typed as YAML or JSON and checked before anything is sent.

import { html, useState } from "../lib/html.js";
import { useSettled } from "../lib/hooks.js";
import { brief } from "../lib/text.js";
import { parsePillar } from "../lib/yaml.js";

export function PillarEditor({ form, change }) {
  const [open, setOpen] = useState(form.pillar !== "");
  const text = useSettled(form.pillar, 300);
  const { value, fault } = read(text);
  return html`<details class="pillar-editor" open=${open} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>Pillar for this run</summary>
    <label>Pillar, as YAML or JSON
      <textarea rows="5" value=${form.pillar} onInput=${(event) => change({ pillar: event.target.value })} spellcheck=${false} placeholder=${"site:\n  port: 8080"} aria-invalid=${fault ? "true" : undefined} aria-describedby="pillar-check"></textarea>
    </label>
    <p id="pillar-check" class="note ${fault ? "bad" : "dim"}" role="status">${fault ? `Not valid: ${fault}` : value === undefined ? "It is merged over the minion's own pillar. Salt stores it with the job, where users who may see the job see it." : `Sent as ${brief(value, 300)}`}</p>
  </details>`;
}

function read(text) {
  try {
    return { value: parsePillar(text) };
  } catch ({ message }) {
    return { fault: message };
  }
}
