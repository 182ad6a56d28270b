// A connection to a server that never answers, or that answers much at once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection } from "../../websocket_api/console/client/index.js";

const OPEN_TIMEOUT_MS = 30000;

/** A socket as a server leaves it that stops while the client connects: no event ever arrives. */
class SilentSocket {
  static opened = 0;

  constructor() {
    SilentSocket.opened += 1;
  }

  close() {}
}

test("a login that is never answered is lost, not awaited forever", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const connection = new Connection("ws://master:8000/ws", { WebSocket: SilentSocket });
  const login = connection.logIn({ token: "f" });
  context.mock.timers.tick(OPEN_TIMEOUT_MS);
  await assert.rejects(login, { code: "connection_lost" });
  assert.equal(connection.state, "out");
  assert.equal(SilentSocket.opened, 1);
});

/** A server whose reply to a subscription and first frames arrive at the same time, as Node.js may read them. */
class PromptSocket {
  constructor() {
    setImmediate(() => this.onopen());
  }

  send(text) {
    const { id, type } = JSON.parse(text);
    const results = { auth: { token: "f", user: "ann" }, subscribe: { subscription: 7, epoch: "e", seq: 1, recovered: null } };
    const messages = [{ id, type: "result", result: results[type] ?? {} }];
    if (type === "subscribe") messages.push({ type: "minions", subscription: 7, minions: {} }, { type: "live", subscription: 7 });
    setImmediate(() => messages.forEach((message) => this.onmessage({ data: JSON.stringify(message) })));
  }

  close() {}
}

test("frames that are read together with the reply to their subscription are not lost", async () => {
  const connection = new Connection("ws://master:8000/ws", { WebSocket: PromptSocket });
  await connection.logIn({ token: "f" });
  const types = [];
  await new Promise((resolve) => {
    connection.follow({ subscription: "minions" }, ({ type }) => {
      types.push(type);
      if (type === "live") resolve();
    });
  });
  assert.deepEqual(types, ["begin", "minions", "live"]);
  connection.logOut();
});
