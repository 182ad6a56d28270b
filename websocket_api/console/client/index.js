// @ts-check
// A client of the engine's native websocket, for browsers and Node.js. README.md describes it.

export { Connection } from "./connection.js";
export { Fault, decode } from "./wire.js";
