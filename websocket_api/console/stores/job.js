// @ts-check
// One job with the parts of its minions, live.

import { Store } from "../client/store.js";
import { statesOf } from "../lib/states.js";

const RANK = { failed: 0, missing: 1, canceled: 2, running: 3, pending: 4, returned: 5 };

export class JobStore extends Store {
  job = null;
  /** id -> that minion's part. */
  parts = new Map();
  fault = null;

  #sorted = { version: -1, rows: [] };

  constructor(connection, jid) {
    super();
    this.follow = connection.follow({ subscription: "job", jid }, (frame) => this.apply(frame));
  }

  stop() {
    this.follow.stop();
  }

  apply(frame) {
    if (frame.type === "job") {
      this.job = frame.job;
      for (const [id, part] of Object.entries(frame.minions)) this.parts.set(id, part);
    } else if (frame.type === "ended") {
      this.fault = frame.error;
    }
    this.changed();
  }

  /** The minions' parts as [id, part]: failed first, then changed, then the others. */
  get rows() {
    if (this.#sorted.version !== this.version) {
      const rows = [...this.parts].map(([id, part]) => [rankOf(part), id, part]);
      rows.sort(([a, x], [b, y]) => a - b || (x < y ? -1 : 1));
      this.#sorted = { version: this.version, rows: rows.map(([, id, part]) => [id, part]) };
    }
    return this.#sorted.rows;
  }
}

/** Ranks by part: a changed part is a new object, so thousands of highstates are not read again at each drawing. */
const ranks = new WeakMap();

function rankOf(part) {
  if (!ranks.has(part)) {
    const rank = RANK[part.state] ?? 9;
    const changed = rank === RANK.returned && statesOf(part.return)?.some((state) => state.kind === "changed");
    ranks.set(part, changed ? rank - 0.5 : rank);
  }
  return ranks.get(part);
}
