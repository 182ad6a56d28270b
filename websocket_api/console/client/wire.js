// @ts-check
// One websocket of the native protocol (docs/protocol.md): requests with an id, and frames of subscriptions.

const SUBPROTOCOL = "salt.v1.json";
const ERROR_MS = 100; // after an error, in which a close event may tell its code

/** An error that the server replied with, or `connection_lost`. */
export class Fault extends Error {
  /** @param {{code: string, message: string, details?: any, retryable?: boolean}} error */
  constructor({ code, message, details = null, retryable = false }) {
    super(message);
    this.code = code;
    this.details = details;
    this.retryable = retryable;
  }
}

export function lost() {
  return new Fault({ code: "connection_lost", message: "the connection was lost before the answer arrived", retryable: true });
}

const LONG_NUMBER = /[:[,]\s*-?\d{16}/; // in the JSON of a message; job ids are in quotes

/**
 * Parse a message. Whole numbers beyond JavaScript's exact range become BigInt, so that returns are shown exactly.
 * Runtimes that do not pass the source of a number to the reviver round it.
 *
 * @param {string} text
 */
export function decode(text) {
  return LONG_NUMBER.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

function exact(_key, value, context) {
  const rounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return rounded && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value;
}

export class Wire {
  #socket;
  #pending = new Map(); // id -> {resolve, reject, onResult} of requests in flight
  #nextId = 1;
  #ended = false;

  /**
   * @param {string} url
   * @param {object} handlers
   * @param {() => void} handlers.onOpen called when messages can be sent
   * @param {(frame: any, size: number) => void} handlers.onFrame called with each frame and its length in characters
   * @param {(code: number, reason: string) => void} handlers.onClose called when the server or the network closed it
   * @param {any} [WebSocketClass] for runtimes without a global one, such as Node.js 20
   */
  constructor(url, { onOpen, onFrame, onClose }, WebSocketClass = globalThis.WebSocket) {
    if (!WebSocketClass) throw new Error("this runtime has no WebSocket; pass one as the option WebSocket");
    const socket = (this.#socket = new WebSocketClass(url, SUBPROTOCOL));
    socket.onopen = onOpen;
    socket.onmessage = ({ data }) => this.#receive(decode(data), data.length, onFrame);
    const end = (code, reason) => {
      if (this.#ended) return;
      this.#end();
      onClose(code, reason);
    };
    socket.onclose = ({ code, reason }) => end(code, reason);
    // Browsers send a close event after an error; Node.js sends none if the server refuses the connection.
    socket.onerror = () => setTimeout(end, ERROR_MS, 1006, "");
  }

  /**
   * Send a request.
   *
   * @param {object} message
   * @param {(result: any) => void} [onResult] called with the result before the next message is read. The promise may
   *     come later: Node.js reads several messages at once.
   * @returns {Promise<any>} the result; rejects with a Fault
   */
  request(message, onResult = () => {}) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onResult });
      this.#socket.send(JSON.stringify({ ...message, id }));
    });
  }

  /** Close the socket without a call of `onClose`, and reject all requests in flight. */
  drop() {
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#end();
  }

  #receive(message, size, onFrame) {
    if (message.subscription !== undefined && message.id === undefined) {
      onFrame(message, size);
      return;
    }
    const request = this.#pending.get(message.id);
    if (request === undefined) return;
    this.#pending.delete(message.id);
    if (message.type === "result") {
      request.onResult(message.result);
      request.resolve(message.result);
    } else request.reject(new Fault(message.error));
  }

  #end() {
    this.#ended = true;
    for (const { reject } of this.#pending.values()) reject(lost());
    this.#pending.clear();
  }
}
