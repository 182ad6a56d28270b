// What the console keeps of the event stream: its store, driven by frames.

import assert from "node:assert/strict";
import { test } from "node:test";

import { EventsStore } from "../../websocket_api/console/stores/events.js";

/** Return a store to which these frames were sent, each `[frame, characters]`, and what it subscribed with. */
function storeOf(t, frames) {
  const connection = {
    follows: { epoch: "e", seq: 0 },
    follow(fields, onFrame) {
      send = onFrame;
      return { fields, since: null, stop() {} };
    },
  };
  let send;
  const events = new EventsStore(connection);
  events.start();
  t.after(() => events.stop?.());
  for (const [frame, size] of frames) send(frame, size);
  return Object.assign(events, { send: (frame, size) => send(frame, size) });
}

const begin = (seq) => [{ type: "begin", epoch: "e", seq, recovered: null }, 0];
const event = (seq, data, size = 100) => [{ type: "event", seq, tag: "a/b", data }, size];

test("a replayed event without a time has none", (t) => {
  // It did not happen when it was replayed; one that arrives live did happen now.
  const events = storeOf(t, [begin(2), event(1, "text"), event(2, {}), event(3, "text")]);
  assert.deepEqual(
    events.rows.map((row) => row.time === null),
    [true, true, false],
  );
});

test("the first view of a page begins at a position, too", async (t) => {
  // No subscription has a position yet, so the server is asked. A stop or a new filter meanwhile leads to one subscription.
  const subscribed = [];
  const pings = [];
  const connection = {
    follows: { epoch: null, seq: 0 },
    read: (type) => new Promise((resolve) => pings.push([type, resolve])),
    follow(fields) {
      subscribed.push(fields);
      return { fields, since: null, stop() {} };
    },
  };
  const events = new EventsStore(connection);
  t.after(() => events.stop());
  events.start();
  events.stop();
  events.setFilter({ tag: "", match_type: "startswith", history: true });
  events.start();
  for (const [type, resolve] of pings) {
    assert.equal(type, "ping");
    resolve({ epoch: "e", seq: 900 });
  }
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(subscribed.map(({ since }) => since), [{ epoch: "e", seq: 0 }]);
});

test("a new filter counts from zero", (t) => {
  // What it replays was counted before; the chart shows it once.
  const events = storeOf(t, [begin(0), event(1, {}), event(2, {})]);
  const counted = () => [events.total, [...events.rates.snapshot(Date.now() + 1500).sums]];
  assert.deepEqual(counted(), [2, [2]]);
  events.setFilter({ tag: "a", match_type: "find" });
  events.send({ type: "event", seq: 2, tag: "a/b", data: {} });
  assert.deepEqual(counted(), [1, [1]]);
});

test("rows of an engine that was restarted are other rows", (t) => {
  // It counts its events from 1 again: two with one number are not one.
  const events = storeOf(t, [begin(0), event(1, { of: "before" }), begin(0), event(1, { of: "after" })]);
  assert.equal(new Set(events.rows.map((row) => row.key)).size, 2);
});

test("large events are kept as far as there is room", (t) => {
  // By their bytes: five thousand of a megabyte would take the browser's memory.
  const large = Array.from({ length: 100 }, (_, index) => event(index + 1, { n: index }, 1024 * 1024));
  const events = storeOf(t, [begin(0), ...large]);
  assert.deepEqual([events.rows.length, events.rows.at(-1).seq, events.total], [32, 100, 100]);
  assert.equal(storeOf(t, [begin(0), event(1, {}, 10 ** 9)]).rows.length, 1);
  const many = Array.from({ length: 6100 }, (_, index) => event(index + 1, {}));
  assert.ok(storeOf(t, [begin(0), ...many]).rows.length <= 6000);
});

test("a filter by master is subscribed, and each event has its master", (t) => {
  const asked = [];
  const connection = {
    follows: { epoch: "e", seq: 0 },
    follow(fields, onFrame) {
      asked.push(fields.master);
      send = onFrame;
      return { since: null, stop() {} };
    },
  };
  let send;
  const events = new EventsStore(connection);
  events.start();
  t.after(() => events.stop());
  events.setFilter({ tag: "", match_type: "startswith", master: "m2", history: false });
  send({ type: "event", seq: 1, tag: "a/b", data: {}, master: "m2" });
  assert.deepEqual([asked, events.rows.map((row) => row.master)], [[undefined, "m2"], ["m2"]]);
});
