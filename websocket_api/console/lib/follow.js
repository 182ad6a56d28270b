// A subscription that outlives its connection: it is made again on each new one, events from where they were.

/** One thing that is followed; made by `Connection.follow`. */
export class Follow {
  /** The number that the present connection's server gave it; null while it has none. */
  number = null;
  /** The position of the last event that came, to resume from. */
  since = null;

  constructor(connection, fields, take) {
    this.connection = connection;
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

  /** A frame came. */
  frame(frame) {
    if (frame.type === "event" || frame.type === "bookmark") this.#at(frame.seq);
    else if (frame.type === "events") this.#at(frame.events[frame.events.length - 1].seq);
    this.take(frame);
  }

  #at(seq) {
    this.since = { epoch: this.since.epoch, seq };
  }

  /** Follow it no more. */
  stop() {
    this.connection.unfollow(this);
  }
}
