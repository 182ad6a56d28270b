// @ts-check
// One socket of the native door: requests that are told apart by an id, and frames (docs/protocol.md).

const SUBPROTOCOL = "salt.v1.json";

/** An error that the server replied with, or that the connection was lost (`connection_lost`). */
export class Fault extends Error {
  constructor({ code, message, details = null, retryable = false }) {
    super(message);
    Object.assign(this, { code, details, retryable });
  }
}

export function lost() {
  return new Fault({ code: "connection_lost", message: "The connection was lost before the answer came.", retryable: true });
}

const LONG_NUMBER = /[:[,]-?\d{16}/; // in the JSON of a message; job ids stand in quotes

/**
 * Read a message. Whole numbers that JavaScript's own cannot hold become BigInt: what a minion returned is shown as it
 * is. (Browsers that do not tell the source of a number round it.)
 */
export function decoded(text) {
  return LONG_NUMBER.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

function exact(_key, value, context) {
  const rounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return rounded && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value;
}

export class Wire {
  #socket;
  #pending = new Map(); // id -> {resolve, reject} of requests in flight
  #next = 1;

  /**
   * @param opened called when messages can be sent
   * @param frame called with each frame of a subscription, and the characters that it had
   * @param closed called with the code and the reason when the other side, or the network, has closed it
   */
  constructor(url, { opened, frame, closed }) {
    const socket = (this.#socket = new WebSocket(url, SUBPROTOCOL));
    socket.onopen = opened;
    socket.onmessage = ({ data }) => this.#take(decoded(data), data.length, frame);
    socket.onclose = ({ code, reason }) => {
      this.#end();
      closed(code, reason);
    };
  }

  /** Send a request; resolves with its result or rejects with a Fault. */
  ask(message) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ ...message, id }));
    });
  }

  /** Close it; `closed` is not called, and who waits for an answer hears that none will come. */
  drop() {
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#end();
  }

  #take(message, size, frame) {
    if (message.subscription !== undefined && message.id === undefined) {
      frame(message, size);
      return;
    }
    const waiting = this.#pending.get(message.id);
    if (waiting === undefined) return;
    this.#pending.delete(message.id);
    if (message.type === "result") waiting.resolve(message.result);
    else waiting.reject(new Fault(message.error));
  }

  #end() {
    for (const { reject } of this.#pending.values()) reject(lost());
    this.#pending.clear();
  }
}
