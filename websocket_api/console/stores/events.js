// @ts-check
// The newest events, and how many there were each second.

import { Store } from "../client/store.js";
import { Rates } from "./rates.js";

const KEPT = 5000; // events that can be scrolled through
const KEPT_CHARACTERS = 32 * 1024 * 1024; // of their JSON: a single event can have a megabyte
const SLACK = 1000; // events dropped together: cutting the array at each event would cost more than the event
const MAX_SKEW_MS = 600000; // between an event's own time and now: the history holds the last minutes
const BEFORE = 500; // positions before now at which a new filter begins, so that the view is not empty

export class EventsStore extends Store {
  rates = new Rates();
  /** The filter that is subscribed: {tag, match_type, master}, and `history`: whether it begins with all that the server has. */
  filter = { tag: "", match_type: "startswith", master: "", history: false };
  /** The filters as the view shows them; some may not be subscribed yet. */
  view = null;
  fault = null;
  /** Events since the filter was set. */
  total = 0;
  /** Events that the server could not send, by its own count. */
  lost = 0;
  /** While paused: the rows at that time, and how many events arrived since. */
  paused = null;

  #rows = [];
  #characters = 0;
  #nextKey = 1; // not the event's number: a restarted engine numbers its events from 1 again
  #follow = null;
  #starting = null; // the start that waits for a position
  #since = null; // the position to resume from
  #guessed = false; // whether the subscription began at a guessed position
  #begun = false;
  #until = 0; // the position up to which events are replayed
  #lastTime = null; // of the last replayed event that has one

  constructor(connection) {
    super();
    this.connection = connection;
  }

  /** Subscribe, or resume: the events of the meantime arrive first. */
  start() {
    if (this.#follow) return;
    const { follows } = this.connection;
    if (this.#since || follows.epoch) {
      this.#subscribe(follows);
      return;
    }
    // The first view of a page may be this one: no subscription has a position yet.
    const start = (this.#starting = {});
    const isWanted = () => start === this.#starting;
    this.connection.read("ping").then(
      (now) => isWanted() && this.#subscribe(now),
      (fault) => {
        if (!isWanted()) return;
        this.fault = fault;
        this.changed();
      },
    );
  }

  #subscribe({ epoch, seq }) {
    const { connection, filter } = this;
    const since = this.#since ?? { epoch, seq: filter.history ? 0 : Math.max(0, seq - BEFORE) };
    /** @type {Record<string, any>} */
    const fields = { subscription: "event", bundle: true, overflow: "drop" };
    if (filter.tag) Object.assign(fields, { tag: filter.tag, match_type: filter.match_type });
    if (filter.master) fields.master = filter.master;
    this.#follow = connection.follow({ ...fields, since }, (frame, size) => this.apply(frame, size));
    [this.#guessed, this.#begun] = [!this.#since, false];
  }

  stop() {
    this.#starting = null;
    if (!this.#follow) return;
    this.#since = this.#follow.since;
    this.#follow.stop();
    this.#follow = null;
  }

  setFilter(filter) {
    this.stop();
    Object.assign(this, { filter, fault: null, total: 0, lost: 0, paused: null, rates: new Rates() });
    this.#empty();
    this.#since = null;
    this.start();
    this.changed();
  }

  clear() {
    this.#empty();
    this.paused = this.paused && { rows: [], arrived: 0, lost: 0 };
    this.changed();
  }

  apply(frame, size = 0) {
    if (frame.type === "events") for (const event of frame.events) this.#add(event, size / frame.events.length);
    else if (frame.type === "event") this.#add(frame, size);
    else if (frame.type === "gap") this.#addGap(frame);
    else if (frame.type === "begin") this.#begin(frame.seq);
    else if (frame.type === "ended") this.fault = frame.error;
    else return;
    this.#dropOldest();
    this.changed();
  }

  #begin(seq) {
    if (this.#begun) this.#guessed = false; // after a lost connection it resumes at a known position
    [this.#begun, this.#until, this.#lastTime] = [true, seq, null];
  }

  #empty() {
    [this.#rows, this.#characters] = [[], 0];
  }

  /** Drop the oldest events if there are too many, or they are too large. */
  #dropOldest() {
    let dropped = Math.max(0, this.#rows.length > KEPT + SLACK ? this.#rows.length - KEPT : 0);
    let left = this.#characters;
    for (let row = 0; row < dropped; row++) left -= this.#rows[row].size;
    while (left > KEPT_CHARACTERS && dropped < this.#rows.length - 1) left -= this.#rows[dropped++].size;
    if (dropped) this.#rows.splice(0, dropped);
    this.#characters = left;
  }

  #add({ seq, tag, data, minion, master }, size) {
    const time = this.#timeOf(seq, data);
    this.#rows.push({ key: this.#nextKey++, seq, tag, data, minion, master, time, size });
    this.#characters += size;
    this.rates.count(tag, time ?? this.#lastTime ?? Date.now());
    this.total += 1;
    if (this.paused) this.paused.arrived += 1;
  }

  /** Return when an event happened, or null if that is unknown. */
  #timeOf(seq, data) {
    const now = Date.now();
    const stamped = Date.parse(stamp(data?._stamp));
    const credible = Math.abs(now - stamped) <= MAX_SKEW_MS; // a minion can write any time into its events
    if (seq > this.#until) return credible ? stamped : now;
    // A replayed event did not happen now, and not every event has its time.
    if (credible) this.#lastTime = stamped;
    return credible ? stamped : null;
  }

  #addGap(frame) {
    // A new filter begins at a guessed position: nothing is missing before it.
    if (this.#guessed && frame.reason === "history") return;
    const count = frame.count ?? 0;
    this.lost += count;
    if (this.paused) this.paused.lost += count;
    this.#rows.push({ key: this.#nextKey++, seq: null, gap: frame, tag: "", data: null, time: Date.now(), size: 0 });
  }

  pause() {
    this.paused = { rows: this.#rows.slice(-KEPT), arrived: 0, lost: 0 };
    this.changed();
  }

  /** Resume; return how many events arrived while paused, and how many of them are no longer kept. */
  resume() {
    const { arrived, lost } = this.paused;
    this.paused = null;
    this.changed();
    return { arrived, dropped: lost + Math.max(0, arrived - this.#rows.length) };
  }

  /** The rows to show, newest last. */
  get rows() {
    return this.paused ? this.paused.rows : this.#rows;
  }
}

function stamp(text) {
  // Salt's stamps are in UTC; some of its versions write no zone.
  return typeof text === "string" ? (/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`) : "";
}
