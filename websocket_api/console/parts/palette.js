// @ts-check
// Ctrl-K: search for views, minions, jobs, functions, saved commands and actions, and go there.

import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { useDialog, useSettled, useStore } from "../lib/hooks.js";
import { found } from "../lib/palette.js";
import { CommandsStore } from "../stores/commands.js";

export function Palette({ sources, close }) {
  const dialog = useDialog(close);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const settled = useSettled(text, 60);
  useStore(sources.functions, 500);
  useEffect(() => void sources.readFunctions(), []);
  const commands = useMemo(() => new CommandsStore(sources.user).saved.map(({ title }) => title), []);
  const items = found(settled, { ...sources, commands });
  const chosen = Math.min(at, items.length - 1);
  useEffect(() => document.getElementById(`palette-${chosen}`)?.scrollIntoView({ block: "nearest" }), [chosen]);
  const open = (item) => {
    close();
    if (item.act) item.act();
    else location.hash = item.href;
  };
  const pressed = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && items.length) setAt((chosen + step + items.length) % items.length);
    else if (event.key === "Enter" && items[chosen]) open(items[chosen]);
    else return;
    event.preventDefault();
  };
  return html`<dialog class="palette" aria-label="Search and go to" ...${dialog} onClick=${(event) => event.target === event.currentTarget && close()}>
    <input role="combobox" aria-label="Search views, minions, jobs and functions" aria-expanded="true" aria-controls="palette-items" aria-autocomplete="list"
      aria-activedescendant=${items.length ? `palette-${chosen}` : undefined} placeholder="view, minion, job id or function" value=${text} spellcheck=${false}
      onInput=${(event) => { setText(event.target.value); setAt(0); }} onKeyDown=${pressed} />
    <ul id="palette-items" role="listbox" aria-label="Found">
      ${items.map((item, index) => html`<li key=${item.key} id=${`palette-${index}`} role="option" aria-selected=${index === chosen} onClick=${() => open(item)} onMouseMove=${() => index !== chosen && setAt(index)}><span>${item.text}</span> <span class="dim">${item.kind}</span></li>`)}
    </ul>
    <p class="dim" role="status">${items.length ? "↑ ↓ to choose, Enter to open, Escape to close" : "Nothing found."}</p>
  </dialog>`;
}
