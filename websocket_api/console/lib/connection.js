// @ts-check
// The native websocket (docs/protocol.md): requests with an id, subscriptions, and coming back by itself.

import { Follows, LOGIN_ENDED } from "./follow.js";
import { Store } from "./store.js";
import { Wire, lost } from "./wire.js";

const FIRST_WAIT = 500; // milliseconds before the first new attempt; doubled each time, with chance in it
const LONGEST_WAIT = 8000;
const PING_EVERY = 15000; // a browser does not tell of the server's own pings, nor that they have stopped
const PING_PATIENCE = 10000;
const NEVER_AGAIN = new Set([4400, 4403, 4406, 1009]); // closings after which the same would happen again
const KEPT_NOTES = 100;

/** One connection to the server, for as long as the page lives. `state`: out, connecting, open, waiting, refused. */
export class Connection extends Store {
  state = "out";
  /** Why it is not open, for people. */
  reason = "";
  /** Milliseconds that the last ping took. */
  latency = null;
  reconnects = 0;
  /** What happened to the connection, newest last: {time, text}. */
  notes = [];
  follows = new Follows(this);

  #wire = null;
  #credentials = null;
  #tries = 0;
  #timer = null;
  #pinging = null;
  #first = true;
  #entered = null;

  constructor(url) {
    super();
    this.url = url;
    setInterval(() => this.ping(), PING_EVERY);
    addEventListener("online", () => this.state === "waiting" && this.retry());
  }

  /**
   * Log in with `{username, password, eauth}` or `{token}`; resolves with what is known of the token.
   *
   * @param {object} credentials
   * @param {(token: object) => void} entered called with that before anything is followed again
   */
  logIn(credentials, entered = (_token) => {}) {
    this.#drop();
    [this.#first, this.#entered] = [true, entered];
    return new Promise((resolve, reject) => this.#open(credentials, resolve, reject));
  }

  /** Close, and stay closed until the next login. */
  logOut(reason = "") {
    this.#drop();
    this.#credentials = null;
    this.#become("out", reason);
  }

  /** Try again now instead of later. */
  retry() {
    if (this.state === "waiting" || this.state === "refused") this.#open(this.#credentials);
  }

  /** Send a request; resolves with its result or rejects with a Fault. */
  request(type, fields = {}) {
    if (this.state !== "open") return Promise.reject(lost());
    return this.#wire.ask({ ...fields, type });
  }

  /** As `request`, for what only reads: if the connection is lost it is asked again when it is back. */
  async read(type, fields = {}) {
    for (;;) {
      try {
        return await this.request(type, fields);
      } catch (fault) {
        if (fault.code !== "connection_lost" || this.state === "refused") throw fault;
        await this.#untilOpen();
      }
    }
  }

  /** Follow something: see Follows.add. */
  follow(fields, take) {
    return this.follows.add(fields, take);
  }

  async ping() {
    if (this.state !== "open" || this.#pinging) return;
    const [began, wire] = [performance.now(), this.#wire];
    this.#pinging = setTimeout(() => wire === this.#wire && this.#lost(1006, "no answer"), PING_PATIENCE);
    try {
      await this.#wire.ask({ type: "ping" });
      this.latency = performance.now() - began;
      this.changed();
    } catch {
      // The connection is lost, which is told elsewhere.
    } finally {
      clearTimeout(this.#pinging);
      this.#pinging = null;
    }
  }

  note(text) {
    this.notes = [...this.notes.slice(1 - KEPT_NOTES), { time: Date.now(), text }];
  }

  #open(credentials, resolve = (_token) => {}, reject = (_fault) => {}) {
    clearTimeout(this.#timer);
    this.#become("connecting", this.reason);
    const wire = (this.#wire = new Wire(this.url, {
      opened: () => this.#authenticate(wire, credentials, resolve, reject),
      frame: (frame, size) => this.follows.frame(frame, size),
      closed: (code, reason) => {
        reject(lost());
        this.#lost(code, reason);
      },
    }));
  }

  async #authenticate(wire, credentials, resolve, reject) {
    try {
      const token = await wire.ask({ type: "auth", ...credentials });
      this.#loggedIn(token);
      resolve(token);
    } catch (fault) {
      reject(fault);
      this.#notLoggedIn(fault, wire);
    }
  }

  #loggedIn(token) {
    this.#credentials = { token: token.token };
    this.#tries = 0;
    this.note(this.#first ? `logged in as ${token.user}` : "connected again");
    if (!this.#first) this.reconnects += 1;
    if (this.#first) this.#entered(token);
    this.#first = false;
    this.#become("open", "");
    this.follows.begin(this.#wire);
    this.ping();
  }

  #notLoggedIn(fault, wire) {
    if (wire !== this.#wire || fault.code === "connection_lost") return;
    if (this.#credentials && !LOGIN_ENDED.has(fault.code) && fault.code !== "forbidden") {
      this.#lost(1011, fault.message); // the master does not answer: the token may still be good
    } else {
      this.logOut(this.#credentials ? `Your login has ended: ${fault.message}` : "");
    }
  }

  #lost(code, reason) {
    this.#drop();
    if (code === 4401 || (!this.#credentials && this.state !== "connecting")) {
      this.note("the login has ended");
      this.logOut("Your login has ended.");
    } else if (!this.#credentials) {
      this.#become("out", "");
    } else if (NEVER_AGAIN.has(code)) {
      this.note(`refused (${code} ${reason})`);
      this.#become("refused", reason || `The server closed the connection with code ${code}.`);
    } else {
      this.#wait(code, reason);
    }
  }

  #wait(code, reason) {
    const asked = code === 1012 ? 1000 * Number.parseFloat(/[\d.]+/.exec(reason)?.[0] ?? "0") : 0;
    const step = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#tries++);
    const wait = Math.max(Math.min(asked, LONGEST_WAIT), step * (0.5 + Math.random() / 2));
    if (this.state === "open") this.note(`connection lost (${code}${reason ? ` ${reason}` : ""})`);
    this.#become("waiting", reason);
    this.#timer = setTimeout(() => this.retry(), wait);
  }

  #drop() {
    clearTimeout(this.#timer);
    this.follows.lost();
    this.#wire?.drop();
    this.#wire = null;
  }

  #become(state, reason) {
    this.state = state;
    this.reason = reason;
    this.changed();
  }

  #untilOpen() {
    return /** @type {Promise<void>} */ (new Promise((resolve) => {
      if (this.state === "open") return resolve();
      const stop = this.listen(() => {
        if (this.state === "open" || this.state === "refused") {
          stop();
          resolve();
        }
      });
    }));
  }
}
