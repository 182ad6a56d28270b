// A connection to a server that never answers.

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
