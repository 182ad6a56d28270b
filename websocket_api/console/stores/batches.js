// @ts-check
// Batches, live: all of them without their requests, and one with them.

import { Store } from "../lib/store.js";

export const RUNNING = new Set(["pending", "dispatching"]);

export class BatchesStore extends Store {
  /** id -> batch without requests. */
  batches = new Map();
  loaded = false;
  fault = null;

  constructor(connection) {
    super();
    this.connection = connection;
    this.follow = connection.follow({ subscription: "batch" }, (frame) => this.take(frame));
  }

  stop() {
    this.follow.stop();
  }

  take(frame) {
    if (frame.type === "begin") this.load();
    else if (frame.type === "batch") this.batches.set(frame.batch.id, frame.batch);
    else if (frame.type === "ended") this.fault = frame.error;
    this.changed();
  }

  async load() {
    try {
      for (const batch of await this.connection.read("list_batches")) this.batches.set(batch.id, batch);
      this.loaded = true;
    } catch (fault) {
      this.fault = fault;
    }
    this.changed();
  }

  get rows() {
    return [...this.batches.values()].sort((a, b) => b.id - a.id);
  }
}

export class BatchStore extends Store {
  batch = null;
  requests = new Map();
  fault = null;

  constructor(connection, id) {
    super();
    this.follow = connection.follow({ subscription: "batch", batch: id }, (frame) => this.take(frame));
  }

  stop() {
    this.follow.stop();
  }

  take(frame) {
    if (frame.type === "batch") {
      this.batch = frame.batch;
      for (const request of frame.requests) this.requests.set(request.id, request);
    } else if (frame.type === "ended") {
      this.fault = frame.error;
    }
    this.changed();
  }

  /** The requests: failed first, then running, then waiting, then done. */
  get rows() {
    const rank = { error: 0, timeout: 0, canceled: 1, sent: 2, pending: 3, resolved: 4 };
    return [...this.requests.values()].sort((a, b) => rank[a.status] - rank[b.status] || a.id - b.id);
  }
}
