// @ts-check
// Recent and saved commands: used again, saved under a name, written to a file and read from one.

import { html, useRef, useState } from "../lib/html.js";
import { exportCommands, importCommands, templatesOf, titleOf } from "../lib/commands.js";
import { count } from "../lib/format.js";
import { useStore } from "../lib/hooks.js";
import { brief } from "../lib/text.js";
import { saveFile } from "../parts/copy.js";
import { Fault } from "../parts/marks.js";

export function Commands({ commands, form, use, session, functions }) {
  useStore(commands);
  const [name, setName] = useState("");
  const [fault, setFault] = useState(null);
  const [note, setNote] = useState("");
  const file = useRef(null);
  const take = (entry) => {
    use(entry.command);
    setNote(entry.omitted.length ? `Not stored, type again: ${entry.omitted.join(", ")}.` : "");
  };
  const save = () => {
    commands.save(name.trim(), form);
    setNote(`Saved as ${name.trim()}.`);
    setName("");
  };
  const add = async (from, read) => {
    setFault(null);
    try {
      const found = await read();
      commands.add(found);
      setNote(`${count(found.length, "command")} read from ${from}.`);
    } catch (refused) {
      setFault(refused);
    }
  };
  const read = (event) => {
    const [chosen] = event.target.files;
    event.target.value = "";
    add("the file", async () => importCommands(await chosen.text()));
  };
  const readTemplates = () => add("the master's configuration", async () => templatesOf(await functions.readConfig()));
  return html`<details class="commands">
    <summary>Recent and saved commands</summary>
    <div class="command-lists">
      <section aria-label="Saved commands"><h2>Saved</h2>
        <${List} entries=${commands.saved} take=${take} remove=${(entry) => commands.remove(entry.title)} none="None yet." />
        <div class="fields">
          <label>Save this command as <input value=${name} maxlength="100" onInput=${(event) => setName(event.target.value)} onKeyDown=${(event) => event.key === "Enter" && event.preventDefault()} /></label>
          <button type="button" disabled=${!name.trim() || !form.fun} onClick=${save}>Save</button>
        </div>
        <div class="tools">
          <button type="button" class="small" disabled=${!commands.saved.length} onClick=${() => saveFile({ name: "salt-commands.json", text: exportCommands(commands.saved) })}>Export to a file</button>
          <button type="button" class="small" onClick=${() => file.current.click()}>Import from a file</button>
          ${session.wheels.includes("config.values") && html`<button type="button" class="small" title="saltgui_templates in the master's configuration" onClick=${readTemplates}>Import SaltGUI's templates</button>`}
          <input type="file" accept="application/json,.json" hidden ref=${file} onChange=${read} aria-label="File of commands" />
        </div>
      </section>
      <section aria-label="Recent commands"><h2>Recent</h2>
        <${List} entries=${commands.recent} take=${take} none="None yet." />
        ${commands.recent.length > 0 && html`<button type="button" class="small" onClick=${() => commands.clearRecent()}>Clear</button>`}
      </section>
    </div>
    <p class="dim note" role="status">${note}</p>
    <${Fault} fault=${fault} />
    <p class="dim note">They are kept in this browser. Pillar and arguments that are named like passwords, tokens or keys are not stored.</p>
  </details>`;
}

function List({ entries, take, remove = null, none }) {
  if (!entries.length) return html`<p class="dim">${none}</p>`;
  return html`<ul class="plain-list">${entries.map((entry) => html`<li key=${entry.title}>
    <button type="button" class="plain" onClick=${() => take(entry)} title=${titleOf(entry.command)}><code>${brief(entry.title, 90)}</code></button>
    ${remove && html` <button type="button" class="small" onClick=${() => remove(entry)} aria-label=${`Delete ${entry.title}`}>Delete</button>`}
  </li>`)}</ul>`;
}
