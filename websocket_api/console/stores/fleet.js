// @ts-check
// The minions that the user may see, live.

import { Store } from "../client/store.js";
import { isHelper } from "./helpers.js";

const COLUMNS = "salt-console-grains"; // in localStorage
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
  columns = storedColumns();
  /** id -> the newest known job: {jid, fun, state}. */
  lastJobs = new Map();
  fault = null;

  #searched = new Set(SEARCHED);
  #next = null; // the snapshot after a lost connection, while the old one is still shown
  #found = { key: null, rows: [] };

  constructor(connection) {
    super();
    this.connection = connection;
    this.start();
  }

  start() {
    this.follow?.stop();
    const grains = [...new Set([...this.columns, ...this.#searched])].slice(0, MAX_GRAINS);
    this.follow = this.connection.follow({ subscription: "minions", grains }, (frame) => this.apply(frame));
  }

  stop() {
    this.follow.stop();
  }

  apply(frame) {
    if (frame.type === "begin") {
      this.#next = this.complete ? new Map() : this.minions;
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

  /** Return the minions that match all words of `search` and the `kind` (all, up, down, keys), by id. */
  find(search, kind) {
    const key = `${this.version} ${kind} ${search}`;
    if (this.#found.key !== key) {
      const words = search.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = [...this.minions.values()].filter((minion) => isKind(minion, kind) && words.every((word) => matches(minion, word)));
      rows.sort((a, b) => (a.id < b.id ? -1 : 1));
      this.#found = { key, rows };
    }
    return this.#found.rows;
  }

  /** How many minions there are of each kind. */
  get counts() {
    const counts = { all: this.minions.size, up: 0, down: 0, keys: 0 };
    for (const minion of this.minions.values()) {
      for (const kind of ["up", "down", "keys"]) counts[kind] += isKind(minion, kind) ? 1 : 0;
    }
    return counts;
  }
}

function storedColumns() {
  try {
    const stored = JSON.parse(localStorage.getItem(COLUMNS));
    return Array.isArray(stored) ? stored.filter((name) => typeof name === "string") : DEFAULT_COLUMNS;
  } catch {
    return DEFAULT_COLUMNS;
  }
}

function isKind(minion, kind) {
  if (kind === "up") return minion.connected === true;
  if (kind === "down") return minion.connected === false;
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
