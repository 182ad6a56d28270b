// What is asked before a function runs, and what is remembered of functions.

import assert from "node:assert/strict";
import { test } from "node:test";

import { changesState, hasTestMode, needsConfirmation } from "../../websocket_api/console/lib/functions.js";
import { FunctionsStore } from "../../websocket_api/console/stores/functions.js";

const READING = [
  "test.ping", "test.sleep", "grains.items", "grains.get", "pillar.items", "pkg.list_pkgs", "pkg.version", "service.status", "disk.usage",
  "network.interfaces", "state.show_sls", "sys.doc", "saltutil.find_job", "jobs.active", "key.finger", "key.list_all", "manage.up", "file.read",
  "user.info", "cp.list_states", "status.uptime", "config.get", "postgres.db_exists",
];
const CHANGING = [
  "state.apply", "state.highstate", "cmd.run", "pkg.install", "service.restart", "file.remove", "file.get_managed", "cp.get_file", "grains.set",
  "grains.get_or_set_hash", "saltutil.kill_job", "saltutil.refresh_pillar", "key.delete", "manage.down", "manage.safe_accept", "disk.wipe",
  "system.reboot", "user.add", "no_such.function", "cmd", "http.query", "x.is_created_or_remove",
];

test("functions that only read are known by name; every other one may change something", () => {
  assert.deepEqual(READING.filter(changesState), []);
  assert.deepEqual(CHANGING.filter((fun) => !changesState(fun)), []);
});

test("a run is confirmed on all minions, on many, and if it may change something", () => {
  const glob = (tgt) => ({ tgt, tgt_type: "glob" });
  const runs = [
    ["test.ping", glob("web1"), 1, false, false],
    ["test.ping", glob("web*"), 10, false, false],
    ["test.ping", glob("web*"), 11, false, true],
    ["test.ping", glob("*"), 1, false, true],
    ["test.ping", glob(" * "), 1, false, true],
    ["test.ping", { tgt: "*", tgt_type: "compound" }, 1, false, true],
    ["test.ping", { tgt: ".*", tgt_type: "pcre" }, 1, false, true],
    ["test.ping", { tgt: "^.*$", tgt_type: "pcre" }, 1, false, true],
    ["test.ping", { tgt: ["a", "b"], tgt_type: "list" }, 2, false, false],
    ["state.apply", glob("web1"), 1, false, true],
    ["state.apply", glob("web1"), 1, true, false],
    ["state.apply", glob("*"), 1, true, true],
    ["state.apply", glob("nothing"), 0, false, true],
    ["key.delete", null, 0, false, true],
    ["jobs.active", null, 0, false, false],
  ];
  for (const [fun, target, matched, isTest, asks] of runs) {
    assert.equal(needsConfirmation(fun, target, matched, isTest), asks, JSON.stringify([fun, target, matched, isTest]));
  }
});

test("states and functions with an argument test have a test run", () => {
  for (const fun of ["state.apply", "state.highstate", "state.single"]) assert.ok(hasTestMode(fun), fun);
  assert.equal(hasTestMode("test.ping"), false);
  assert.equal(hasTestMode("x.deploy", { args: ["name", "test"] }), true);
});

/** Return a store whose server notes the requests; each answer waits for `answer()`. */
function storeOf(versions) {
  const requests = [];
  const connection = {
    request: (type, fields) => new Promise((resolve, reject) => requests.push({ type, fields, resolve, reject })),
  };
  const minions = new Map(Object.entries(versions).map(([id, saltversion]) => [id, { id, grains: { saltversion } }]));
  return { store: new FunctionsStore(connection, { minions }), requests };
}

const on = (tgt, fun = "") => ({ client: "local", target: { tgt, tgt_type: Array.isArray(tgt) ? "list" : "glob" }, fun });

test("minions of one Salt version are asked once, whatever the target", async () => {
  const { store, requests } = storeOf({ a: "3008.3", b: "3008.3", old: "3007.8" });
  const first = store.readNames(on("a"));
  store.readNames(on(["a", "b"]));
  assert.equal(requests.length, 1);
  requests[0].resolve(["test.ping"]);
  await first;
  assert.deepEqual(await store.readNames(on("b")), ["test.ping"]);
  assert.equal(requests.length, 1);
  store.readNames(on("old"));
  assert.deepEqual(requests.map((one) => one.fields.tgt), ["a", "old"]);
});

test("what is known of another version is shown until the answer arrives", async () => {
  const { store, requests } = storeOf({ a: "3008.3", old: "3007.8" });
  assert.equal(store.signature(on("a", "test.echo")), null);
  const read = store.readSignature(on("a", "test.echo"));
  requests[0].resolve({ args: ["text"] });
  await read;
  assert.deepEqual(store.signature(on("old", "test.echo")), { args: ["text"] });
  assert.equal(store.signature(on("old", "test.ping")), null);
  assert.equal(store.signature({ client: "runner", target: null, fun: "test.echo" }), null);
  const other = store.readSignature(on("old", "test.echo"));
  requests[1].resolve({ args: ["text", "more"] });
  await other;
  assert.deepEqual(store.signature(on("old", "test.echo")).args, ["text", "more"]);
  assert.deepEqual(store.signature(on("a", "test.echo")).args, ["text"]);
});

test("a failed request is sent again", async () => {
  const { store, requests } = storeOf({ a: "3008.3" });
  const read = store.readNames(on("a"));
  requests[0].reject(new Error("timeout"));
  await assert.rejects(read);
  store.readNames(on("a"));
  assert.equal(requests.length, 2);
});
