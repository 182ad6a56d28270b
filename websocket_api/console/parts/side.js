// @ts-check
// The details of a row, beside its table; on a phone, over the table.

import { html, useEffect, useRef } from "../lib/html.js";

/**
 * @param label its name, for screen readers
 * @param title its heading
 * @param close called by its button and by Escape
 */
export function Side({ label, title, close, children }) {
  const element = useRef(null);
  useEffect(() => {
    // Keyboard users continue here, and return to where they came from. A phone's page can be scrolled.
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    element.current.focus({ preventScroll: true });
    element.current.firstElementChild.scrollIntoView({ block: "nearest" });
    return () => before?.isConnected && before.focus({ preventScroll: true });
  }, []);
  const closeByKey = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  };
  return html`<aside class="side" aria-label=${label} tabindex="-1" ref=${element} onKeyDown=${closeByKey}>
    <div class="side-head"><h2>${title}</h2><button type="button" class="plain close" aria-label="Close" onClick=${close}>✕</button></div>
    ${children}
  </aside>`;
}
