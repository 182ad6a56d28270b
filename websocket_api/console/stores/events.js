// @ts-check
// The newest events, and how many there were each second.

import { Store } from "../lib/store.js";
import { Rates } from "./rates.js";

const KEPT = 5000; // events that can be scrolled through
const KEPT_CHARACTERS = 32 * 1024 * 1024; // of their JSON: a single event may have a megabyte
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
  #characters = 0;
  #next = 1; // number of the next row: an engine that was started anew counts its events from 1 again
  #follow = null;
  #known = null;
  #guessed = false; // whether the position from which it began was a guess
  #begun = false;
  #until = 0; // the position up to which events are replayed
  #told = null; // the time of the last replayed event that told its own

  constructor(connection) {
    super();
    this.connection = connection;
  }

  /** Begin, or go on where it was left: what came meanwhile is sent first. */
  start() {
    if (this.#follow) return;
    const { connection, filter } = this;
    const { epoch, seq } = connection.follows;
    const begin = { epoch, seq: Math.max(0, seq - BEFORE) };
    const since = this.#known ?? (epoch ? begin : null);
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
    Object.assign(this, { filter, fault: null, total: 0, lost: 0, paused: null, rates: new Rates() });
    this.#empty();
    this.#known = null;
    this.start();
    this.changed();
  }

  clear() {
    this.#empty();
    this.paused = this.paused && { rows: [], came: 0, lost: 0 };
    this.changed();
  }

  take(frame, size = 0) {
    if (frame.type === "events") for (const event of frame.events) this.#add(event, size / frame.events.length);
    else if (frame.type === "event") this.#add(frame, size);
    else if (frame.type === "gap") this.#gap(frame);
    else if (frame.type === "begin") this.#begin(frame.seq);
    else if (frame.type === "ended") this.fault = frame.error;
    else return;
    this.#forget();
    this.changed();
  }

  #begin(seq) {
    if (this.#begun) this.#guessed = false; // after a lost connection it goes on from what it has
    [this.#begun, this.#until, this.#told] = [true, seq, null];
  }

  #empty() {
    [this.#rows, this.#characters] = [[], 0];
  }

  /** Throw the oldest away, when there are too many of them or they are too large. */
  #forget() {
    let gone = Math.max(0, this.#rows.length > KEPT + SLACK ? this.#rows.length - KEPT : 0);
    let left = this.#characters;
    for (let row = 0; row < gone; row++) left -= this.#rows[row].size;
    while (left > KEPT_CHARACTERS && gone < this.#rows.length - 1) left -= this.#rows[gone++].size;
    if (gone) this.#rows.splice(0, gone);
    this.#characters = left;
  }

  #add({ seq, tag, data, minion }, size) {
    const time = this.#timeOf(seq, data);
    this.#rows.push({ key: this.#next++, seq, tag, data, minion, time, size });
    this.#characters += size;
    this.rates.count(tag, time ?? this.#told ?? Date.now());
    this.total += 1;
    if (this.paused) this.paused.came += 1;
  }

  /** When it happened: null where that is not known. */
  #timeOf(seq, data) {
    const now = Date.now();
    const told = Date.parse(stamp(data?._stamp));
    const isTold = Math.abs(now - told) <= BELIEVED; // a minion may write any time into its events
    if (seq > this.#until) return isTold ? told : now;
    // What is replayed did not happen now, and not everything tells when it did.
    if (isTold) this.#told = told;
    return isTold ? told : null;
  }

  #gap(frame) {
    // Before a new filter's beginning nothing is missing: it was only a guess at where to begin.
    if (this.#guessed && frame.reason === "history") return;
    const count = frame.count ?? 0;
    this.lost += count;
    if (this.paused) this.paused.lost += count;
    this.#rows.push({ key: this.#next++, seq: null, gap: frame, tag: "", data: null, time: Date.now(), size: 0 });
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
