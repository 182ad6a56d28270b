// @ts-check
// What opens over every view: the palette and the help, by keys or by the buttons of the header.

import { html, useEffect, useMemo } from "../lib/html.js";
import { lazy } from "../lib/lazy.js";
import { Shortcuts, isTyping } from "../lib/shortcuts.js";
import { to } from "../lib/route.js";
import { THEMES, theme } from "../lib/theme.js";
import { notifications } from "./toasts.js";

const Palette = lazy(async () => (await import("./palette.js")).Palette);
const Help = lazy(async () => (await import("./help.js")).Help);

export function Overlays({ overlay, open, views, session, stores }) {
  const shortcuts = useMemo(() => new Shortcuts(views), [views.length]);
  useEffect(() => {
    const pressed = (event) => {
      const action = shortcuts.actionOf(event, isTyping(document.activeElement), performance.now());
      if (action === null || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      if (action === "palette" || action === "help") open(action);
      else if (action === "search") /** @type {HTMLElement | null} */ (document.querySelector("main input[type=search]"))?.focus();
      else location.hash = to(action);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [shortcuts]);
  const close = () => open("");
  if (overlay === "help") return html`<${Help} views=${views} shortcuts=${shortcuts} close=${close} />`;
  if (overlay === "palette") return html`<${Palette} sources=${sourcesOf({ views, session, stores, open })} close=${close} />`;
  return null;
}

/** What the palette searches. */
function sourcesOf({ views, session, stores, open }) {
  const { fleet, jobs, functions } = stores;
  const up = [...fleet.minions.values()].find((minion) => minion.connected)?.id;
  const call = { client: "local", target: { tgt: up, tgt_type: "list" } };
  const themes = Object.entries(THEMES).map(([name, [, word]]) => ({ text: `Theme: ${word}`, act: () => theme.set(name) }));
  const notify = { off: { text: "Turn on notifications", act: () => notifications.turnOn() }, on: { text: "Turn off notifications", act: () => notifications.turnOff() } };
  return {
    views,
    user: session.user,
    actions: [...themes, ...(notify[notifications.state] ? [notify[notifications.state]] : []), { text: "Help and keyboard shortcuts", act: () => open("help") }, { text: "Log out", act: () => session.logOut() }],
    minions: fleet.minions.keys(),
    jobs: jobs.rows,
    functions,
    get names() {
      return up ? (functions.names(call) ?? []) : [];
    },
    readFunctions: () => up && functions.readNames(call).catch(() => {}), // without them, the rest is found
  };
}
