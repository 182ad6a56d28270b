// @ts-check
// Buttons that copy a text and save one as a file.

import { html, useState } from "../lib/html.js";
import { visible } from "../lib/visible.js";

const RESULT_MS = 2000; // for which the button shows whether it copied

/**
 * Copy what `text()` returns, with hidden characters escaped: they would act in a terminal.
 *
 * @param text called when the button is pressed
 * @param what its name, for screen readers
 * @param title the button's text
 */
export function Copy({ text, what, title = "Copy" }) {
  const [label, setLabel] = useState(title);
  const copy = async () => {
    setLabel((await toClipboard(visible(text()))) ? "Copied" : "Cannot copy");
    setTimeout(() => setLabel(title), RESULT_MS);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-label="${label} ${what}">${label}</button>`;
}

/** Save what `file()` returns, {name, text}, exactly. */
export function Download({ file, what }) {
  return html`<button type="button" class="small" onClick=${() => saveFile(file())} aria-label="Download ${what}">Download</button>`;
}

/** Save a text under a name, exactly. */
export function saveFile({ name, text }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name.replace(/[^\w.-]+/g, "_").replace(/^[._]+/, "");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
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
