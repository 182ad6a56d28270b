// @ts-check
// The minions that the user may see, live.

import { Store } from "../client/store.js";
import { isHelper } from "../lib/jobs.js";

const COLUMNS = "salt-console-grains"; // in localStorage
const HIDDEN = "salt-console-hidden-columns";
const DEFAULT_COLUMNS = ["os", "osrelease", "saltversion"];
const MAX_GRAINS = 64; // names that a subscription accepts
const SEARCHED = ["os", "osfullname", "osrelease", "kernel", "saltversion", "cpuarch", "fqdn", "host", "role", "roles", "virtual"];

export class FleetStore extends Store {
  /** id -> minion, with the grains that are shown or searched: all grains of thousands of minions are megabytes. */
  minions = new Map();
  /** Whether the snapshot is complete. */
  complete = false;
  /** Whether there are grains that the user may see. */
  hasGrains = false;
  /** Grains that have a column. */
  columns = storedNames(COLUMNS, DEFAULT_COLUMNS);
  /** Other columns that are not shown. */
  hidden = storedNames(HIDDEN, []);
  /** Ids of the minions that are selected for an action. */
  selected = new Set();
  /** id -> the newest known job: {jid, fun, state}. */
  lastJobs = new Map();
  fault = null;

  #later = null; // the timer of a late start
  #searched = new Set(SEARCHED);
  #next = null; // the snapshot after a lost connection, while the old one is still shown
  #found = { key: null, sort: "", rows: [] };
  #facets = { version: -1, facets: null };

  /** @param {number} wait milliseconds before it is read: a view that does not show it reads its own data first */
  constructor(connection, wait = 0) {
    super();
    this.connection = connection;
    if (wait) this.#later = setTimeout(() => this.start(), wait);
    else this.start();
  }

