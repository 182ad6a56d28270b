// @ts-check
// What the overview shows in addition to the fleet: failures, running jobs, last highstates, the event rate, the health.

import { Store } from "../client/store.js";
import { isHelper, isHighstate, jidAt, listJobs, outcomeOf, singleOutcome } from "../lib/jobs.js";

const DAY_MS = 86400000;
const READ_EVERY_MS = 15000; // lists of jobs, and the health
const PING_EVERY_MS = 2000; // for the event rate
const RATES = 60; // of the last two minutes
const MAX_LISTED = 1000; // jobs of each kind
const HIGHSTATES = 64; // newest jobs whose minions are read; a subscription accepts as many
const MAX_PARTS = 20000; // minions of these jobs together

export class OverviewStore extends Store {
  /** Events per second, newest last. */
  rates = [];
  /** What /healthz says: {status, parts}; null while it is unknown. */
  health = null;
  /** id of a minion -> {jid, outcome} of its last highstate. */
  highstates = new Map();
  loaded = false;
  fault = null;

  #connection;
  #jobs;
  #listed = new Map(); // jid -> job that failed in the last day, or runs
  #read = ""; // the highstates whose minions were read
  #follow = null;
  #last = null; // the ping before: {epoch, seq, time}
  #timers = [];

  /** @param {any} jobs the store of the newest jobs, which is live */
  constructor(connection, jobs) {
    super();
    this.#connection = connection;
    this.#jobs = jobs;
  }

  start() {
    this.load();
    this.#ping();
    this.#timers = [setInterval(() => this.load(), READ_EVERY_MS), setInterval(() => this.#ping(), PING_EVERY_MS)];
  }

  stop() {
    for (const timer of this.#timers) clearInterval(timer);
    this.#follow?.stop();
    [this.#follow, this.#last, this.#read] = [null, null, ""];
  }

  async load() {
    if (this.#connection.state !== "open") return;
    const since = jidAt(Date.now() - DAY_MS);
    const send = (type, fields) => this.#connection.request(type, fields);
    const list = async (fields) => (await listJobs(send, { limit: MAX_LISTED, ...fields })).jobs;
    try {
      const [failed, partial, running, applied, highstates] = await Promise.all([
        list({ state: "failed", since }),
        list({ state: "partial", since }),
        list({ state: "running" }),
        list({ fun: "state.apply" }),
        list({ fun: "state.highstate" }),
        this.#readHealth(),
      ]);
      this.#listed = new Map([...failed, ...partial, ...running].map((job) => [job.jid, job]));
      this.#readHighstates([...applied, ...highstates].filter(isHighstate));
      [this.loaded, this.fault] = [true, null];
    } catch (fault) {
      if (fault.code !== "connection_lost") this.fault = fault; // a lost connection has its own notice
    }
    this.changed();
  }

  /** Jobs of the last day in which a minion failed or did not return, newest first. */
  get failures() {
    const since = jidAt(Date.now() - DAY_MS);
    return this.#newest(({ jid, state }) => jid >= since && (state === "failed" || state === "partial"));
  }

  /** Jobs that run now, newest first. */
  get running() {
    return this.#newest(({ state }) => state === "running");
  }

  #newest(matches) {
    const all = new Map([...this.#listed, ...this.#jobs.jobs]); // the live ones last: they are newer
    const found = [...all.values()].filter((job) => matches(job) && !isHelper(job));
    return found.sort((a, b) => (a.jid < b.jid ? 1 : -1));
  }

  async #readHealth() {
    try {
      const answer = await fetch(new URL("../healthz", location.href.split("#")[0]), { headers: { Accept: "application/json" } });
      this.health = await answer.json();
    } catch {
      this.health = null;
    }
  }

  /** Read the minions of the newest highstates, if there are new ones or some run. */
  #readHighstates(jobs) {
    jobs.sort((a, b) => (a.jid < b.jid ? 1 : -1));
    const found = new Map();
    const several = [];
    for (const job of jobs) {
      const single = singleOutcome(job);
      if (single) noteOne(found, single[0], { jid: job.jid, outcome: single[1] });
      else several.push(job);
    }
    let parts = 0;
    const newest = several.filter((job) => (parts += job.total) <= MAX_PARTS).slice(0, HIGHSTATES);
    const read = `${jobs[0]?.jid} ${newest.map((job) => `${job.jid} ${job.state} ${job.done}`)}`;
    if (read === this.#read) return;
    this.#read = read;
    this.#follow?.stop();
    if (!newest.length) this.highstates = found;
    if (!newest.length) return;
    this.#follow = this.#connection.follow({ subscription: "job", jid: newest.map((job) => job.jid), without_return: true, short_targets: true }, (frame) => {
      if (frame.type === "job") note(found, frame);
      else if (frame.type === "live" || frame.type === "ended") {
        this.highstates = found;
        this.#follow.stop();
        this.changed();
      }
    });
  }

  async #ping() {
    if (this.#connection.state !== "open") return;
    try {
      const { epoch, seq } = await this.#connection.request("ping");
      const now = { epoch, seq, time: performance.now() };
      const before = this.#last;
      this.#last = now;
      if (before?.epoch !== epoch) return;
      this.rates = [...this.rates.slice(1 - RATES), (1000 * (seq - before.seq)) / (now.time - before.time)];
      this.changed();
    } catch {
      this.#last = null; // the connection is lost, which the page shows
    }
  }
}

function note(found, { job, minions }) {
  for (const [id, part] of Object.entries(minions)) noteOne(found, id, { jid: job.jid, outcome: outcomeOf(part) });
}

function noteOne(found, id, highstate) {
  const known = found.get(id);
  if (!known || known.jid <= highstate.jid) found.set(id, highstate);
}
