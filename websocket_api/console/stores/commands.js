// @ts-check
// Recent and saved commands, in this browser's storage, for each user.

import { Store } from "../client/store.js";
import { checked, titleOf, withoutSecrets } from "../lib/commands.js";

const MAX_RECENT = 20;
const MAX_SAVED = 200;

export class CommandsStore extends Store {
  /** Newest first: [{title, command, omitted}]. */
  recent = [];
  /** By title: [{title, command, omitted}]. */
  saved = [];

  #key;

  /** @param {{user: string, eauth: string}} user */
  constructor({ user, eauth }) {
    super();
    this.#key = `salt-console-commands:${eauth}:${user}`;
    const stored = read(this.#key);
    this.recent = listOf(stored.recent);
    this.saved = listOf(stored.saved);
  }

  /** Note that a command was run. */
  ran(form) {
    const entry = entryOf(form);
    const same = (one) => JSON.stringify(one.command) === JSON.stringify(entry.command);
    this.recent = [entry, ...this.recent.filter((one) => !same(one))].slice(0, MAX_RECENT);
    this.#write();
  }

  /** Save a command under a title; one with this title is replaced. */
  save(title, form) {
    this.add([{ ...entryOf(form), title }]);
  }

  /** Add saved commands, such as those of a file. */
  add(entries) {
    const titles = new Set(entries.map((one) => one.title));
    const all = [...this.saved.filter((one) => !titles.has(one.title)), ...entries];
    this.saved = all.sort((a, b) => a.title.localeCompare(b.title)).slice(0, MAX_SAVED);
    this.#write();
  }

  remove(title) {
    this.saved = this.saved.filter((one) => one.title !== title);
    this.#write();
  }

  clearRecent() {
    this.recent = [];
    this.#write();
  }

  #write() {
    try {
      localStorage.setItem(this.#key, JSON.stringify({ recent: this.recent, saved: this.saved }));
    } catch {
      // The storage is full or forbidden: the commands are kept until the page is closed.
    }
    this.changed();
  }
}

function entryOf(form) {
  const { command, omitted } = withoutSecrets(form);
  return { title: titleOf(command), command, omitted };
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}

function listOf(stored) {
  return (Array.isArray(stored) ? stored : []).map(checked).filter(Boolean);
}
