// @ts-check
// Subscriptions that outlive a connection: each new connection subscribes again, and events resume at their position.

/** Error codes that only mean that a new login is needed. */
export const LOGIN_ENDED = new Set(["unauthenticated", "token_expired"]);

const RETRY_MS = 2000; // before a subscription that the server refused for now is requested again

/** One subscription; made by `Follows.add`. */
export class Follow {
  /** The subscription's number on the present connection; null without one. */
  number = null;
  /** The position of the last event, to resume from. */
  since = null;
  /** The position at each master, where several masters share the stream; null without one. */
  masters = null;
  /** The position in the changes of jobs, minions or batches; null before the first snapshot is complete. */
  position = null;
  /** The id of the present server's master there. */
  #own = null;

  /**
   * @param {Follows} follows
   * @param {any} fields those of the message `subscribe`
   * @param {(frame: any, size?: number) => void} onFrame
   */
  constructor(follows, fields, onFrame) {
    this.follows = follows;
    this.fields = fields;
    this.onFrame = onFrame;
    this.since = fields.since ?? null;
  }

  /** The fields to subscribe with, now or after a lost connection. */
  get message() {
    const { since, ...fields } = this.fields;
    if (this.position) return { ...fields, since: this.position };
    const from = this.masters ?? this.since;
    return this.fields.subscription === "event" && from ? { ...fields, since: from } : fields;
  }

  /** Apply the server's answer: later frames carry this number. */
  subscribed({ subscription, epoch, seq, recovered, since: newest }) {
    this.number = subscription;
    const begins = this.since === null; // without a position, it has those of the answer
    this.#own = newest ? (Object.keys(newest).find((name) => newest[name].epoch === epoch) ?? null) : null;
    // The stream of a master that was not named starts now.
    this.masters = newest && (begins || this.masters) ? { ...newest, ...this.masters } : null;
    // With a position, the missed events arrive first and move it on; without one, the subscription begins here.
    if (this.since?.epoch !== epoch) this.since = { epoch, seq };
    this.onFrame({ type: "begin", epoch, seq, recovered });
  }

  /** Apply a frame of this length in characters. */
  apply(frame, size) {
    this.position = frame.position ?? this.position;
    if (frame.type === "event") this.#passed([frame]);
    else if (frame.type === "events") this.#passed(frame.events);
    else if (frame.type === "bookmark") {
      this.#moveTo(frame.seq);
      this.masters = frame.since ?? null;
    } else if (frame.type === "gap") this.#missed(frame);
    this.onFrame(frame, size);
  }

  #passed(events) {
    this.#moveTo(events[events.length - 1].seq);
    if (this.masters === null) return;
    for (const { master, origin, seq } of events) {
      const place = origin ?? { epoch: this.since.epoch, seq };
      if (master !== undefined && !this.#isPassed(master, place.epoch)) this.masters[master] = place;
    }
  }

  // Whether something is from before a restart of this server that the position has passed.
  #isPassed(master, epoch) {
    const present = this.since.epoch;
    return master === this.#own && epoch !== present && this.masters[master]?.epoch === present;
  }

  #missed({ to, masters }) {
    if (to > this.since.seq) this.#moveTo(to); // it is reported once
    if (this.masters === null) return;
    if (masters === undefined && this.#own !== null && to !== null) this.masters[this.#own] = { ...this.since };
    for (const [name, { epoch, seq }] of Object.entries(masters ?? {})) {
      if (this.#isPassed(name, epoch ?? this.since.epoch)) continue;
      delete this.masters[name];
      if (epoch !== undefined) this.masters[name] = { epoch, seq };
    }
  }

  #moveTo(seq) {
    this.since = { epoch: this.since.epoch, seq };
  }

  /** End the subscription. */
  stop() {
    this.follows.remove(this);
  }
}

/** All subscriptions of a `Connection`; each new wire subscribes them again. */
export class Follows {
  epoch = null;
  /** The newest position that the server sent; an event view begins some way before it. */
  seq = 0;

  #all = new Set();
  #wire = null; // null while there is no connection

  constructor(connection) {
    this.connection = connection;
  }

  get size() {
    return this.#all.size;
  }

  /**
   * Subscribe to events, jobs, minions or batches.
   *
   * @param {any} fields those of the message `subscribe`
   * @param {(frame: any, size?: number) => void} onFrame called with each frame and its length in characters, with
   *     `{type: "begin"}` each time the subscription begins, and with `{type: "ended", error}` when it is over
   */
  add(fields, onFrame) {
    const follow = new Follow(this, fields, onFrame);
    this.#all.add(follow);
    if (this.#wire) this.#subscribe(follow);
    return follow;
  }

  remove(follow) {
    this.#all.delete(follow);
    if (follow.number !== null && this.#wire) this.#unsubscribe(follow.number);
    follow.number = null;
  }

  /** Drop all subscriptions: another user logs in. */
  clear() {
    this.#all.clear();
  }

  /** Subscribe all on a new connection. */
  begin(wire) {
    this.#wire = wire;
    for (const follow of this.#all) this.#subscribe(follow);
  }

  /** The connection is lost. */
  lost() {
    this.#wire = null;
    for (const follow of this.#all) follow.number = null;
  }

  /** Pass a frame to its subscription. */
  apply(frame, size) {
    const seq = frame.seq ?? frame.events?.at(-1).seq ?? 0;
    if (seq > this.seq) this.seq = seq;
    // There are about a dozen: this search costs little compared with parsing the frame.
    for (const follow of this.#all) {
      if (follow.number !== frame.subscription) continue;
      if (frame.type === "ended") this.#end(follow, frame.error);
      else follow.apply(frame, size);
      return;
    }
  }

  async #subscribe(follow) {
    const wire = this.#wire;
    try {
      await wire.request({ type: "subscribe", ...follow.message }, (answer) => this.#subscribed(follow, answer));
    } catch (fault) {
      if (fault.code === "connection_lost" || !this.#all.has(follow)) return;
      if (fault.code === "bad_message" && follow.position) {
        follow.position = null; // an older engine, which cannot resume
        this.#subscribe(follow);
      } else if (fault.retryable) setTimeout(() => wire === this.#wire && this.#all.has(follow) && this.#subscribe(follow), RETRY_MS);
      else this.#end(follow, fault);
    }
  }

  #subscribed(follow, answer) {
    if (answer.epoch !== this.epoch) this.seq = 0;
    [this.epoch, this.seq] = [answer.epoch, Math.max(answer.seq, this.seq)];
    if (!this.#all.has(follow)) {
      this.#unsubscribe(answer.subscription);
      return;
    }
    if (answer.recovered !== null && follow.fields.subscription === "event" && this.connection.reconnects) {
      this.connection.note(answer.recovered ? "resumed: no event is missing" : "resumed: some events are missing");
    }
    follow.subscribed(answer);
    this.connection.changed();
  }

  #end(follow, error) {
    follow.number = null;
    // What ended with the login begins again with the next login.
    if (!LOGIN_ENDED.has(error.code)) this.#all.delete(follow);
    follow.onFrame({ type: "ended", error });
  }

  #unsubscribe(number) {
    this.#wire.request({ type: "unsubscribe", subscription: number }).catch(() => {}); // lost with the connection
  }
}
