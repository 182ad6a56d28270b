// @ts-check
// Jobs that the user started in this page: each is followed, and its end is reported.

import { Connection } from "../client/index.js";
import { countsText } from "./format.js";
import { to } from "./route.js";

const STARTING = new Set(["cmd", "runner", "wheel"]); // operations whose result has the jid
const MAX_FOLLOWED = 16; // jobs; a connection can have 128 subscriptions
const LONG_MS = 3000; // that a job takes at least to be reported: the user still looks at a shorter one

/** A connection that reports the jobs that are started over it. */
export class ReportingConnection extends Connection {
  /** Called with the jid of each job that was started and not waited for. */
  onStarted = (_jid) => {};

  async request(type, fields = {}) {
    const result = await super.request(type, fields);
    if (STARTING.has(type) && (fields.mode ?? "async") === "async" && result?.jid) this.onStarted(result.jid);
    return result;
  }
}

/** Return what to report of a job that has ended: {title, text, href, failed}. */
export function endOf(job) {
  const failed = job.state === "failed" || job.state === "partial";
  const title = `${job.fun ?? "Job"} ${{ complete: "succeeded", failed: "failed", partial: "ended, some minions did not return", canceled: "was canceled" }[job.state] ?? "ended"}`;
  return { title, text: job.kind === "job" ? countsText(job) : `${job.kind} on the master`, href: to("jobs", job.jid), failed };
}

export class StartedJobs {
  #follows = new Map();

  /**
   * @param {ReportingConnection} connection
   * @param {(job: any) => void} onEnd called once for each job that took some seconds
   */
  constructor(connection, onEnd) {
    this.connection = connection;
    this.onEnd = onEnd;
    connection.onStarted = (jid) => this.follow(jid);
  }

  stop() {
    this.connection.onStarted = () => {};
    for (const follow of this.#follows.values()) follow.stop();
    this.#follows.clear();
  }

  follow(jid) {
    if (this.#follows.has(jid) || this.#follows.size >= MAX_FOLLOWED) return;
    const began = performance.now();
    const end = () => {
      this.#follows.get(jid)?.stop();
      this.#follows.delete(jid);
    };
    const follow = this.connection.follow({ subscription: "job", jid, without_return: true, short_targets: true }, (frame) => {
      if (frame.type === "ended") end();
      if (frame.type !== "job" || frame.job.state === "running" || !this.#follows.has(jid)) return;
      end();
      if (performance.now() - began >= LONG_MS) this.onEnd(frame.job);
    });
    this.#follows.set(jid, follow);
  }
}
