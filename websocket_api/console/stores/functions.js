// @ts-check
// Functions and their signatures, cached per Salt version: minions of one version have nearly the same functions.

import { Store } from "../client/store.js";
import { ask } from "../lib/ask.js";

const MAX_ENTRIES = 500; // of each cache; the oldest are dropped
const MAX_AGE_MS = 600000; // after which the next need reads it again: modules may have been synced
const PATIENCE_S = 300; // that a busy minion may take to describe a function

export class FunctionsStore extends Store {
  #names = new Map(); // key of `#keyOf` -> {value: names, time}
  #signatures = new Map(); // that key and the function -> {value: signature, time}
  #docs = new Map(); // that key and the module -> {value: docstrings by function, time}
  #requests = new Map(); // what is being requested -> its promise

  /** Names of the master's nodegroups, once they were read. */
  nodegroups = [];

  constructor(connection, fleet) {
    super();
    this.connection = connection;
    this.fleet = fleet;
  }

  /** Return the known names for a call, of its Salt version, else of another one; null if none are known. */
  names(call) {
    return this.#names.get(this.#keyOf(call))?.value ?? newest(this.#names, `${call.client} `);
  }

  /** Return the known signature of `call.fun`, of its Salt version, else of another one; null if it is not known. */
  signature(call) {
    return this.#signatures.get(this.#signatureKey(call))?.value ?? newest(this.#signatures, `${call.client} `, ` ${call.fun}`);
  }

  /** Read the names that can be run, once per Salt version. */
  readNames(call) {
    const key = this.#keyOf(call);
    return this.#once(key, this.#names, () => this.connection.request("functions", addressOf(call)));
  }

  /** Read the signature of `call.fun`, once per Salt version. */
  readSignature(call) {
    const patience = call.client === "local" ? { timeout: PATIENCE_S } : {};
    return this.#once(this.#signatureKey(call), this.#signatures, () =>
      this.connection.request("signature", { module: call.fun, ...addressOf(call), ...patience }),
    );
  }

  /** Return the known documentation of a module's functions, {function: docstring}; null if it is not known. */
  docs(call, module) {
    return this.#docs.get(`${this.#keyOf(call)} ${module}`)?.value ?? newest(this.#docs, `${call.client} `, ` ${module}`);
  }

  /** Read the documentation of a module's functions, once per Salt version. */
  readDocs(call, module) {
    const read = async () => {
      const id = await this.minionOf(call);
      return (await ask(this.connection, id, "sys.doc", { arg: [module] })).value ?? {};
    };
    return this.#once(`${this.#keyOf(call)} ${module}`, this.#docs, read);
  }

  /** Return the states (names of SLS files) that one minion of a target can apply, with its id. */
  async readStates(call, saltenv) {
    const id = await this.minionOf(call);
    const { value } = await ask(this.connection, id, "cp.list_states", { kwarg: saltenv ? { saltenv } : {} });
    return { id, states: Array.isArray(value) ? value.map(String) : [] };
  }

  /** Return the master's configuration. */
  readConfig() {
    return this.connection.request("wheel", { method: "config.values", mode: "sync", timeout: 30 });
  }

  /** Read the names of the master's nodegroups, which only its configuration has. */
  async readNodegroups() {
    this.nodegroups = Object.keys((await this.readConfig())?.nodegroups ?? {}).sort();
    this.changed();
  }

  /** Return a minion of a target to ask, preferably one that is up. */
  async minionOf({ target, fun }) {
    const ids = await this.connection.read("match", /^\w+(\.\w+)+$/.test(fun) ? { ...target, fun } : target);
    if (!ids.length) throw new Error("The target matches no minion on which you may run it.");
    return ids.find((id) => this.fleet.minions.get(id)?.connected) ?? ids[0];
  }

  async #once(key, cache, request) {
    const known = cache.get(key);
    if (known && Date.now() - known.time < MAX_AGE_MS) return known.value;
    if (!this.#requests.has(key)) this.#requests.set(key, request().finally(() => this.#requests.delete(key)));
    const value = await this.#requests.get(key);
    cache.delete(key); // so that the newest is last
    cache.set(key, { value, time: Date.now() });
    if (cache.size > MAX_ENTRIES) cache.delete(cache.keys().next().value);
    this.changed();
    return value;
  }

  #signatureKey(call) {
    return `${this.#keyOf(call)} ${call.fun}`;
  }

  /** Calls with the same key have the same functions: those of a client and Salt version, else of a target. */
  #keyOf({ client, target }) {
    if (client !== "local") return `${client} master`;
    const version = this.#versionOf(target);
    return `local ${version ?? JSON.stringify(target)}`;
  }

  /** The Salt version of a target, if the fleet's minions have only one, or the target is a list of ids with one. */
  #versionOf({ tgt }) {
    const ids = Array.isArray(tgt) ? tgt : this.fleet.minions.has(tgt) ? [tgt] : [...this.fleet.minions.keys()];
    const versions = new Set();
    for (const id of ids) {
      const minion = this.fleet.minions.get(id);
      if (minion?.grains?.saltversion) versions.add(minion.grains.saltversion);
      if (versions.size > 1) return null;
    }
    return versions.size ? [...versions][0] : null;
  }
}

function addressOf({ client, target }) {
  return client === "local" ? target : { client };
}

function newest(cache, prefix, suffix = "") {
  for (const key of [...cache.keys()].reverse()) if (key.startsWith(prefix) && key.endsWith(suffix)) return cache.get(key).value;
  return null;
}
