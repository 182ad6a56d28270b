// @ts-check
// A running orchestration: its steps, and the jobs that they started, live.

import { Store } from "../client/store.js";
import { Steps, TAGS } from "../lib/steps.js";

const FOLLOWED = 20; // jobs of the newest steps; a connection can have 128 subscriptions

export class OrchestrationStore extends Store {
  fault = null;
  /** jid of a step's job -> that job, without minions. */
  jobs = new Map();

  #follows = new Map(); // jid -> its subscription

  constructor(connection, job) {
    super();
    this.connection = connection;
    this.steps = new Steps(job);
    // From the beginning of the history: the page may be opened long after the first step.
    const since = { epoch: connection.follows.epoch, seq: 0 };
    const fields = { subscription: "event", tag: TAGS, match_type: "fnmatch", bundle: true, overflow: "drop", since };
    this.follow = connection.follow(fields, (frame) => this.apply(frame));
  }

  stop() {
    this.follow.stop();
    for (const follow of this.#follows.values()) follow.stop();
  }

  apply(frame) {
    if (frame.type === "ended") {
      this.fault = frame.error;
      this.changed();
      return;
    }
    const events = frame.type === "events" ? frame.events : frame.type === "event" ? [frame] : [];
    let changed = false;
    for (const event of events) changed = this.steps.apply(event) || changed;
    if (!changed) return;
    this.#followJobs();
    this.changed();
  }

  #followJobs() {
    for (const { jid } of this.steps.list.slice(-FOLLOWED)) {
      if (jid === null || this.#follows.has(jid)) continue;
      const follow = this.connection.follow({ subscription: "job", jid, without_return: true, short_targets: true }, (frame) => {
        if (frame.type !== "job") return;
        this.jobs.set(jid, frame.job);
        if (frame.job.state !== "running") follow.stop();
        this.changed();
      });
      this.#follows.set(jid, follow);
    }
  }
}
