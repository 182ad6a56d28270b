// @ts-check
// A button that copies a text.

import { html, useState } from "../lib/html.js";
import { visible } from "../lib/visible.js";

const RESULT_MS = 2000; // for which the button shows whether it copied

/** Copy what `text()` returns, with hidden characters escaped: they would act in a terminal. */
export function Copy({ text, what }) {
  const [label, setLabel] = useState("Copy");
  const copy = async () => {
    setLabel((await toClipboard(visible(text()))) ? "Copied" : "Cannot copy");
    setTimeout(() => setLabel("Copy"), RESULT_MS);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-label="${label} ${what}">${label}</button>`;
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelection(text); // pages without TLS have no clipboard API, except on loopback
  }
}

function copySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}
