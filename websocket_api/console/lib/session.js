// @ts-check
// The login: who the user is, what the server offers, and where the token is stored.

import { Store } from "../client/store.js";

const TOKEN = "salt-console-token"; // in sessionStorage, or in localStorage if the user stays logged in
const RESTORE_EVERY_MS = 2000; // between two attempts to restore a login

export class Session extends Store {
  /** The result of `whoami`; null while nobody is logged in. */
  user = null;
  /** The result of `describe`. */
  server = null;
  /** Counts users, not logins: when it changes, nothing that was shown may stay. */
  number = 0;
  /** Wheel functions that the user may run, such as key.accept. */
  wheels = [];

  /** Whether a name and password are being checked; the form stays until they are accepted. */
  loggingIn = false;

  #token = null;
  #reconnects = 0;

  constructor(connection) {
    super();
    this.connection = connection;
    connection.listen(() => connection.state === "out" && this.#token && this.#forget());
    connection.listen(() => connection.state === "open" && connection.reconnects !== this.#reconnects && this.readAgain());
  }

  /** Whether the login outlives this tab. */
  get stays() {
    return localStorage.getItem(TOKEN) !== null;
  }

  /**
   * Restore the login of this tab before its reload, or the one that the user asked to keep.
   *
   * @returns {Promise<boolean>} whether there was one
   */
  async restore() {
    const token = storedToken();
    if (token === null) return false;
    const stay = sessionStorage.getItem(TOKEN) === null;
    for (;;) {
      try {
        await this.#logIn({ token }, stay);
        return true;
      } catch (fault) {
        // A master that does not answer says nothing about the token.
        if (!fault.retryable || storedToken() !== token) {
          dropToken();
          throw fault;
        }
        await new Promise((resolve) => setTimeout(resolve, RESTORE_EVERY_MS));
      }
    }
  }

  /** @param {boolean} stay whether the login outlives this tab */
  async logIn(username, password, eauth, stay) {
    this.loggingIn = true;
    try {
      await this.#logIn({ username, password, ...(eauth ? { eauth } : {}) }, stay);
    } finally {
      this.loggingIn = false;
      this.changed();
    }
  }

  async #logIn(credentials, stay) {
    const { token } = await this.connection.logIn(credentials, (found) => this.#onLogin(found));
    this.#token = token;
    this.#store(token, stay, "token" in credentials);
    await this.#read();
  }

  /** Restoring this tab's login leaves alone what another tab stored. */
  #store(token, stay, restored) {
    if (!restored) dropToken();
    (stay ? localStorage : sessionStorage).setItem(TOKEN, token);
  }

  /** If it is another user, drop what the user before saw, before anything is shown or requested. */
  #onLogin({ user, eauth }) {
    if (this.user && this.user.user === user && this.user.eauth === eauth) return;
    this.connection.follows.clear();
    this.number += 1;
    [this.user, this.wheels] = [null, []];
    this.changed();
  }

  async #read() {
    const token = this.#token;
    const [user, server] = await Promise.all([this.connection.read("whoami"), this.connection.read("describe")]);
    if (token !== this.#token) return; // the user logged out or in meanwhile
    [this.user, this.server, this.loggingIn] = [user, server, false];
    this.changed();
  }

  /** Read again what may have changed: after a lost connection the server may be of another release. */
  async readAgain() {
    this.#reconnects = this.connection.reconnects;
    if (this.user) await this.#read().catch(() => {}); // if it fails, the connection is lost again or the login has ended
  }

  /** Read which wheel functions the user may run. The first view does not wait for it. */
  async readWheels() {
    if (!this.user.can.keys || !this.server.clients.includes("wheel")) return;
    try {
      this.wheels = await this.connection.read("functions", { client: "wheel" });
      this.changed();
    } catch {
      // Without the list there are no buttons for keys; the rest of the page does not need it.
    }
  }

  /** Revoke the token in Salt, and delete it here. */
  async logOut() {
    dropToken();
    this.#token = null;
    const revoked = await this.connection.request("logout").then(
      () => "",
      (fault) => `The server could not revoke your token (${fault.message}); it is valid until it expires.`,
    );
    this.connection.logOut(revoked);
    this.user = null;
    this.changed();
  }

  #forget() {
    this.#token = null;
    dropToken();
    this.changed();
  }

  /** Whether the server has an operation. */
  has(operation) {
    return this.server !== null && operation in this.server.operations;
  }
}

function storedToken() {
  return sessionStorage.getItem(TOKEN) ?? localStorage.getItem(TOKEN);
}

function dropToken() {
  sessionStorage.removeItem(TOKEN);
  localStorage.removeItem(TOKEN);
}
