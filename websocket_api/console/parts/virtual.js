// @ts-check
// A table of any length; only the rows in view exist in the page.

import { html, useLayoutEffect, useRef, useState } from "../lib/html.js";

const MARGIN = 6; // rows drawn above and below the view, so that scrolling shows no gaps

/**
 * Rows of the same height in a box that scrolls.
 *
 * @param label its name, for screen readers
 * @param columns [{name, title, className, sort}]; `sort` of a column that can be sorted: ascending, descending or none
 * @param rows the items
 * @param rowHeight pixels
 * @param cells item -> list of cells, one per column
 * @param keyOf item -> key
 * @param isChosen item -> whether it is the selected one
 * @param choose called with the item that is clicked; without it, rows cannot be selected
 * @param inView a ref that is set to the items in view
 * @param stick whether to follow the end while it is in view, as a log does
 * @param empty what to show without rows
 */
export function VirtualTable({ label, columns, rows, rowHeight = 36, cells, keyOf, isChosen, choose, inView, stick, empty, className = "" }) {
  const box = useRef(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const atEnd = useRef(true);

  useLayoutEffect(() => {
    const element = box.current;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (stick && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  });

  const scrolled = ({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
    atEnd.current = scrollTop + clientHeight >= scrollHeight - rowHeight;
    setView({ top: scrollTop, height: clientHeight });
  };
  // With `stick`, the end will be in view after this drawing, wherever the last scroll event was.
  const top = stick && atEnd.current ? Math.max(0, rows.length * rowHeight - view.height) : view.top;
  const first = Math.max(0, Math.floor(top / rowHeight) - MARGIN);
  const last = Math.min(rows.length, Math.ceil((top + view.height) / rowHeight) + MARGIN);

  if (inView) inView.current = rows.slice(first, last);

  return html`<div class="table ${className}" role="table" aria-label=${label} aria-rowcount=${rows.length + 1} ref=${box} onScroll=${scrolled} tabindex="0">
    <div role="rowgroup" class="head">
      <div role="row" class="row" aria-rowindex="1">
        ${columns.map((column) => html`<div role="columnheader" class="cell ${column.className ?? column.name}" aria-sort=${column.sort}>${column.title}</div>`)}
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
  const onClick = choose && ((event) => !event.target.closest("a, button, input") && choose(item));
  return html`<div
    role="row"
    class="row ${index % 2 ? "odd" : ""} ${chosen ? "chosen" : ""} ${choose ? "choosable" : ""}"
    aria-rowindex=${index + 2}
    style=${style}
    onClick=${onClick}
  >
    ${columns.map((column, at) => html`<div role="cell" class="cell ${column.className ?? column.name}">${content[at]}</div>`)}
  </div>`;
}
