// Collections of the client: one subscription for all users of a connection, and whole snapshots only.

import assert from "node:assert/strict";
import { test } from "node:test";

import { jobs, minions } from "../../websocket_api/console/client/collections.js";

const web = (number, connected = true) => ({ id: `web${number}`, connected });
const live = { type: "live" };
const begin = { type: "begin" };

/** A connection that counts subscriptions; `send` passes frames to the newest one. */
class Connection {
  started = [];
  stopped = 0;

  follow(fields, onFrame) {
    this.started.push(fields);
    this.send = (...frames) => frames.forEach((frame) => onFrame(frame));
    return { stop: () => (this.stopped += 1) };
  }
}

/** Note what a user of a collection gets: the ids after each change. */
function user(collection) {
  const seen = { changes: [], faults: [] };
  seen.stop = collection.subscribe((state) => seen.changes.push([...state.keys()]), (fault) => seen.faults.push(fault.code));
  return seen;
}

const some = (...items) => ({ type: "minions", minions: Object.fromEntries(items.map((item) => [item.id, item])) });

test("many users of a collection share one subscription, which ends with the last of them", () => {
  const connection = new Connection();
  const [one, other] = [user(minions(connection)), user(minions(connection))];
  connection.send(begin, some(web(1)), live);
  const late = user(minions(connection));
  assert.deepEqual([one.changes, other.changes, late.changes], [[["web1"]], [["web1"]], [["web1"]]]);
  assert.deepEqual(connection.started, [{ subscription: "minions", grains: false }]);
  one.stop();
  one.stop();
  other.stop();
  assert.equal(connection.stopped, 0);
  late.stop();
  assert.equal(connection.stopped, 1);
  assert.equal(minions(connection).state, null);
  user(minions(connection));
  assert.equal(connection.started.length, 2);
});

test("other grains and other connections have subscriptions of their own", () => {
  const [connection, second] = [new Connection(), new Connection()];
  const found = [minions(connection), minions(connection, { grains: ["os"] }), minions(second), jobs(connection)];
  for (const collection of found) user(collection);
  assert.equal(new Set(found).size, 4);
  assert.equal(connection.started.length, 3);
  assert.equal(second.started.length, 1);
});

test("a snapshot is shown when it is complete, and each change after it at once", () => {
  const connection = new Connection();
  const { changes } = user(minions(connection));
  connection.send(begin, some(web(1)), some(web(2)));
  assert.deepEqual(changes, []);
  connection.send(live, some(web(3)), { type: "minions", minions: { web1: null } });
  assert.deepEqual(changes, [["web1", "web2"], ["web1", "web2", "web3"], ["web2", "web3"]]);
});

test("after a lost connection the old content stays until the new snapshot is complete", () => {
  const connection = new Connection();
  const { changes } = user(minions(connection));
  connection.send(begin, some(web(1), web(2)), live, begin, some(web(2)));
  assert.deepEqual([...minions(connection).state.keys()], ["web1", "web2"]);
  connection.send(live);
  assert.deepEqual(changes, [["web1", "web2"], ["web2"]]);
});

test("a subscription that resumes adds what changed to the old content", () => {
  const connection = new Connection();
  const { changes } = user(minions(connection));
  const resumed = { type: "begin", recovered: true };
  connection.send(begin, some(web(1), web(2)), live, resumed, some(web(3)), { type: "minions", minions: { web1: null } });
  assert.deepEqual(changes, [["web1", "web2"]]);
  connection.send(live);
  assert.deepEqual(changes[1], ["web2", "web3"]);
  connection.send({ ...begin, recovered: false }, some(web(4)), live);
  assert.deepEqual(changes[2], ["web4"]);
});

test("jobs are kept by their id, the newest 10,000 of them", () => {
  const connection = new Connection();
  const { changes } = user(jobs(connection));
  const job = (number) => ({ type: "job", jid: `${20141103073312000000n + BigInt(number)}`, job: { state: "running" } });
  connection.send(begin, ...Array.from({ length: 10000 }, (_, number) => job(number)), live, job(10000));
  assert.deepEqual(changes.map((ids) => ids.length), [10000, 10000]);
  assert.ok(!jobs(connection).state.has("20141103073312000000"));
  connection.send({ ...job(10000), job: { state: "complete" } });
  assert.equal(jobs(connection).state.get("20141103073312010000").state, "complete");
});

test("an ended subscription is a fault for each user, and the next user subscribes again", () => {
  const connection = new Connection();
  const [one, other] = [user(jobs(connection)), user(jobs(connection))];
  connection.send({ type: "ended", error: { code: "token_expired" } });
  assert.deepEqual([one.faults, other.faults], [[], []]); // the next login continues it
  connection.send({ type: "ended", error: { code: "forbidden" } });
  assert.deepEqual([one.faults, other.faults], [["forbidden"], ["forbidden"]]);
  one.stop();
  user(jobs(connection));
  assert.equal(connection.started.length, 2);
});

test("jobs with short targets have a subscription of their own", () => {
  const connection = new Connection();
  for (const collection of [jobs(connection), jobs(connection, { short_targets: true }), jobs(connection, { short_targets: false })]) user(collection);
  assert.deepEqual(connection.started.map(({ short_targets }) => short_targets), [undefined, true]);
});

test("collections of one master have subscriptions of their own", () => {
  const connection = new Connection();
  for (const collection of [jobs(connection), jobs(connection, { master: "m2" }), jobs(connection, { master: "m2" }), minions(connection, { master: ["m1", "m2"] })]) user(collection);
  assert.deepEqual(connection.started.map(({ master }) => master), [undefined, "m2", ["m1", "m2"]]);
});
