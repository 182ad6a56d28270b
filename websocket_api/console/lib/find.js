// @ts-check
// Search within a value.

import { brief } from "./text.js";

const MAX_VISITED = 500000; // values of a search; it runs while the user types
const MAX_DEPTH = 200;
const AROUND = 80; // characters shown before and after a match in a long line

/**
 * Return the places where a text occurs in a value, in names or texts: {matches: [{where, before, match, after}], complete}.
 * `where` is a path with colons, as `salt '*' pillar.get` reads it, or the number of a line.
 *
 * @param {any} value
 * @param {string} word case does not matter
 * @param {number} max number of matches
 */
export function find(value, word, max) {
  const wanted = word.toLowerCase();
  const search = { wanted, matches: [], max, visited: 0, complete: true };
  if (typeof value === "string") searchLines(value, "", search);
  else visit(value, "", 0, search);
  return { matches: search.matches, complete: search.complete };
}

function visit(value, where, depth, search) {
  search.visited += 1;
  if (search.visited > MAX_VISITED || depth > MAX_DEPTH) search.complete = false;
  if (!search.complete) return;
  if (typeof value === "string") searchLines(value, where, search);
  else if (value === null || typeof value !== "object") add(String(value), where, search);
  else {
    for (const key of Object.keys(value)) {
      if (!search.complete) return;
      const inner = value[key];
      const path = where === "" ? key : `${where}:${key}`;
      const isLeaf = inner === null || typeof inner !== "object";
      if (!Array.isArray(value) && key.toLowerCase().includes(search.wanted) && !(isLeaf && contains(inner, search))) {
        put(path, { before: brief(inner, AROUND), match: "", after: "" }, search);
      }
      visit(inner, path, depth + 1, search);
    }
  }
}

function contains(value, { wanted }) {
  return String(value).toLowerCase().includes(wanted);
}

function searchLines(text, where, search) {
  let [at, line] = [0, 1];
  const lower = text.toLowerCase();
  // Lower case can have another length; then places would be wrong.
  const source = lower.length === text.length ? lower : text;
  const many = text.includes("\n");
  for (let found = source.indexOf(search.wanted); found >= 0 && search.complete; ) {
    const start = text.lastIndexOf("\n", found - 1) + 1;
    const stop = text.indexOf("\n", found);
    const end = stop < 0 ? text.length : stop;
    for (let next = text.indexOf("\n", at); next >= 0 && next < found; next = text.indexOf("\n", at)) {
      line += 1;
      at = next + 1;
    }
    const place = many ? `${where ? `${where}, ` : ""}line ${line}` : where;
    add(text.slice(start, end), place, search, found - start);
    if (stop < 0) return;
    found = source.indexOf(search.wanted, end);
  }
}

function add(text, where, search, known = -1) {
  const at = known >= 0 ? known : text.toLowerCase().indexOf(search.wanted);
  if (at < 0) return;
  const end = at + search.wanted.length;
  const before = text.slice(Math.max(0, at - AROUND), at);
  const after = text.slice(end, end + AROUND);
  put(where, { before: at > AROUND ? `…${before}` : before, match: text.slice(at, end), after: end + AROUND < text.length ? `${after}…` : after }, search);
}

function put(where, found, search) {
  if (search.matches.length >= search.max) search.complete = false;
  else search.matches.push({ where, ...found });
}
