// @ts-check
// Keyboard shortcuts: which action a key means. Keys without Ctrl can be turned off (WCAG 2.1.4).

const SWITCH = "salt-console-shortcuts"; // in localStorage: "off"
const SEQUENCE_MS = 1500; // in which the second key of a sequence must follow

/** The shortcuts as the help lists them, without those of the views. */
export const SHORTCUTS = [
  ["Ctrl K", "Search, and go to a view, minion, job or function"],
  ["/", "Go to the search field of the view"],
  ["?", "Show this help"],
  ["Escape", "Close what is open"],
];

export class Shortcuts {
  #began = -Infinity; // when `g` was pressed

  /** @param {{name: string, key: string}[]} views */
  constructor(views) {
    this.views = views;
  }

  get singleKeys() {
    return localStorage.getItem(SWITCH) !== "off";
  }

  set singleKeys(on) {
    if (on) localStorage.removeItem(SWITCH);
    else localStorage.setItem(SWITCH, "off");
  }

  /**
   * Return what a key means: `palette`, `help`, `search`, the name of a view, or null.
   *
   * @param {{key: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean}} event
   * @param {boolean} typing whether the focus is in a field or a dialog is open
   * @param {number} now milliseconds
   */
  actionOf({ key, ctrlKey, metaKey, altKey }, typing, now) {
    if ((ctrlKey || metaKey) && !altKey && key.toLowerCase() === "k") return "palette";
    if (typing || ctrlKey || metaKey || altKey || !this.singleKeys) return null;
    const second = now - this.#began < SEQUENCE_MS;
    this.#began = key === "g" && !second ? now : -Infinity;
    if (second) return this.views.find((view) => view.key === key)?.name ?? null;
    return { "?": "help", "/": "search" }[key] ?? null;
  }
}

/** Return whether keys belong to this element: a field, or anything in a dialog. */
export function isTyping(element) {
  return element?.closest?.("input, textarea, select, [contenteditable], dialog, [role=dialog]") !== null && element !== null;
}
