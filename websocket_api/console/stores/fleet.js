// @ts-check
// The minions, as the server tells of them.

import { Store } from "../lib/store.js";
import { isHelper } from "./helpers.js";

const KEPT = "salt-console-grains";
const USUAL = ["os", "osrelease", "saltversion"];
const MOST_GRAINS = 64; // names that a subscription takes
const SEARCHED = ["os", "osfullname", "osrelease", "kernel", "saltversion", "cpuarch", "fqdn", "host", "role", "roles", "virtual"];

export class FleetStore extends Store {
  /** id -> minion, with those of its grains that are shown or searched: thousands of whole ones are megabytes. */
  minions = new Map();
  /** Whether the picture is whole. */
  whole = false;
  /** Whether there are grains that the user may see. */
  hasGrains = false;
  /** Grains that have a column. */
  columns = columnsKept();
  /** id -> the last job that was heard of: {jid, fun, state}. */
  lastJobs = new Map();
  fault = null;

  #searched = new Set(SEARCHED);
  #fresh = null; // what a snapshot after a lost connection builds, while the old picture still stands
  #found = { key: null, rows: [] };

  constructor(connection) {
    super();
    this.connection = connection;
    this.start();
  }

  start() {
    this.follow?.stop();
    const grains = [...new Set([...this.columns, ...this.#searched])].slice(0, MOST_GRAINS);
    this.follow = this.connection.follow({ subscription: "minions", grains }, (frame) => this.take(frame));
  }

  stop() {
    this.follow.stop();
  }

  take(frame) {
    if (frame.type === "begin") {
      this.#fresh = this.whole ? new Map() : this.minions;
      [this.whole, this.fault] = [false, null];
    } else if (frame.type === "minions") {
      this.#merge(this.#fresh ?? this.minions, frame.minions);
    } else if (frame.type === "live") {
      this.minions = this.#fresh ?? this.minions;
      this.#fresh = null;
      this.whole = true;
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

  /** Ask when these minions were last heard of: who is up and gives a sign of life is no change that is told. */
  async look(minions) {
    const found = await this.connection.request("list_minions", { minions, grains: false });
    for (const { id, seen } of found) {
      const minion = this.minions.get(id);
      if (minion) this.minions.set(id, { ...minion, seen });
    }
    this.changed();
  }

  /** Have the grains too that a search names (`name:value`). */
  search(text) {
    const named = text.split(/\s+/).flatMap((word) => (word.includes(":") ? [word.split(":", 1)[0]] : []));
    const missing = named.filter((name) => name && !this.#searched.has(name) && !this.columns.includes(name));
    if (!missing.length) return;
    this.#searched = new Set([...missing, ...this.#searched]);
    this.start();
  }

  /** Show other grains. */
  show(columns) {
    this.columns = columns;
    localStorage.setItem(KEPT, JSON.stringify(columns));
    this.start();
    this.changed();
  }

  /** A job's part of a minion was heard of. */
  worked(id, job) {
    if (isHelper(job)) return;
    const known = this.lastJobs.get(id);
    if (!known || known.jid < job.jid || (known.jid === job.jid && known.state !== job.state)) {
      this.lastJobs.set(id, job);
      this.changed();
    }
  }

  /** The minions that fit the words of `search` and the `kind` (all, up, down, keys), by id. */
  find(search, kind) {
    const key = `${this.version} ${kind} ${search}`;
    if (this.#found.key !== key) {
      const words = search.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = [...this.minions.values()].filter((minion) => isKind(minion, kind) && words.every((word) => fits(minion, word)));
      rows.sort((a, b) => (a.id < b.id ? -1 : 1));
      this.#found = { key, rows };
    }
    return this.#found.rows;
  }

  /** How many there are of each kind. */
  get counts() {
    const counts = { all: this.minions.size, up: 0, down: 0, keys: 0 };
    for (const minion of this.minions.values()) {
      for (const kind of ["up", "down", "keys"]) counts[kind] += isKind(minion, kind) ? 1 : 0;
    }
    return counts;
  }
}

function columnsKept() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    return Array.isArray(kept) ? kept.filter((name) => typeof name === "string") : USUAL;
  } catch {
    return USUAL;
  }
}

function isKind(minion, kind) {
  if (kind === "up") return minion.connected === true;
  if (kind === "down") return minion.connected === false;
  if (kind === "keys") return minion.key !== null && minion.key !== "accepted";
  return true;
}

/** `word` stands in the id or in a grain, or is `name:value` of a grain. */
function fits(minion, word) {
  if (minion.id.toLowerCase().includes(word)) return true;
  const [name, value] = word.split(":", 2);
  for (const [grain, held] of Object.entries(minion.grains ?? {})) {
    const text = String(held).toLowerCase();
    if (value === undefined ? text.includes(word) : grain.toLowerCase() === name && text.includes(value)) return true;
  }
  return false;
}
