// Where a subscription resumes after a lost connection.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Follow } from "../../websocket_api/console/client/follow.js";

/** Return a subscription that has got these frames after the event 5 of the epoch `e`. */
function after(...frames) {
  const follow = new Follow(null, { subscription: "event", since: { epoch: "e", seq: 4 } }, () => {});
  follow.subscribed({ subscription: 1, epoch: "e", seq: 900, recovered: false });
  for (const frame of [{ type: "event", seq: 5 }, ...frames]) follow.apply(frame, 10);
  return follow.message.since;
}

test("a gap is behind the position that a subscription resumes from", () => {
  const restart = { type: "gap", reason: "restart", from: 6, to: 900 };
  assert.deepEqual(after(restart), { epoch: "e", seq: 900 });
  assert.deepEqual(after(restart, { type: "event", seq: 901 }), { epoch: "e", seq: 901 });
});

test("a gap without numbers, or with old ones, does not move the position", () => {
  assert.deepEqual(after({ type: "gap", reason: "bus", from: null, to: null }), { epoch: "e", seq: 5 });
  assert.deepEqual(after({ type: "gap", reason: "overflow", from: 2, to: 3 }), { epoch: "e", seq: 5 });
});
