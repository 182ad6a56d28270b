// @ts-check
// The filters and columns of the event view, and its export.

import { brief, whole } from "./text.js";

/** All filters of the view; `from` and `to` are times of the day, `history` is 1 for all events that the server has. */
export const DEFAULTS = { tag: "", match: "startswith", master: "", search: "", from: "", to: "", columns: "", history: "" };

/** Filters by tag that one press sets: [text, match type, tag]. */
export const CHIPS = [
  ["New jobs", "fnmatch", "salt/job/*/new"],
  ["Returns", "fnmatch", "salt/job/*/ret/*"],
  ["Runners", "startswith", "salt/run/"],
  ["Keys", "startswith", "salt/auth"],
  ["Minion starts", "fnmatch", "salt/minion/*/start"],
  ["Presence", "startswith", "salt/presence/"],
];

const SEARCHED = 4000; // characters of an event's data

/** Return a function that tells whether an event has all words in its tag, minion or data; a gap always matches. */
export function searcher(search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return () => true;
  const known = new WeakMap(); // events do not change, and thousands are shown
  return (event) => {
    if (event.gap) return true;
    if (!known.has(event)) {
      const text = `${event.tag} ${event.minion ?? ""} ${brief(event.data, SEARCHED)}`.toLowerCase();
      known.set(event, words.every((word) => text.includes(word)));
    }
    return known.get(event);
  };
}

/** Return a function that tells whether an event is between two local times; one without a time always is. */
export function timed(from, to) {
  const [first, last] = [Date.parse(from), Date.parse(to)];
  return ({ time }) => time === null || !(time < first || time > last); // a comparison with NaN is false
}

/** Return the paths of the columns, such as ["id", "return.pid"]. */
export function pathsOf(columns) {
  return [...new Set(columns.split(/[\s,]+/).filter(Boolean))].slice(0, 6);
}

/** Return the value at a path of an event's data; undefined if there is none. */
export function valueAt(data, path) {
  let value = data;
  for (const name of path.split(".")) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/** Return the jid of the job, runner or wheel function that a tag is about, or null. */
export function jidOf(tag) {
  return /^salt\/(?:job|run|wheel)\/(\d{20}(?:_\d+)?)(?:\/|$)/.exec(tag)?.[1] ?? null;
}

/** Return events as JSON lines: one object with seq, time, tag, data, minion and master on each line. */
export function asLines(events) {
  const lines = events.filter((event) => !event.gap).map(({ seq, time, tag, data, minion, master }) =>
    JSON.stringify({ seq, time: time === null ? null : new Date(time).toISOString(), tag, data, ...(minion ? { minion } : {}), ...(master ? { master } : {}) }, exact),
  );
  return lines.length ? `${lines.join("\n")}\n` : "";
}

/** Numbers beyond JavaScript's exact range are BigInt (client/wire.js), which JSON does not have. */
function exact(_key, value) {
  return typeof value === "bigint" ? whole(value) : value;
}
