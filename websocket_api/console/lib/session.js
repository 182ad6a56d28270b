// Who is logged in, what the server offers, and where the token is kept: in memory, unless the user asks for more.

import { Store } from "./store.js";

const KEPT = "salt-console-token";

export class Session extends Store {
  /** What `whoami` said; null while nobody is logged in. */
  user = null;
  /** What `describe` said. */
  server = null;
  /** Counts users, not logins: when it rises, nothing of what was shown may stay. */
  number = 0;
  /** Functions of the wheel that the user may run, such as key.accept. */
  wheels = [];

  #token = null;

  constructor(connection) {
    super();
    this.connection = connection;
    connection.listen(() => connection.state === "out" && this.#token && this.#forget());
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
        if (fault.code !== "connection_lost") {
          localStorage.removeItem(KEPT);
          throw fault;
        }
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }

  /** @param stay whether to stay logged in when the page is closed */
  logIn(username, password, eauth, stay) {
    return this.#logIn({ username, password, ...(eauth ? { eauth } : {}) }, stay);
  }

  async #logIn(credentials, stay) {
    const { token } = await this.connection.logIn(credentials);
    this.#token = token;
    if (stay) localStorage.setItem(KEPT, token);
    else localStorage.removeItem(KEPT);
    const before = this.user;
    const [user, server] = await Promise.all([this.connection.read("whoami"), this.connection.read("describe")]);
    [this.user, this.server] = [user, server];
    if (before?.user !== user.user || before?.eauth !== user.eauth) {
      this.number += 1;
      this.wheels = [];
    }
    this.changed();
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
    await this.connection.request("logout").catch(() => {});
    this.connection.logOut();
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
