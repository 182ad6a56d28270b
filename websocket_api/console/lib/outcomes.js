// @ts-check
// Minions with the same outcome, as groups that grow while returns arrive.

import { isHighstate } from "./states.js";

/** States of a minion's part without a return. */
export const WITHOUT_RETURN = new Set(["running", "pending", "missing", "canceled"]);

const TIMES = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|UTC|[+-]\d\d:?\d\d))?/g;
const IGNORED = new Set(["duration", "start_time"]);
const IN_NAME = /[\w.-]/;
const GOES_ON = /^(?:[\w-]|\.\w)/;
const MAX_DEPTH = 200; // levels that are compared; a deeper value is equal to no other
const SEED = Math.floor(Math.random() * 2 ** 31); // so that no minion can choose returns with the same hash

/**
 * Return whether a name of an object is not compared. Of states (`id` is set) these are the durations, start times and
 * numbers of processes; results, names, comments and other changes are compared.
 */
function isIgnored(name, value, id, depth, own) {
  if (id === null || depth > 2) return false;
  return depth === 1 ? IGNORED.has(name) : name === "pid" && depth === 2 && own === "changes" && typeof value.pid === "number";
}

function namesOf(value, id, depth, own) {
  return Object.keys(value).filter((name) => !isIgnored(name, value, id, depth, own));
}

/** Return a name of an object as it is compared: a part of a state's key may hold the minion's id, as the path of a file. */
function neutralName(name, id, depth) {
  if (id === null || depth > 0 || !name.includes(id)) return name;
  return name.split("_|-").map((part) => withoutId(part, id)).join("_|-");
}

/** Return a value with what is compared of it; texts of states are without date-times and the minion's id. */
function comparable(value, id, depth = 0, own = "") {
  if (typeof value === "string") return neutral(value, id);
  if (value === null || typeof value !== "object" || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((inner) => comparable(inner, id, depth + 1));
  return Object.fromEntries(namesOf(value, id, depth, own).map((name) => [neutralName(name, id, depth), comparable(value[name], id, depth + 1, name)]));
}

function neutral(text, id) {
  if (id === null) return text;
  // Most texts have neither, and a search for a substring costs less than a pattern.
  return withoutId(text.includes(":") ? text.replace(TIMES, "\u0000time") : text, id);
}

/** Without a pattern: compiling one for each minion would cost more than all else. */
function withoutId(text, id) {
  let [found, from] = ["", 0];
  for (let at = id === "" ? -1 : text.indexOf(id); at >= 0; ) {
    const end = at + id.length;
    const isWhole = !(at > 0 && IN_NAME.test(text[at - 1])) && !GOES_ON.test(text.slice(end, end + 2));
    if (isWhole) [found, from] = [`${found}${text.slice(from, at)}\u0000id`, end];
    at = text.indexOf(id, isWhole ? end : at + 1);
  }
  return from ? found + text.slice(from) : text;
}

/** Return whether a value is equal to a comparable one; the order of names does not matter. */
function isSame(value, known, id, depth = 0, own = "") {
  if (typeof value === "string") return neutral(value, id) === known;
  if (value === known) return true;
  if (value === null || known === null || typeof value !== "object" || typeof known !== "object" || depth > MAX_DEPTH) return false;
  if (Array.isArray(value) !== Array.isArray(known)) return false;
  let left = Object.keys(known).length;
  for (const name of Object.keys(value)) {
    if (isIgnored(name, value, id, depth, own)) continue;
    const kept = neutralName(name, id, depth);
    if (!Object.hasOwn(known, kept) || !isSame(value[name], known[kept], id, depth + 1, name)) return false;
    left -= 1;
  }
  return left === 0;
}

/** Return a hash that values with the same comparable value share. */
function hashOf(value, id, depth = 0, own = "") {
  if (typeof value === "string") return hashText(neutral(value, id), SEED);
  if (value === null || typeof value !== "object" || depth > MAX_DEPTH) return hashText(`${typeof value}${depth > MAX_DEPTH ? "" : value}`, SEED);
  if (Array.isArray(value)) return value.reduce((hash, inner) => (Math.imul(hash, 31) + hashOf(inner, id, depth + 1)) | 0, 17);
  let sum = 19; // a sum, because the order of names does not matter
  for (const name of namesOf(value, id, depth, own)) sum = (sum + hashText(neutralName(name, id, depth), hashOf(value[name], id, depth + 1, name))) | 0;
  return sum;
}

function hashText(text, seed) {
  let hash = seed ^ text.length;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash ^ (hash >>> 15);
}

const RECENT = 4; // groups
const RANK = { failed: 0, missing: 1, canceled: 2, running: 3, pending: 4, returned: 5 };

export class Groups {
  #groups = new Map(); // hash -> groups whose outcomes have it
  #groupOf = new Map(); // id -> its group
  #recent = []; // groups that are compared before a hash is computed: most minions have one of a few outcomes
  #number = 0;

  /** Put a minion into the group of its outcome. */
  put(id, part) {
    this.#remove(id);
    const group = this.#find(id, part);
    group.members.set(id, part);
    this.#groupOf.set(id, group);
  }

  /** The groups: failed ones first, then changed ones, larger ones first. */
  get rows() {
    const groups = [...this.#groups.values()].flat();
    return groups.sort((a, b) => a.rank - b.rank || b.members.size - a.members.size || a.number - b.number);
  }

  #remove(id) {
    const group = this.#groupOf.get(id);
    if (!group) return;
    group.members.delete(id);
    if (group.members.size) return;
    const others = this.#groups.get(group.hash).filter((one) => one !== group);
    if (others.length) this.#groups.set(group.hash, others);
    else this.#groups.delete(group.hash);
  }

  #find(id, part) {
    const { state, retcode = null } = part;
    const returned = !WITHOUT_RETURN.has(state);
    const [value, code] = returned ? [part.return, retcode] : [null, null];
    // What equals states is states itself: so it is not examined before.
    const isOf = (group) => group.state === state && group.code === code && isSame(value, group.outcome, group.states ? id : null);
    const recent = this.#recent.find((group) => group.members.size && isOf(group));
    if (recent) return recent;
    const states = returned && isHighstate(value);
    const own = states ? id : null;
    const hash = `${state} ${code} ${states} ${hashOf(value, own)}`;
    const known = this.#groups.get(hash) ?? [];
    const group = known.find(isOf) ?? this.#add(hash, { state, code, states, outcome: states ? comparable(value, own) : value, rank: (RANK[state] ?? 9) - (states && state === "returned" && hasChanges(value) ? 0.5 : 0) });
    this.#recent = [group, ...this.#recent.slice(0, RECENT - 1)];
    return group;
  }

  #add(hash, fields) {
    this.#number += 1;
    const group = { number: this.#number, hash, ...fields, members: new Map() };
    this.#groups.set(hash, [...(this.#groups.get(hash) ?? []), group]);
    return group;
  }
}

function hasChanges(states) {
  return Object.values(states).some((state) => Object.keys(state.changes ?? {}).length > 0);
}
