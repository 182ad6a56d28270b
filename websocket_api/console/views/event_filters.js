// @ts-check
// The filters above the events: tag, master, words, times, columns.

import { html, useEffect } from "../lib/html.js";
import { CHIPS, DEFAULTS } from "../lib/event_filters.js";
import { useSettled } from "../lib/hooks.js";
import { countFilters } from "../lib/route.js";
import { Fold, MasterFilter } from "../parts/filters.js";

const KINDS = { startswith: "begins with", find: "contains", endswith: "ends with", fnmatch: "pattern", regex: "regular expression" };

export function Filters({ events, jobs, filters, filter }) {
  const { tag, match, master, history } = filters;
  const type = (name) => (event) => filter({ [name]: event.target.value });
  const settled = useSettled(tag, 400);
  const apply = (wanted) => {
    const now = events.filter;
    const changed = wanted !== now.tag || (wanted && match !== now.match_type) || master !== now.master || (history !== "") !== now.history;
    if (changed) events.setFilter({ tag: wanted, match_type: match, master, history: history !== "" });
  };
  useEffect(() => apply(settled), [settled, match, master, history]);
  useEffect(() => {
    events.view = filters; // they are still there when the user returns to the view
  }, [filters]);
  return html`<div class="tools">
      <select class="folds" aria-label="Match the tag by" value=${match} onChange=${type("match")}>
        ${Object.entries(KINDS).map(([name, text]) => html`<option value=${name} selected=${name === match}>tag ${text}</option>`)}
      </select>
      <input type="search" aria-label="Filter by tag" placeholder="salt/job/" value=${tag} onInput=${type("tag")} onKeyDown=${(event) => event.key === "Enter" && apply(tag)} spellcheck=${false} />
      <${Fold} active=${countFilters(filters, DEFAULTS, "tag")} />
      <${MasterFilter} store=${jobs} ...${{ filters, filter }} />
      <div class="chips folds" role="group" aria-label="Common tags">
        ${CHIPS.map(([text, kind, value]) => {
          const on = tag === value && match === kind;
          return html`<button type="button" key=${text} aria-pressed=${on} title=${value} onClick=${() => filter(on ? { tag: "", match: "startswith" } : { tag: value, match: kind })}>${text}</button>`;
        })}
      </div>
      <input type="search" class="folds" aria-label="Search in tags and data" placeholder="words in tags and data" value=${filters.search} onInput=${type("search")} />
      <label class="beside-label folds">From <input type="datetime-local" step="1" value=${filters.from} onInput=${type("from")} /></label>
      <label class="beside-label folds">To <input type="datetime-local" step="1" value=${filters.to} onInput=${type("to")} /></label>
      <label class="beside-label folds" title="Values of the data as columns, such as fun, id, return.pid">Columns <input value=${filters.columns} placeholder="fun, id, retcode" onInput=${type("columns")} spellcheck=${false} /></label>
      <label class="check folds" title="All events that the engine keeps (its option history), instead of the newest ones"><input type="checkbox" checked=${history !== ""} onChange=${(event) => filter({ history: event.target.checked ? "1" : "" })} /> Whole history</label>
    </div>`;
}
