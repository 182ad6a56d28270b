// @ts-check
// Events per second of the last minute, stacked by the beginning of their tags.

import { html } from "../lib/html.js";
import { useClock } from "../lib/hooks.js";
import { SECONDS } from "../stores/rates.js";

const [WIDTH, HEIGHT] = [600, 80];

export function Chart({ rates }) {
  useClock(1);
  const { names, sums, seconds, max } = rates.snapshot();
  const step = WIDTH / SECONDS;
  const last = seconds.at(-1).total;
  return html`<figure class="chart">
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${`Events per second in the last minute: now ${last}, maximum ${max}`}>
      ${seconds.map((second, at) => bars(second, at * step, step, max))}
    </svg>
    <figcaption>
      <span><strong>${last}</strong>/s now, maximum ${max}/s in the last minute</span>
      <ul class="legend">
        ${names.map((name, at) => html`<li key=${name}><span class="swatch series-${at}" aria-hidden="true"></span>${name} <span class="dim">${sums[at]}</span></li>`)}
      </ul>
    </figcaption>
  </figure>`;
}

function bars({ counts }, x, step, max) {
  let top = HEIGHT;
  return counts.map((count, at) => {
    if (!count) return null;
    const height = (count / max) * HEIGHT;
    top -= height;
    return html`<rect class="series-${at}" x=${x} y=${top} width=${step - 1} height=${height} />`;
  });
}
