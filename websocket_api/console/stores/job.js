// @ts-check
// One job with the parts of its minions, live, in groups of the same outcome.

import { Store } from "../client/store.js";
import { withKnownTarget } from "../lib/jobs.js";
import { Groups } from "../lib/outcomes.js";

const PARTIAL_MS = 500; // between two drawings of an incomplete snapshot: each takes time from the rest of it
const SLICE_MS = 6; // of grouping at a time, so that the page draws while thousands of returns arrive

export class JobStore extends Store {
  job = null;
  /** id -> that minion's part. */
  parts = new Map();
  fault = null;

  #groups = new Groups();
  #targetRequested = false;
  #waiting = new Map(); // id -> part that is not yet in its group
  // A message to itself comes at once, but after what waits, such as drawing; a timer would wait some milliseconds.
  #channel = new MessageChannel();
  #isScheduled = false;
  #isLive = false; // whether the snapshot is complete
  #notified = -Infinity; // when the page was drawn, or began to be
  #timer = null; // of the next drawing of an incomplete snapshot
  #sorted = { version: -1, rows: [] };

  constructor(connection, jid) {
    super();
    this.connection = connection;
    this.#channel.port1.onmessage = () => {
      this.#group();
      this.#notify();
    };
    this.follow = connection.follow({ subscription: "job", jid, short_targets: true }, (frame) => this.apply(frame));
  }

  stop() {
    clearTimeout(this.#timer);
    this.#channel.port1.close();
    this.follow.stop();
  }

  apply(frame) {
    if (frame.type === "job") {
      this.job = withKnownTarget(frame.job, this.job);
      for (const [id, part] of Object.entries(frame.minions)) {
        this.parts.set(id, part);
        this.#waiting.set(id, part);
      }
      if (this.job.tgt_length && !this.#targetRequested) this.#readTarget();
      if (!this.#isScheduled) this.#group();
    } else if (frame.type === "begin") {
      [this.#isLive, this.#notified, this.#targetRequested] = [false, -Infinity, false];
      return;
    } else if (frame.type === "live") {
      this.#isLive = true;
    } else if (frame.type === "ended") {
      this.fault = frame.error;
      this.#isLive = true;
    }
    this.#notify();
  }

  /** Read the whole target once, to run the job again: with each frame, a list of thousands would be most of its bytes. */
  async #readTarget() {
    this.#targetRequested = true;
    const [minion] = this.parts.keys(); // one part keeps the answer small
    try {
      const whole = await this.connection.read("get_job", { jid: this.job.jid, ...(minion === undefined ? {} : { minion }) });
      this.job = withKnownTarget(this.job, whole);
    } catch (fault) {
      this.fault = fault;
    }
    this.#notify();
  }

  #notify() {
    const now = performance.now();
    const left = this.complete ? 0 : this.#notified + PARTIAL_MS - now;
    if (left > 0) {
      this.#timer ??= setTimeout(() => this.#draw(), left); // the rest may be slow
      return;
    }
    this.#draw();
  }

  #draw() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#notified = performance.now();
    this.changed();
  }

  /** Whether all parts have arrived, and are in their groups. */
  get complete() {
    return this.#isLive && !this.#isScheduled;
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
    this.#isScheduled = this.#waiting.size > 0;
    if (this.#isScheduled) this.#channel.port2.postMessage(null);
  }
}
