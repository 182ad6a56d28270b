// @ts-check
// Minions with the same outcome, as groups that grow while returns arrive.

import { isHighstate } from "./states.js";

/** States of a minion's part without a return. */
export const WITHOUT_RETURN = new Set(["running", "pending", "missing", "canceled"]);

const TIMES = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|UTC|[+-]\d\d:?\d\d))?/g;
const IGNORED = new Set(["duration", "start_time"]);
const MAX_DEPTH = 200; // levels that are compared; a deeper value is equal to no other
const SEED = Math.floor(Math.random() * 2 ** 31); // so that no minion can choose returns with the same hash

/**
 * Return what is compared of a highstate: no durations, start times and process ids, and texts without date-times and the minion's id.
 * Results, names, comments and changes are compared.
 */
export function comparable(states, id) {
  const own = { id, pattern: ownName(id) };
  const found = Object.create(null); // a name such as __proto__ is a name
  for (const key of Object.keys(states)) {
    const [state, kept] = [states[key], Object.create(null)];
    for (const name of Object.keys(state)) {
      if (!IGNORED.has(name)) kept[name] = neutral(name === "changes" ? withoutPid(state[name]) : state[name], own, 0);
    }
    found[key] = kept;
  }
  return found;
}

/** A command's changes have the number of its process. */
function withoutPid(changes) {
  if (typeof changes?.pid !== "number") return changes;
  const { pid, ...others } = changes;
  return others;
}

function ownName(id) {
  return new RegExp(`(?<![\\w.-])${id.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w-]|\\.\\w)`, "g");
}

function neutral(value, own, depth) {
  if (typeof value === "string") return neutralText(value, own);
  if (value === null || typeof value !== "object" || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((inner) => neutral(inner, own, depth + 1));
  const found = Object.create(null);
  for (const name of Object.keys(value)) found[name] = neutral(value[name], own, depth + 1);
  return found;
}

function neutralText(text, { id, pattern }) {
  // Most texts have neither, and a search for a substring costs less than a pattern.
  const timeless = text.includes(":") ? text.replace(TIMES, "\u0000time") : text;
  return timeless.includes(id) ? timeless.replace(pattern, "\u0000id") : timeless;
}

/** Return whether two values of JSON are equal; the order of names does not matter. */
export function isEqual(one, other, depth = 0) {
  if (one === other) return true;
  if (one === null || other === null || typeof one !== "object" || typeof other !== "object" || depth > MAX_DEPTH) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && isEqual(one[name], other[name], depth + 1));
}

/** Return a hash that equal values share. */
export function hashOf(value, depth = 0) {
  if (typeof value === "string") return hashText(value, SEED);
  if (value === null || typeof value !== "object" || depth > MAX_DEPTH) return hashText(`${typeof value}${depth > MAX_DEPTH ? "" : value}`, SEED);
  if (Array.isArray(value)) return value.reduce((hash, inner) => (Math.imul(hash, 31) + hashOf(inner, depth + 1)) | 0, 17);
  let sum = 19; // a sum, because the order of names does not matter
  for (const name of Object.keys(value)) sum = (sum + hashText(name, hashOf(value[name], depth + 1))) | 0;
  return sum;
}

function hashText(text, seed) {
  let hash = seed ^ text.length;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash ^ (hash >>> 15);
}

const RANK = { failed: 0, missing: 1, canceled: 2, running: 3, pending: 4, returned: 5 };

export class Groups {
  #groups = new Map(); // hash -> groups whose outcomes have it
  #groupOf = new Map(); // id -> its group
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
    const states = returned && isHighstate(part.return);
    const outcome = states ? comparable(part.return, id) : returned ? part.return : null;
    const hash = `${state} ${returned ? retcode : ""} ${states} ${hashOf(outcome)}`;
    const known = this.#groups.get(hash) ?? [];
    const same = known.find((group) => isEqual(group.outcome, outcome));
    if (same) return same;
    this.#number += 1;
    const rank = (RANK[state] ?? 9) - (states && state === "returned" && hasChanges(part.return) ? 0.5 : 0);
    const group = { number: this.#number, hash, state, states, rank, outcome, members: new Map() };
    this.#groups.set(hash, [...known, group]);
    return group;
  }
}

function hasChanges(states) {
  return Object.values(states).some((state) => Object.keys(state.changes ?? {}).length > 0);
}