  start() {
    this.stop();
    const grains = [...new Set([...this.columns, ...this.#searched])].slice(0, MAX_GRAINS);
    this.follow = this.connection.follow({ subscription: "minions", grains }, (frame) => this.apply(frame));
  }

  stop() {
    clearTimeout(this.#later);
    this.follow?.stop();
  }

  apply(frame) {
    if (frame.type === "begin") {
      this.#next = this.complete ? new Map(frame.recovered ? this.minions : []) : this.minions;
      [this.complete, this.fault] = [false, null];
    } else if (frame.type === "minions") {
      this.#merge(this.#next ?? this.minions, frame.minions);
    } else if (frame.type === "live") {
      this.minions = this.#next ?? this.minions;
      this.#next = null;
      this.complete = true;
    } else if (frame.type === "ended") {
      this.fault = frame.error;
    }
    this.changed();
  }

  /** Call `act` when the snapshot is complete. */
  whenComplete(act) {
    if (this.complete) return act();
    const stop = this.listen(() => {
      if (!this.complete) return;
      stop();
      act();
    });
  }

  #merge(into, minions) {
    for (const [id, minion] of Object.entries(minions)) {
      if (minion?.grains) this.hasGrains = true;
      if (minion === null) into.delete(id);
      else into.set(id, minion);
    }
  }

  /** Read when these minions were last seen: the subscription does not send that alone. */
  async refreshSeen(minions) {
    const found = await this.connection.request("list_minions", { minions, grains: false });
    for (const { id, seen, connected } of found) {
      const minion = this.minions.get(id);
      if (minion) this.minions.set(id, { ...minion, seen, connected });
    }
    this.changed();
  }

  /** Subscribe also to the grains that a search names (`name:value`). */
  search(text) {
    const named = text.split(/\s+/).flatMap((word) => (word.includes(":") ? [word.split(":", 1)[0]] : []));
    const missing = named.filter((name) => name && !this.#searched.has(name) && !this.columns.includes(name));
    if (!missing.length) return;
    this.#searched = new Set([...missing, ...this.#searched]);
    this.start();
  }

  setColumns(columns) {
    this.columns = columns;
    localStorage.setItem(COLUMNS, JSON.stringify(columns));
    this.start();
    this.changed();
  }

  /** Note a minion's part of a job: {jid, fun, state}. */
  noteJob(id, job) {
    if (isHelper(job)) return;
    const known = this.lastJobs.get(id);
    if (!known || known.jid < job.jid || (known.jid === job.jid && known.state !== job.state)) {
      this.lastJobs.set(id, job);
      this.changed();
    }
  }

  setHidden(hidden) {
    this.hidden = hidden;
    localStorage.setItem(HIDDEN, JSON.stringify(hidden));
    this.changed();
  }

  /** Select or deselect minions. */
  select(ids, isSelected) {
    for (const id of ids) {
      if (isSelected) this.selected.add(id);
      else this.selected.delete(id);
    }
    this.changed();
  }

  /** The selected minions that still exist. */
  get selection() {
    return [...this.selected].map((id) => this.minions.get(id)).filter(Boolean);
  }

  /**
   * Return the minions that match the filters, sorted.
   *
   * @param {{search?: string, kind?: string, os?: string, salt?: string, key?: string, master?: string, sort?: string}} filters `kind`: all, up, down,
   *     keys or resources; `key`: with `keys`, the state of the key; `os` and `salt`: a value of the grain; `sort`: a column, with - before it for the other direction
   */
  find(filters) {
    const key = `${this.version} ${JSON.stringify(filters)}`;
    if (this.#found.key !== key) {
      const { search = "", kind = "all", os = "", salt = "", key: keyState = "", master = "", sort = "name" } = filters;
      const words = search.toLowerCase().split(/\s+/).filter(Boolean);
      const isWanted = (minion) =>
        (kind === "keys" && keyState ? minion.key === keyState : isKind(minion, kind)) && (!master || minion.master === master) && (!os || minion.grains?.os === os) && (!salt || minion.grains?.saltversion === salt) && words.every((word) => matches(minion, word));
      // In their last order: minions change often, and to sort what is almost sorted takes a tenth of the time.
      const minions = new Map(/** @type {[string, any][]} */ (this.#found.sort === sort ? this.#found.rows.map(({ id }) => [id, null]) : []));
      for (const [id, minion] of this.minions) minions.set(id, minion);
      const rows = sorted([...minions.values()].filter((minion) => minion !== null && isWanted(minion)), sort, this.lastJobs);
      this.#found = { key, sort, rows };
    }
    return this.#found.rows;
  }

  /** The operating systems and Salt versions of the minions: [value, count], the most frequent first. */
  get facets() {
    if (this.#facets.version !== this.version) {
      const [os, salt] = [new Map(), new Map()];
      for (const { grains } of this.minions.values()) {
        for (const [counts, value] of [[os, grains?.os], [salt, grains?.saltversion]]) if (typeof value === "string") counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      const listed = (counts) => [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
      this.#facets = { version: this.version, facets: { os: listed(os), salt: listed(salt) } };
    }
    return this.#facets.facets;
  }

  /** How many minions there are of each kind. */
  get counts() {
    const counts = { all: this.minions.size, up: 0, down: 0, keys: 0, resources: 0 };
    for (const minion of this.minions.values()) {
      for (const kind of ["up", "down", "keys", "resources"]) counts[kind] += isKind(minion, kind) ? 1 : 0;
    }
    return counts;
  }
}

function storedNames(key, others) {
  try {
    const stored = JSON.parse(localStorage.getItem(key));
    return Array.isArray(stored) ? stored.filter((name) => typeof name === "string") : others;
  } catch {
    return others;
  }
}

const STATUS = { true: 0, null: 1, false: 2 };
const TEXT = new Intl.Collator("en", { numeric: true }); // so that web2 is before web10, and 3007.10 after 3007.9

/** Sort minions by a column; minions without a value come last in both directions. */
function sorted(minions, sort, lastJobs) {
  const [column, sign] = sort.startsWith("-") ? [sort.slice(1), -1] : [sort, 1];
  const columns = {
    name: (minion) => minion.id,
    status: (minion) => STATUS[minion.connected],
    key: (minion) => minion.key,
    master: (minion) => minion.master,
    last: (minion) => lastJobs.get(minion.id)?.fun,
    seen: (minion) => (minion.seen ? -Date.parse(minion.seen) : null),
  };
  const grain = column.replace(/^grain-/, "");
  const readOf = Object.hasOwn(columns, column) ? columns[column] : (minion) => textOf(minion.grains?.[grain]); // the address names it
  const rows = minions.map((minion) => [readOf(minion) ?? null, minion]);
  rows.sort(([a, x], [b, y]) => {
    if ((a === null) !== (b === null)) return a === null ? 1 : -1;
    const order = typeof a === "number" ? a - b : a === null ? 0 : TEXT.compare(a, b);
    return sign * order || (x.id < y.id ? -1 : 1);
  });
  return rows.map(([, minion]) => minion);
}

function textOf(value) {
  return value === undefined || value === null ? null : String(value);
}

function isKind(minion, kind) {
  if (kind === "up") return minion.connected === true;
  if (kind === "down") return minion.connected === false;
  if (kind === "resources") return minion.resource !== undefined;
  if (kind === "keys") return minion.key !== null && minion.key !== "accepted";
  return true;
}

/** Return whether the id or a grain contains `word`, or it is `name:value` of a grain. */
function matches(minion, word) {
  if (minion.id.toLowerCase().includes(word)) return true;
  const [name, value] = word.split(":", 2);
  for (const [grain, stored] of Object.entries(minion.grains ?? {})) {
    const text = String(stored).toLowerCase();
    if (value === undefined ? text.includes(word) : grain.toLowerCase() === name && text.includes(value)) return true;
  }
  return false;
}
