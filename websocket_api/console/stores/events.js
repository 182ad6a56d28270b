// The newest events, and how many there were each second.

import { Store } from "../lib/store.js";
import { Rates } from "./rates.js";

const KEPT = 5000; // events that can be scrolled through
const SLACK = 1000; // thrown away together: cutting an array at each event would cost more than the event
const BELIEVED = 600000; // milliseconds: what is kept to be replayed is of the last minutes
const BEFORE = 500; // positions before now at which a new filter begins, so that the view is not empty

export class EventsStore extends Store {
  rates = new Rates();
  /** What is wanted: {tag, match_type}. */
  filter = { tag: "", match_type: "startswith" };
  /** What stands in the fields of the filter, which may not have been sent yet. */
  typed = { ...this.filter };
  fault = null;
  /** Events since the filter was set. */
  total = 0;
  /** Events that the server could not give, by its own count. */
  lost = 0;
  /** While paused: the rows as they were, and how many came since. */
  paused = null;

  #rows = [];
  #follow = null;
  #known = null;
  #guessed = false; // whether the position from which it began was a guess
  #begun = false;

  constructor(connection) {
    super();
    this.connection = connection;
  }

  /** Begin, or go on where it was left: what came meanwhile is sent first. */
  start() {
    if (this.#follow) return;
    const { connection, filter } = this;
    const begin = { epoch: connection.epoch, seq: Math.max(0, connection.seq - BEFORE) };
    const since = this.#known ?? (connection.epoch ? begin : null);
    const fields = { subscription: "event", bundle: true, overflow: "drop" };
    if (filter.tag) Object.assign(fields, { tag: filter.tag, match_type: filter.match_type });
    this.#follow = connection.follow({ ...fields, ...(since ? { since } : {}) }, (frame) => this.take(frame));
    [this.#guessed, this.#begun] = [!this.#known, false];
  }

  stop() {
    if (!this.#follow) return;
    this.#known = this.#follow.since;
    this.#follow.stop();
    this.#follow = null;
  }

  want(filter) {
    this.stop();
    Object.assign(this, { filter, fault: null, total: 0, lost: 0, paused: null });
    [this.#rows, this.#known] = [[], null];
    this.start();
    this.changed();
  }

  clear() {
    this.#rows = [];
    this.paused = this.paused && { rows: [], came: 0, lost: 0 };
    this.changed();
  }

  take(frame) {
    if (frame.type === "events") for (const event of frame.events) this.#add(event);
    else if (frame.type === "event") this.#add(frame);
    else if (frame.type === "gap") this.#gap(frame);
    else if (frame.type === "begin") this.#begin();
    else if (frame.type === "ended") this.fault = frame.error;
    else return;
    if (this.#rows.length > KEPT + SLACK) this.#rows.splice(0, this.#rows.length - KEPT);
    this.changed();
  }

  #begin() {
    if (this.#begun) this.#guessed = false; // after a lost connection it goes on from what it has
    this.#begun = true;
  }

  #add({ seq, tag, data, minion }) {
    const now = Date.now();
    // What is replayed did not happen now.
    const told = (data && typeof data === "object" && Date.parse(stamp(data._stamp))) || now;
    const time = Math.abs(now - told) > BELIEVED ? now : told; // a minion may write any time into its events
    this.#rows.push({ seq, tag, data, minion, time });
    this.rates.count(tag, time);
    this.total += 1;
    if (this.paused) this.paused.came += 1;
  }

  #gap(frame) {
    // Before a new filter's beginning nothing is missing: it was only a guess at where to begin.
    if (this.#guessed && frame.reason === "history") return;
    const count = frame.count ?? 0;
    this.lost += count;
    if (this.paused) this.paused.lost += count;
    this.#rows.push({ seq: null, gap: frame, tag: "", data: null, time: Date.now() });
  }

  pause() {
    this.paused = { rows: this.#rows.slice(-KEPT), came: 0, lost: 0 };
    this.changed();
  }

  /** Go on; returns how many came while it was paused, and how many of them cannot be shown any more. */
  resume() {
    const { came, lost } = this.paused;
    this.paused = null;
    this.changed();
    return { came, gone: lost + Math.max(0, came - this.#rows.length) };
  }

  /** What is to be seen, newest last. */
  get rows() {
    return this.paused ? this.paused.rows : this.#rows;
  }
}

function stamp(text) {
  // Salt's stamps are UTC; some of its versions do not say so.
  return typeof text === "string" ? (/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`) : "";
}
