// @ts-check
// Batches, live: all of them without their requests, or one with its requests.

import { Store } from "../client/store.js";

const RANK = { error: 0, timeout: 0, canceled: 1, sent: 2, pending: 3, resolved: 4 };

export class BatchesStore extends Store {
  /** id -> batch without requests. */
  batches = new Map();
  loaded = false;
  fault = null;

  /** @param {any} jobs their store */
  constructor(connection, jobs) {
    super();
    this.connection = connection;
    this.jobs = jobs;
    this.follow = connection.follow({ subscription: "batch" }, (frame) => this.apply(frame));
  }

  stop() {
    this.follow.stop();
  }

  apply(frame) {
    if (frame.type === "begin") this.load();
    else if (frame.type === "batch") this.batches.set(frame.batch.id, frame.batch);
    else if (frame.type === "ended") this.fault = frame.error;
    this.changed();
  }

  async load() {
    try {
      for (const batch of await this.connection.read("list_batches")) this.batches.set(batch.id, batch);
      this.loaded = true;
    } catch (error) {
      this.fault = error;
    }
    this.changed();
  }

  get rows() {
    return [...this.batches.values()].sort((a, b) => b.id - a.id);
  }

  /** The masters that share the stream, and those that batches name. */
  get masters() {
    return [...new Set([...this.jobs.masters, ...this.rows.flatMap(({ master }) => master ?? [])])].sort();
  }
}

export class BatchStore extends Store {
  batch = null;
  /** id -> request. */
  requests = new Map();
  fault = null;
  /** The sorted requests; null after a change. There can be 100,000, so drawing does not sort them each time. */
  sorted = null;

  constructor(connection, id) {
    super();
    this.follow = connection.follow({ subscription: "batch", batch: id }, (frame) => this.apply(frame));
  }

  stop() {
    this.follow.stop();
  }

  apply(frame) {
    if (frame.type === "batch") {
      this.batch = frame.batch;
      for (const request of frame.requests) this.requests.set(request.id, request);
      if (frame.requests.length) this.sorted = null;
    } else if (frame.type === "ended") {
      this.fault = frame.error;
    }
    this.changed();
  }

  /** The requests: failed first, then running, then waiting, then done. */
  get rows() {
    this.sorted ??= [...this.requests.values()].sort((a, b) => RANK[a.status] - RANK[b.status] || a.id - b.id);
    return this.sorted;
  }
}
