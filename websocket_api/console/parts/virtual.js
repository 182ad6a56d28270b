// @ts-check
// A table of any length of which only the rows in view exist.

import { html, useLayoutEffect, useRef, useState } from "../lib/html.js";

const BEYOND = 6; // rows drawn above and below what is in view, so that scrolling shows no holes

/**
 * Rows of one height in a box that scrolls.
 *
 * @param label what the table holds, for screen readers
 * @param columns [{name, title, className}]
 * @param rows the items
 * @param rowHeight pixels
 * @param cells item -> list of cells, one for each column
 * @param keyOf item -> key
 * @param isChosen item -> whether it is the chosen one
 * @param choose called with the item that is clicked, or chosen by Enter; without it rows cannot be chosen
 * @param inView a ref that always holds the items in view
 * @param stick keep the end in view while it is in view, as a log does
 */
export function VirtualTable({ label, columns, rows, rowHeight = 36, cells, keyOf, isChosen, choose, inView, stick, empty, className = "" }) {
  const box = useRef(null);
  const [view, look] = useState({ top: 0, height: 600 });
  const atEnd = useRef(true);

  useLayoutEffect(() => {
    const element = box.current;
    const see = () => look({ top: element.scrollTop, height: element.clientHeight });
    const watch = new ResizeObserver(see);
    watch.observe(element);
    see();
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (stick && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  });

  const scrolled = ({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
    atEnd.current = scrollTop + clientHeight >= scrollHeight - rowHeight;
    look({ top: scrollTop, height: clientHeight });
  };
  // What was drawn last may have scrolled on since: with `stick` the end is what will be in view.
  const top = stick && atEnd.current ? Math.max(0, rows.length * rowHeight - view.height) : view.top;
  const first = Math.max(0, Math.floor(top / rowHeight) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((top + view.height) / rowHeight) + BEYOND);

  if (inView) inView.current = rows.slice(first, last);

  return html`<div class="table ${className}" role="table" aria-label=${label} aria-rowcount=${rows.length + 1} ref=${box} onScroll=${scrolled} tabindex="0">
    <div role="rowgroup" class="head">
      <div role="row" class="row" aria-rowindex="1">
        ${columns.map((column) => html`<div role="columnheader" class="cell ${column.className ?? column.name}">${column.title}</div>`)}
      </div>
    </div>
    ${rows.length === 0 && html`<div role="rowgroup"><div role="row" class="empty"><div role="cell">${empty}</div></div></div>`}
    ${rows.length > 0 &&
    html`<div role="rowgroup" class="rows" style=${{ height: `${rows.length * rowHeight}px` }}>
        ${rows.slice(first, last).map(
          (item, offset) => html`<${Row}
            key=${keyOf(item)}
            index=${first + offset}
            ...${{ item, columns, cells, rowHeight, choose }}
            chosen=${isChosen?.(item)}
          />`,
        )}
    </div>`}
  </div>`;
}

function Row({ item, index, columns, cells, rowHeight, chosen, choose }) {
  const content = cells(item);
  const style = { top: `${index * rowHeight}px`, height: `${rowHeight}px` };
  const pick = choose && ((event) => !event.target.closest("a, button") && choose(item));
  return html`<div
    role="row"
    class="row ${index % 2 ? "odd" : ""} ${chosen ? "chosen" : ""} ${choose ? "choosable" : ""}"
    aria-rowindex=${index + 2}
    style=${style}
    onClick=${pick}
  >
    ${columns.map((column, at) => html`<div role="cell" class="cell ${column.className ?? column.name}">${content[at]}</div>`)}
  </div>`;
}
