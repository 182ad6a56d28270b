// @ts-check
// A connection that logs in, reconnects by itself and subscribes again (docs/protocol.md).

import { Follows, LOGIN_ENDED } from "./follow.js";
import { Store } from "./store.js";
import { Wire, lost } from "./wire.js";

const FIRST_WAIT_MS = 500; // before the first attempt to reconnect; doubled each time, with jitter
const LONGEST_WAIT_MS = 8000;
const PING_EVERY_MS = 15000; // browsers do not show the server's own pings, nor that they stopped
const PING_TIMEOUT_MS = 10000;
const OPEN_TIMEOUT_MS = 30000; // to connect and log in; a server that stops meanwhile may never answer
const FINAL = new Set([4400, 4403, 4406, 1009]); // close codes after which a new attempt would end the same way
const KEPT_NOTES = 100;

/** One connection to an engine. `state`: out, connecting, open, waiting, refused. */
export class Connection extends Store {
  state = "out";
  /** Why it is not open, for people. */
  reason = "";
  /** @type {number | null} milliseconds that the last ping took */
  latency = null;
  reconnects = 0;
  /** What happened to the connection, newest last: {time, text}. */
  notes = [];
  follows = new Follows(this);

  #wire = null;
  #credentials = null;
  #tries = 0;
  #timer = null;
  #pingTimer = null;
  #pinging = null;
  #first = true;
  #onLogin = null;
  #WebSocket;

  /**
   * @param {string} url such as `wss://master:8000/ws`
   * @param {{WebSocket?: any}} [options] `WebSocket`: the class to use, for runtimes without a global one
   */
  constructor(url, { WebSocket = globalThis.WebSocket } = {}) {
    super();
    this.url = url;
    this.#WebSocket = WebSocket;
    globalThis.addEventListener?.("online", () => this.state === "waiting" && this.retry());
  }

  /**
   * Log in.
   *
   * @param {{username: string, password: string, eauth?: string} | {token: string}} credentials
   * @param {(token: any) => void} [onLogin] called with the result of `auth` before anything is subscribed again
   * @returns {Promise<any>} the result of `auth`; rejects with a Fault
   */
  logIn(credentials, onLogin = (_token) => {}) {
    this.#drop();
    [this.#credentials, this.#first, this.#onLogin] = [null, true, onLogin];
    return new Promise((resolve, reject) => this.#open(credentials, resolve, reject));
  }

  /** Close, and stay closed until the next login. */
  logOut(reason = "") {
    this.#drop();
    this.#credentials = null;
    this.#setState("out", reason);
  }

  /** Try to reconnect now instead of later. */
  retry() {
    if (this.state === "waiting" || this.state === "refused") this.#open(this.#credentials);
  }

  /**
   * Send a request, once.
   *
   * @param {string} type
   * @param {object} [fields]
   * @returns {Promise<any>} the result; rejects with a Fault, `connection_lost` if the outcome is unknown
   */
  request(type, fields = {}) {
    if (this.state !== "open") return Promise.reject(lost());
    return this.#wire.request({ ...fields, type });
  }

  /**
   * Send a request that only reads. If the connection is lost, it is sent again on the next one.
   *
   * @param {string} type
   * @param {object} [fields]
   * @returns {Promise<any>}
   */
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

  /**
   * Subscribe, now and after each reconnection: see `Follows.add`.
   *
   * @param {any} fields
   * @param {(frame: any, size?: number) => void} onFrame
   */
  follow(fields, onFrame) {
    return this.follows.add(fields, onFrame);
  }

  /** Measure the latency; a connection that does not answer is lost. */
  async ping() {
    if (this.state !== "open" || this.#pinging) return;
    const [began, wire] = [performance.now(), this.#wire];
    this.#pinging = setTimeout(() => wire === this.#wire && this.#lost(1006, "no answer"), PING_TIMEOUT_MS);
    try {
      await wire.request({ type: "ping" });
      this.latency = performance.now() - began;
      this.changed();
    } catch {
      // The connection is lost, which #lost handles.
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
    this.#setState("connecting", this.reason);
    const handlers = {
      onOpen: () => this.#authenticate(wire, credentials, resolve, reject),
      onFrame: (frame, size) => this.follows.apply(frame, size),
      onClose: (code, reason) => {
        reject(lost());
        this.#lost(code, reason);
      },
    };
    const wire = (this.#wire = new Wire(this.url, handlers, this.#WebSocket));
    this.#timer = setTimeout(() => wire === this.#wire && handlers.onClose(1006, "no answer"), OPEN_TIMEOUT_MS);
  }

  async #authenticate(wire, credentials, resolve, reject) {
    try {
      const token = await wire.request({ type: "auth", ...credentials });
      this.#loggedIn(token);
      resolve(token);
    } catch (fault) {
      reject(fault);
      this.#loginFailed(fault, wire);
    }
  }

  #loggedIn(token) {
    clearTimeout(this.#timer);
    this.#credentials = { token: token.token };
    this.#tries = 0;
    this.note(this.#first ? `logged in as ${token.user}` : "connected again");
    if (!this.#first) this.reconnects += 1;
    if (this.#first) this.#onLogin(token);
    this.#first = false;
    this.#setState("open", "");
    this.follows.begin(this.#wire);
    this.#pingTimer = setInterval(() => this.ping(), PING_EVERY_MS);
    this.ping();
  }

  #loginFailed(fault, wire) {
    if (wire !== this.#wire || fault.code === "connection_lost") return;
    if (this.#credentials && !LOGIN_ENDED.has(fault.code) && fault.code !== "forbidden") {
      this.#lost(1011, fault.message); // the master does not answer: the token may still be valid
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
      this.#setState("out", "");
    } else if (FINAL.has(code)) {
      this.note(`refused (${code} ${reason})`);
      this.#setState("refused", reason || `The server closed the connection with code ${code}.`);
    } else {
      this.#wait(code, reason);
    }
  }

  #wait(code, reason) {
    const requested = code === 1012 ? 1000 * Number.parseFloat(/[\d.]+/.exec(reason)?.[0] ?? "0") : 0;
    const step = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#tries++);
    const wait = Math.max(Math.min(requested, LONGEST_WAIT_MS), step * (0.5 + Math.random() / 2));
    if (this.state === "open") this.note(`connection lost (${code}${reason ? ` ${reason}` : ""})`);
    this.#setState("waiting", reason);
    this.#timer = setTimeout(() => this.retry(), wait);
  }

  #drop() {
    clearTimeout(this.#timer);
    clearInterval(this.#pingTimer);
    this.follows.lost();
    this.#wire?.drop();
    this.#wire = null;
  }

  #setState(state, reason) {
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
