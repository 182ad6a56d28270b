// @ts-check
// The newest jobs, live: a list first, then each new job from its announcement, and running jobs from their snapshots.

import { Store } from "../client/store.js";
import { isHelper, listJobs, withKnownTarget } from "../lib/jobs.js";

const LISTED = 200; // jobs at first, and more by the button
const FOUND_STORED = 200; // jobs of a search in the job cache
const KEPT = 2000; // jobs in the table
const FOLLOWED = 40; // running jobs that are followed; a connection can have 128 subscriptions
const LIST_EVERY_MS = 3000; // while more jobs than these run
const SOON_MS = 200; // in which announced jobs are followed together
const REMEMBERED = 50; // newest jobs, from which each minion's last job is read
const MAX_PARTS = 20000; // minions of these jobs together
const NEW = ["salt/job/*/new", "salt/run/*/new", "salt/wheel/*/new"];

export class JobsStore extends Store {
  /** jid -> job without minions. */
  jobs = new Map();
  loaded = false;
  /** Whether there are older jobs to load. */
  older = true;
  fault = null;

  #found = new Map(); // jid -> job that a filter found and that is not among the newest
  #follows = new Map();
  #soon = null;
  #sorted = { version: -1, rows: [] };
  #masters = "";

  constructor(connection, fleet) {
    super();
    this.connection = connection;
    this.fleet = fleet;
    const fields = { subscription: "event", tag: NEW, match_type: "fnmatch", bundle: true, overflow: "drop" };
    this.follow = connection.follow(fields, (frame) => this.apply(frame));
    this.timer = setInterval(() => this.#listAgain(), LIST_EVERY_MS);
  }

  stop() {
    clearInterval(this.timer);
    clearTimeout(this.#soon);
    this.follow.stop();
    for (const follow of this.#follows.values()) follow.stop();
  }

  apply(frame) {
    if (frame.type === "events") for (const event of frame.events) this.#addAnnounced(event);
    else if (frame.type === "event") this.#addAnnounced(frame);
    else if (frame.type === "begin" || frame.type === "gap") this.load();
    else if (frame.type === "bookmark") this.#noteMasters();
    else if (frame.type === "ended") {
      this.fault = frame.error;
      this.changed();
    }
  }

  /** The ids of the masters that share the stream; none if there is only one master. */
  get masters() {
    return Object.keys(this.follow.masters ?? {}).sort();
  }

  #noteMasters() {
    const masters = this.masters.join("/"); // which no id has
    if (masters === this.#masters) return;
    this.#masters = masters;
    this.changed();
  }

  async load(before = null) {
    try {
      const { jobs: found, all } = await this.#list({ limit: LISTED, ...(before ? { before } : {}) });
      for (const job of found) this.#put(job);
      if (before || !this.loaded) this.older = !all && this.jobs.size < KEPT;
      if (!this.loaded) this.fleet.whenComplete(() => this.#readLastJobs(found)); // the fleet shows them
      [this.loaded, this.fault] = [true, null];
    } catch (fault) {
      this.fault = fault;
    }
    this.#followRunning();
    this.changed();
  }

  #list(fields) {
    return listJobs((type, more) => this.connection.read(type, more), fields);
  }

  loadOlder() {
    return this.load(newestFirst(this.jobs).at(-1)?.jid ?? null);
  }

  /**
   * Load the jobs of some filters that are not loaded yet; return how many were found.
   *
   * @param {object[]} requests fields of `list_jobs`
   * @param {boolean} stored whether to search the master's job cache too
   */
  async find(requests, stored) {
    const limit = stored ? FOUND_STORED : LISTED;
    // The page looks for the words of a search too, in the whole targets.
    const more = (fields) => ({ limit, ...(stored ? { stored } : {}), ...(fields.search ? { whole_targets: true } : {}) });
    const lists = await Promise.all(requests.map((fields) => this.#list({ ...fields, ...more(fields) })));
    const found = new Map(lists.flatMap(({ jobs }) => jobs).map((job) => [job.jid, job]));
    for (const [jid, job] of found) if (this.jobs.get(jid)?.tgt_length && !job.tgt_length) this.jobs.set(jid, job);
    const wanted = [...found.values()].filter((job) => !this.jobs.has(job.jid));
    for (const job of wanted) this.#found.set(job.jid, job);
    for (const jid of [...this.#found.keys()].slice(0, -KEPT)) this.#found.delete(jid);
    this.changed();
    return found.size;
  }

  /** The jobs, newest first, with those that were found by filters. */
  get rows() {
    if (this.#sorted.version !== this.version) {
      this.#sorted = { version: this.version, rows: newestFirst(new Map([...this.#found, ...this.jobs])) };
    }
    return this.#sorted.rows;
  }

  #addAnnounced({ tag, data, minion, master }) {
    const [, kind, jid] = tag.split("/");
    if (minion) return; // a minion's own event, whatever its tag: the master announces jobs
    if (this.jobs.has(jid) || data === null || typeof data !== "object") return;
    const minions = Array.isArray(data.minions) ? data.minions : [];
    this.#put({
      kind: { job: "job", run: "runner", wheel: "wheel" }[kind],
      jid,
      fun: data.fun ?? null,
      arg: data.arg ?? null,
      tgt: data.tgt ?? null,
      tgt_type: data.tgt_type ?? null,
      user: data.user ?? null,
      start_time: `${data._stamp ?? ""}`.replace(/(?<!Z|[+-]\d\d:\d\d)$/, "Z"),
      end_time: null,
      state: "running",
      total: minions.length,
      done: 0,
      failed: 0,
      missing: 0,
      canceled: 0,
      progress: 0,
      ...(master ? { master } : {}),
    });
    this.#soon ??= setTimeout(() => this.#followRunning(), SOON_MS);
    this.changed();
  }

  #put(job) {
    this.jobs.set(job.jid, withKnownTarget(job, this.jobs.get(job.jid))); // for searches in it
    if (this.jobs.size > KEPT) {
      const oldest = [...this.jobs.keys()].sort().slice(0, this.jobs.size - KEPT);
      for (const jid of oldest) this.jobs.delete(jid);
    }
  }

  #followRunning() {
    clearTimeout(this.#soon);
    this.#soon = null;
    for (const job of newestFirst(this.jobs)) {
      if (this.#follows.size >= FOLLOWED) return;
      if (job.state === "running" && !this.#follows.has(job.jid)) this.#followJob(job.jid);
    }
  }

  #followJob(jid) {
    const fields = { subscription: "job", jid, without_return: true, short_targets: true };
    const follow = this.connection.follow(fields, (frame) => {
      if (frame.type === "ended") {
        this.#follows.delete(jid);
        if (frame.error.code === "not_found") this.jobs.delete(jid); // it was announced, but the server does not have it
        this.changed();
      }
      if (frame.type !== "job") return;
      this.#put(frame.job);
      this.#updateFleet(frame);
      if (frame.job.state !== "running") this.#unfollow(jid, follow);
      this.changed();
    });
    this.#follows.set(jid, follow);
  }

  #unfollow(jid, follow) {
    this.#follows.delete(jid);
    // Late returns still change an ended job; its page follows it by itself.
    follow.stop();
    this.#followRunning();
  }

  #updateFleet({ job, minions }) {
    for (const [id, part] of Object.entries(minions)) {
      if (part.state !== "pending") this.fleet.noteJob(id, { jid: job.jid, fun: job.fun, state: part.state });
    }
  }

  /** Read each minion's last job from the newest jobs. */
  #readLastJobs(jobs) {
    let parts = 0;
    const isSmall = (job) => job.kind === "job" && job.state !== "running" && !isHelper(job) && (parts += job.total) <= MAX_PARTS;
    const jid = jobs.filter(isSmall).slice(0, REMEMBERED).map((job) => job.jid);
    if (!jid.length) return;
    const follow = this.connection.follow({ subscription: "job", jid, without_return: true, short_targets: true }, (frame) => {
      if (frame.type === "job") this.#updateFleet(frame);
      else if (frame.type === "live") follow.stop();
    });
  }

  #listAgain() {
    let running = 0;
    for (const job of this.jobs.values()) running += job.state === "running" ? 1 : 0;
    if (running > this.#follows.size && this.connection.state === "open") this.load();
  }
}

function newestFirst(jobs) {
  return [...jobs.values()].sort((a, b) => (a.jid < b.jid ? 1 : -1));
}
