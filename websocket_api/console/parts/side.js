// @ts-check
// What stands beside a table: one of its rows, looked into. On a phone it lies over the table.

import { html, useEffect, useRef } from "../lib/html.js";

/**
 * @param label its name, for screen readers
 * @param title what it is about
 * @param close called when it is to go: by its button, or by Escape
 */
export function Side({ label, title, close, children }) {
  const element = useRef(null);
  useEffect(() => {
    // Who chose by keyboard goes on here, and comes back to where the choice was made.
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    element.current.focus({ preventScroll: true });
    return () => before?.isConnected && before.focus({ preventScroll: true });
  }, []);
  const leave = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  };
  return html`<aside class="side" aria-label=${label} tabindex="-1" ref=${element} onKeyDown=${leave}>
    <div class="side-head"><h2>${title}</h2><button type="button" class="plain close" aria-label="Close" onClick=${close}>✕</button></div>
    ${children}
  </aside>`;
}
