// @ts-check
// One job with all its minions, live.

import { Store } from "../lib/store.js";
import { brief, whole } from "../lib/text.js";

const WEIGHT = { failed: 0, missing: 1, canceled: 2, running: 3, pending: 4, returned: 5 };

export class JobStore extends Store {
  job = null;
  /** id -> that minion's part. */
  parts = new Map();
  fault = null;
  whole = false;

  #sorted = { version: -1, rows: [] };

  constructor(connection, jid) {
    super();
    this.follow = connection.follow({ subscription: "job", jid }, (frame) => this.take(frame));
  }

  stop() {
    this.follow.stop();
  }

  take(frame) {
    if (frame.type === "job") {
      this.job = frame.job;
      for (const [id, part] of Object.entries(frame.minions)) this.parts.set(id, part);
    } else if (frame.type === "ended") {
      this.fault = frame.error;
    } else if (frame.type === "live") {
      this.whole = true;
    }
    this.changed();
  }

  /** The minions' parts as [id, part]: what failed first, then what changed something, then the others. */
  get rows() {
    if (this.#sorted.version !== this.version) {
      const rows = [...this.parts].map(([id, part]) => [weight(part), id, part]);
      rows.sort(([a, x], [b, y]) => a - b || (x < y ? -1 : 1));
      this.#sorted = { version: this.version, rows: rows.map(([, id, part]) => [id, part]) };
    }
    return this.#sorted.rows;
  }
}

/** What was found out of parts, which come anew whenever they change: thousands of highstates are not read ten times a second. */
const weights = new WeakMap();

function weight(part) {
  if (!weights.has(part)) {
    const weight = WEIGHT[part.state] ?? 9;
    const changed = weight === WEIGHT.returned && statesOf(part.return)?.some((state) => state.changed);
    weights.set(part, changed ? weight - 0.5 : weight);
  }
  return weights.get(part);
}

/**
 * The states of a highstate's return, failed first, then changed, then in their order; null for any other return.
 * Salt names each `module_|-id_|-name_|-function`.
 */
export function statesOf(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  const entries = Object.entries(value);
  if (!entries.length || !entries.every(([key, state]) => key.includes("_|-") && state && typeof state === "object")) return null;
  const states = entries.map(([key, state]) => {
    const [module, id, , fun] = key.split("_|-");
    const changed = Object.keys(state.changes ?? {}).length > 0;
    return { key, id: brief(state.__id__ ?? id), fun: `${module}.${fun}`, changed, failed: state.result === false, ...pick(state) };
  });
  const rank = (state) => (state.failed ? 0 : state.changed ? 1 : 2);
  return states.sort((a, b) => rank(a) - rank(b) || a.number - b.number);
}

function pick(state) {
  return {
    result: state.result ?? null,
    comment: whole(state.comment ?? ""),
    changes: state.changes ?? {},
    duration: state.duration ?? null,
    number: Number(state.__run_num__) || 0, // a minion may return anything
  };
}
