// @ts-check
// One job with the parts of its minions, live, in groups of the same outcome.

import { Store } from "../client/store.js";
import { Groups } from "../lib/outcomes.js";

const SLICE_MS = 6; // of grouping at a time, so that the page draws while thousands of returns arrive

export class JobStore extends Store {
  job = null;
  /** id -> that minion's part. */
  parts = new Map();
  fault = null;

  #groups = new Groups();
  #waiting = new Map(); // id -> part that is not yet in its group
  #timer = null;
  #sorted = { version: -1, rows: [] };

  constructor(connection, jid) {
    super();
    this.follow = connection.follow({ subscription: "job", jid }, (frame) => this.apply(frame));
  }

  stop() {
    clearTimeout(this.#timer);
    this.follow.stop();
  }

  apply(frame) {
    if (frame.type === "job") {
      this.job = frame.job;
      for (const [id, part] of Object.entries(frame.minions)) {
        this.parts.set(id, part);
        this.#waiting.set(id, part);
      }
      if (this.#timer === null) this.#group();
    } else if (frame.type === "ended") {
      this.fault = frame.error;
    }
    this.changed();
  }

  /** The groups of minions with the same outcome. */
  get rows() {
    if (this.#sorted.version !== this.version) this.#sorted = { version: this.version, rows: this.#groups.rows };
    return this.#sorted.rows;
  }

  /** Group what waits, and continue later if that takes long. */
  #group() {
    const end = performance.now() + SLICE_MS;
    for (const [id, part] of this.#waiting) {
      this.#waiting.delete(id);
      this.#groups.put(id, part);
      if (performance.now() > end) break;
    }
    this.#timer = this.#waiting.size ? setTimeout(() => this.#groupMore(), 0) : null;
  }

  #groupMore() {
    this.#group();
    this.changed();
  }
}
