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

/** Return a subscription without a position at the server of the master `m1`, which shares its stream with `m2`. */
function shared() {
  const follow = new Follow(null, { subscription: "event" }, () => {});
  const since = { m1: { epoch: "a", seq: 10 }, m2: { epoch: "b", seq: 20 } };
  follow.subscribed({ subscription: 1, epoch: "a", seq: 10, recovered: null, since });
  return follow;
}

test("where masters share a stream, the position is one at each of them", () => {
  const follow = shared();
  assert.deepEqual(follow.message.since, { m1: { epoch: "a", seq: 10 }, m2: { epoch: "b", seq: 20 } });
  follow.apply({ type: "event", seq: 11, master: "m1" }, 10);
  follow.apply({ type: "events", events: [{ seq: 12, master: "m2", origin: { epoch: "b", seq: 21 } }] }, 10);
  assert.deepEqual(follow.message.since, { m1: { epoch: "a", seq: 11 }, m2: { epoch: "b", seq: 21 } });
  follow.apply({ type: "bookmark", epoch: "a", seq: 30, since: { m1: { epoch: "a", seq: 30 }, m3: { epoch: "c", seq: 1 } } }, 10);
  assert.deepEqual(follow.message.since, { m1: { epoch: "a", seq: 30 }, m3: { epoch: "c", seq: 1 } });
});

test("at another master a subscription goes on with the same positions", () => {
  const follow = shared();
  follow.apply({ type: "event", seq: 11, master: "m1" }, 10);
  const newest = { m1: { epoch: "a", seq: 15 }, m2: { epoch: "b", seq: 20 }, m3: { epoch: "c", seq: 7 } };
  follow.subscribed({ subscription: 4, epoch: "b", seq: 20, recovered: false, since: newest });
  assert.deepEqual(follow.message.since, { ...newest, m1: { epoch: "a", seq: 11 } }, "m3 starts now");
  follow.apply({ type: "event", seq: 3, master: "m1", origin: { epoch: "a", seq: 12 } }, 10);
  follow.apply({ type: "event", seq: 21, master: "m2" }, 10);
  assert.deepEqual(follow.message.since, { ...newest, m1: { epoch: "a", seq: 12 }, m2: { epoch: "b", seq: 21 } });
});

test("a gap moves the positions of the masters that it names", () => {
  const follow = shared();
  const masters = { m2: { reason: "restart", epoch: "d", seq: 4 }, m9: { reason: "epoch" } };
  follow.apply({ type: "gap", reason: "restart", from: 11, to: 11, masters }, 10);
  assert.deepEqual(follow.message.since, { m1: { epoch: "a", seq: 10 }, m2: { epoch: "d", seq: 4 } });
  follow.apply({ type: "gap", reason: "bus", from: 12, to: 12 }, 10);
  assert.deepEqual(follow.message.since.m1, { epoch: "a", seq: 12 }, "without names it is the server's own master");
});

test("what is from before a restart of the server moves a position of that time only", () => {
  const follow = shared();
  follow.subscribed({ subscription: 4, epoch: "n", seq: 5, recovered: false, since: { m1: { epoch: "n", seq: 5 } } });
  follow.apply({ type: "event", seq: 6, master: "m1", origin: { epoch: "a", seq: 11 } }, 10);
  assert.deepEqual(follow.message.since.m1, { epoch: "a", seq: 11 });
  const restart = { m1: { reason: "restart", epoch: "n", seq: 0 } };
  follow.apply({ type: "gap", reason: "restart", from: 7, to: 7, masters: restart }, 10);
  assert.deepEqual(follow.message.since.m1, { epoch: "n", seq: 0 });
  follow.apply({ type: "event", seq: 8, master: "m1" }, 10);
  follow.apply({ type: "event", seq: 9, master: "m1", origin: { epoch: "a", seq: 12 } }, 10);
  const older = { m1: { reason: "history", epoch: "a", seq: 13 } };
  follow.apply({ type: "gap", reason: "history", from: 10, to: 10, masters: older }, 10);
  assert.deepEqual(follow.message.since.m1, { epoch: "n", seq: 8 });
});

test("a server that shares with none has a simple position", () => {
  const follow = shared();
  follow.subscribed({ subscription: 4, epoch: "z", seq: 5, recovered: false });
  assert.deepEqual(follow.message.since, { epoch: "z", seq: 5 });
});

test("after a simple position, the positions at the masters are known with the next bookmark", () => {
  const follow = new Follow(null, { subscription: "event", since: { epoch: "a", seq: 4 } }, () => {});
  const since = { m1: { epoch: "a", seq: 9 }, m2: { epoch: "b", seq: 20 } };
  follow.subscribed({ subscription: 1, epoch: "a", seq: 9, recovered: true, since });
  follow.apply({ type: "event", seq: 5, master: "m2", origin: { epoch: "b", seq: 3 } }, 10);
  assert.deepEqual(follow.message.since, { epoch: "a", seq: 5 }, "the replay goes on");
  follow.apply({ type: "bookmark", epoch: "a", seq: 9, since }, 10);
  assert.deepEqual(follow.message.since, since);
});

test("a snapshot resumes at its last position, which an incomplete one does not have", () => {
  const follow = new Follow(null, { subscription: "minions" }, () => {});
  const position = (seq) => ({ epoch: "c", seq, view: "v" });
  const begin = () => follow.subscribed({ subscription: 1, epoch: "e", seq: 1, recovered: null });
  begin();
  follow.apply({ type: "minions", seq: 1, minions: {} }, 10);
  assert.deepEqual(follow.message, { subscription: "minions" });
  follow.apply({ type: "live", seq: 1, position: position(3) }, 10);
  assert.deepEqual(follow.message, { subscription: "minions", since: position(3) });
  follow.apply({ type: "bookmark", epoch: "e", seq: 2, position: position(4) }, 10);
  begin();
  follow.apply({ type: "minions", seq: 1, minions: {} }, 10);
  assert.deepEqual(follow.message.since, position(4));
});
