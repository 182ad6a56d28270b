// @ts-check
// Who is logged in, what the server offers, and where the token is kept: in memory, unless the user asks for more.

import { Store } from "./store.js";

const KEPT = "salt-console-token";
const TAKE_UP_EVERY = 2000; // milliseconds between two attempts to take up a kept login

export class Session extends Store {
  /** What `whoami` said; null while nobody is logged in. */
  user = null;
  /** What `describe` said. */
  server = null;
  /** Counts users, not logins: when it rises, nothing of what was shown may stay. */
  number = 0;
  /** Functions of the wheel that the user may run, such as key.accept. */
  wheels = [];

  /** Whether somebody's name and password are on their way: the form stays until they are found right. */
  entering = false;

  #token = null;
  #reconnects = 0;

  constructor(connection) {
    super();
    this.connection = connection;
    connection.listen(() => connection.state === "out" && this.#token && this.#forget());
    connection.listen(() => connection.state === "open" && connection.reconnects !== this.#reconnects && this.#lookAgain());
  }

  /** Whether the token outlives this page. */
  get stays() {
    return localStorage.getItem(KEPT) !== null;
  }

  /** Take up the login that the user asked to keep; returns whether there was one. */
  async takeUp() {
    const token = localStorage.getItem(KEPT);
    if (token === null) return false;
    for (;;) {
      try {
        await this.#logIn({ token }, true);
        return true;
      } catch (fault) {
        // A master that does not answer just now says nothing about the token.
        if (!fault.retryable || localStorage.getItem(KEPT) !== token) {
          localStorage.removeItem(KEPT);
          throw fault;
        }
        await new Promise((resolve) => setTimeout(resolve, TAKE_UP_EVERY));
      }
    }
  }

  /** @param stay whether to stay logged in when the page is closed */
  async logIn(username, password, eauth, stay) {
    this.entering = true;
    try {
      await this.#logIn({ username, password, ...(eauth ? { eauth } : {}) }, stay);
    } finally {
      this.entering = false;
      this.changed();
    }
  }

  async #logIn(credentials, stay) {
    const { token } = await this.connection.logIn(credentials, (found) => this.#entered(found));
    this.#token = token;
    if (stay) localStorage.setItem(KEPT, token);
    else localStorage.removeItem(KEPT);
    await this.#look();
  }

  /** Before anything is shown or asked for somebody else, what the one before saw goes. */
  #entered({ user, eauth }) {
    if (this.user && this.user.user === user && this.user.eauth === eauth) return;
    this.connection.follows.clear();
    this.number += 1;
    [this.user, this.wheels] = [null, []];
    this.changed();
  }

  async #look() {
    const token = this.#token;
    const [user, server] = await Promise.all([this.connection.read("whoami"), this.connection.read("describe")]);
    if (token !== this.#token) return; // meanwhile somebody logged out, or in
    [this.user, this.server, this.entering] = [user, server, false];
    this.changed();
  }

  /** After a lost connection: the server may have been started anew, with other options or for another release. */
  async #lookAgain() {
    this.#reconnects = this.connection.reconnects;
    if (this.user) await this.#look().catch(() => {}); // if that fails the connection is lost again, or the login has ended
  }

  /** Find out what may be done with keys; after the first picture, which need not wait for it. */
  async readWheels() {
    if (!this.user.can.keys || !this.server.clients.includes("wheel")) return;
    try {
      this.wheels = await this.connection.read("functions", { client: "wheel" });
      this.changed();
    } catch {
      // Without the list no key can be accepted from here; the rest of the page does not need it.
    }
  }

  /** Revoke the token in Salt, and forget it. */
  async logOut() {
    localStorage.removeItem(KEPT);
    this.#token = null;
    const stays = await this.connection.request("logout").then(() => "", (fault) => `The server could not be told (${fault.message}) Your token is good until it expires.`);
    this.connection.logOut(stays);
    this.user = null;
    this.changed();
  }

  #forget() {
    this.#token = null;
    localStorage.removeItem(KEPT);
    this.changed();
  }

  /** Whether the server has an operation. */
  has(operation) {
    return this.server !== null && operation in this.server.operations;
  }
}
