// @ts-check
// What a minion returned, or an event's data: as text.

import { html, useState } from "../lib/html.js";
import { SHOWN, readable, whole } from "../lib/text.js";
import { Copy } from "./copy.js";

const MORE = 10; // times as much at each press of the button

/** A value as text that can be copied; the beginning of a long one, and the rest on demand. */
export function Value({ value, label = "value" }) {
  const [most, show] = useState(SHOWN);
  const [text, all] = readable(value, most);
  return html`<div class="value">
    <div class="value-tools"><${Copy} text=${() => whole(value)} what=${label} /></div>
    <pre tabindex="0" aria-label=${label}>${text === "" ? "(empty)" : text}</pre>
    ${!all &&
    html`<p class="more">
      Only the beginning is shown. <button type="button" onClick=${() => show(most * MORE)}>Show more</button>
    </p>`}
  </div>`;
}
