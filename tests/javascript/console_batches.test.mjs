// Batches in words, and what is run again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { againOf, functionsOf, stateOf, targetOf, titleOf } from "../../websocket_api/console/lib/batches.js";
import { clock } from "../../websocket_api/console/lib/format.js";
import { BatchesStore } from "../../websocket_api/console/stores/batches.js";
import { masterText } from "../../websocket_api/console/views/connection.js";

test("a batch is shown by its name, functions and target; engines of earlier releases have none", () => {
  const batch = { id: 7, name: "kernel", functions: ["a.a", "b.b"], tgt: "G@os:Debian", tgt_type: "compound", paused: true, status: "dispatching", total_count: 1200 };
  assert.deepEqual([titleOf(batch), functionsOf(batch), targetOf(batch), stateOf(batch)], ["kernel", "a.a, b.b", "G@os:Debian (compound)", "paused"]);
  const old = { id: 7, status: "resolved", total_count: 1200 };
  assert.deepEqual([titleOf(old), functionsOf(old), targetOf(old), stateOf(old)], ["Batch 7", "", "1,200 requests", "resolved"]);
  assert.equal(targetOf({ tgt: "web*", tgt_type: "glob" }), "web*");
});

test("failed requests are run again with their own arguments, each as often as it failed", () => {
  const of = (minion, status, arg = [1]) => ({ minion, status, fun: "test.echo", arg, kwarg: {} });
  const requests = [of("a", "resolved"), of("b", "error"), of("c", "timeout"), of("c", "error"), of("d", "canceled"), of("e", "error", [2])];
  const again = againOf(requests, false);
  assert.deepEqual(
    again.items.map((item) => [item.arg[0], item.tgt]),
    [[1, ["b", "c"]], [1, ["c"]], [2, ["e"]]],
  );
  assert.deepEqual([again.count, again.minions], [4, ["b", "c", "e"]]);
  assert.deepEqual(againOf(requests, true).minions, ["b", "c", "d", "e"]);
  assert.equal(againOf([of("a", "resolved")], true).count, 0);
  assert.match(againOf([of("a", "error", ["password=(redacted)"])], false).reason, /contain a secret/);
});

test("the masters of the filter are those of the stream and those that batches name", () => {
  const jobs = { masters: [] };
  const store = new BatchesStore({ follow: () => ({ stop() {} }) }, jobs);
  const masters = [undefined, "m2", "m1", "m2"].map((master, id) => {
    store.apply({ type: "batch", batch: { id, ...(master && { master }) } });
    return store.masters.join();
  });
  assert.deepEqual(masters, ["", "m2", "m1,m2", "m1,m2"]);
  store.apply({ type: "batch", batch: { id: 2, master: "m2" } }); // it was taken over
  assert.deepEqual(store.masters, ["m2"]);
  jobs.masters = ["m2", "m3", "m1"]; // a master without a batch of its own can be chosen too
  assert.deepEqual(store.masters, ["m1", "m2", "m3"]);
});

test("another master is connected, or silent since a time", () => {
  const seen = "2014-11-03T07:33:00Z";
  assert.equal(masterText({ stale: false }), "connected");
  assert.equal(masterText({ stale: true }), "silent");
  assert.equal(masterText({ stale: true, seen }), `silent, last seen ${clock(seen)}`);
});
