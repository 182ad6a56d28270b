// @ts-check
// A subscription that outlives its connection: it is made again on each new one, events from where they were.

/** Errors that say no more than that somebody has to log in again. */
export const LOGIN_ENDED = new Set(["unauthenticated", "token_expired"]);

/** One thing that is followed; made by `Follows.add`. */
export class Follow {
  /** The number that the present connection's server gave it; null while it has none. */
  number = null;
  /** The position of the last event that came, to resume from. */
  since = null;

  constructor(follows, fields, take) {
    this.follows = follows;
    this.fields = fields;
    this.take = take;
    this.since = fields.since ?? null;
  }

  /** What to send to have it (again). */
  get message() {
    const { since, ...fields } = this.fields;
    return this.fields.subscription === "event" && this.since ? { ...fields, since: this.since } : fields;
  }

  /** The server's answer came: what follows carries this number. */
  began({ subscription, epoch, seq, recovered }) {
    this.number = subscription;
    // With a position of its own what was missed is sent first, and moves it on; without one it begins here.
    if (this.since?.epoch !== epoch) this.since = { epoch, seq };
    this.take({ type: "begin", epoch, seq, recovered });
  }

  /** A frame came, of so many characters. */
  frame(frame, size) {
    if (frame.type === "event" || frame.type === "bookmark") this.#at(frame.seq);
    else if (frame.type === "events") this.#at(frame.events[frame.events.length - 1].seq);
    this.take(frame, size);
  }

  #at(seq) {
    this.since = { epoch: this.since.epoch, seq };
  }

  /** Follow it no more. */
  stop() {
    this.follows.remove(this);
  }
}

const AGAIN = 2000; // milliseconds until what the server could not give just now is asked for again

/** All that is followed on a connection, for as long as the page lives: each wire begins it anew. */
export class Follows {
  epoch = null;
  /** The newest position that the server told of: an event view begins some way before it. */
  seq = 0;

  #all = new Set();
  #wire = null; // what it is followed on; null while there is no connection

  constructor(connection) {
    this.connection = connection;
  }

  get size() {
    return this.#all.size;
  }

  /**
   * Follow events, jobs, minions or batches; `take` gets all frames with their characters, and `{type: "begin"}` before
   * each beginning.
   */
  add(fields, take) {
    const follow = new Follow(this, fields, take);
    this.#all.add(follow);
    if (this.#wire) this.#subscribe(follow);
    return follow;
  }

  remove(follow) {
    this.#all.delete(follow);
    if (follow.number !== null && this.#wire) this.#unsubscribe(follow.number);
    follow.number = null;
  }

  /** Follow nothing of it any more, whoever follows it: it is not for who logs in now. */
  clear() {
    this.#all.clear();
  }

  /** There is a connection, and a user on it. */
  begin(wire) {
    this.#wire = wire;
    for (const follow of this.#all) this.#subscribe(follow);
  }

  /** There is none any more. */
  lost() {
    this.#wire = null;
    for (const follow of this.#all) follow.number = null;
  }

  /** A frame came, of so many characters. */
  frame(frame, size) {
    const seq = frame.seq ?? frame.events?.at(-1).seq ?? 0;
    if (seq > this.seq) this.seq = seq;
    // A connection follows a dozen things: looking through them is nothing beside reading the frame.
    for (const follow of this.#all) {
      if (follow.number !== frame.subscription) continue;
      if (frame.type === "ended") this.#ended(follow, frame.error);
      else follow.frame(frame, size);
      return;
    }
  }

  async #subscribe(follow) {
    const wire = this.#wire;
    try {
      this.#began(follow, await wire.ask({ type: "subscribe", ...follow.message }));
    } catch (fault) {
      if (fault.code === "connection_lost" || !this.#all.has(follow)) return;
      if (fault.retryable) setTimeout(() => wire === this.#wire && this.#all.has(follow) && this.#subscribe(follow), AGAIN);
      else this.#ended(follow, fault);
    }
  }

  #began(follow, answer) {
    if (answer.epoch !== this.epoch) this.seq = 0;
    [this.epoch, this.seq] = [answer.epoch, Math.max(answer.seq, this.seq)];
    if (!this.#all.has(follow)) {
      this.#unsubscribe(answer.subscription);
      return;
    }
    if (answer.recovered !== null && this.connection.reconnects) {
      this.connection.note(answer.recovered ? "resumed: nothing is missing" : "resumed, but some events are gone");
    }
    follow.began(answer);
    this.connection.changed();
  }

  #ended(follow, error) {
    follow.number = null;
    // What ended with the login comes back with the next one.
    if (!LOGIN_ENDED.has(error.code)) this.#all.delete(follow);
    follow.take({ type: "ended", error });
  }

  #unsubscribe(number) {
    this.#wire.ask({ type: "unsubscribe", subscription: number }).catch(() => {}); // lost with the connection
  }
}
