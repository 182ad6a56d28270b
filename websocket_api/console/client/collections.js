// Shared collections: one subscription of a connection for all its users. collections.d.ts describes them.

import { LOGIN_ENDED } from "./follow.js";

const KEPT_JOBS = 10000; // newest; the server does not tell which jobs it forgets

class Collection {
  state = null;

  #follow = null;
  #next = null; // the incomplete snapshot
  #start;
  #users = new Set();

  constructor(start) {
    this.#start = start;
  }

  subscribe(onChange, onFault = () => {}) {
    const user = { onChange, onFault };
    this.#users.add(user);
    this.#follow ??= this.#start((frame) => this.#apply(frame));
    if (this.state) onChange(this.state);
    return () => {
      if (this.#users.delete(user) && !this.#users.size) this.#stop();
    };
  }

  #apply(frame) {
    if (frame.type === "begin") this.#next = new Map(frame.recovered ? this.state : []);
    else if (frame.type === "ended") this.#end(frame.error);
    else {
      if (frame.type === "live") [this.state, this.#next] = [this.#next, null];
      else merge(this.#next ?? this.state, frame);
      if (!this.#next) for (const { onChange } of [...this.#users]) onChange(this.state);
    }
  }

  #end(fault) {
    if (LOGIN_ENDED.has(fault.code)) return; // the next login continues it
    const users = [...this.#users];
    this.#users.clear();
    this.#stop();
    for (const { onFault } of users) onFault(fault);
  }

  #stop() {
    this.#follow.stop();
    this.#follow = this.#next = this.state = null;
  }
}

function merge(into, { minions, jid, job }) {
  for (const [id, item] of job ? [[jid, job]] : Object.entries(minions)) {
    if (item) into.set(id, item);
    else into.delete(id);
  }
  if (!job || into.size <= KEPT_JOBS) return;
  let oldest = jid;
  for (const id of into.keys()) if (id < oldest) oldest = id;
  into.delete(oldest);
}

const shared = new WeakMap(); // connection -> its collections, by their fields

function collection(connection, fields) {
  if (!shared.has(connection)) shared.set(connection, new Map());
  const [known, key] = [shared.get(connection), JSON.stringify(fields)];
  if (!known.has(key)) known.set(key, new Collection((onFrame) => connection.follow(fields, onFrame)));
  return known.get(key);
}

const only = (master) => (master === null ? {} : { master });

export const minions = (connection, { grains = false, master = null } = {}) =>
  collection(connection, { subscription: "minions", grains, ...only(master) });

export const jobs = (connection, { master = null, short_targets = false } = {}) =>
  collection(connection, { subscription: "job", jid: "*", without_return: true, ...only(master), ...(short_targets ? { short_targets } : {}) });
