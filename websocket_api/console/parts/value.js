// @ts-check
// A return or an event's data as text.

import { html, useState } from "../lib/html.js";
import { SHOWN, readable, whole } from "../lib/text.js";
import { Copy } from "./copy.js";

const MORE = 10; // times as many characters at each press of the button

/** A value as text that can be copied: its beginning, and more on demand. */
export function Value({ value, label = "value" }) {
  const [max, setMax] = useState(SHOWN);
  const [text, complete] = readable(value, max);
  return html`<div class="value">
    <div class="value-tools"><${Copy} text=${() => whole(value)} what=${label} /></div>
    <pre tabindex="0" aria-label=${label}>${text === "" ? "(empty)" : text}</pre>
    ${!complete &&
    html`<p class="more">
      Only the beginning is shown. <button type="button" onClick=${() => setMax(max * MORE)}>Show more</button>
    </p>`}
  </div>`;
}
