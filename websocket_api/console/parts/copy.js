// @ts-check
// To the clipboard.

import { html, useState } from "../lib/html.js";
import { visible } from "../lib/visible.js";

const SAID = 2000; // milliseconds

/** A button that copies what `text()` returns, as it is shown: hidden characters would act in a terminal. */
export function Copy({ text, what }) {
  const [said, say] = useState("Copy");
  const copy = async () => {
    say((await toClipboard(visible(text()))) ? "Copied" : "Cannot copy");
    setTimeout(() => say("Copy"), SAID);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-label="${said} ${what}">${said}</button>`;
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return byHand(text); // pages without TLS have no clipboard API, but on loopback
  }
}

function byHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
