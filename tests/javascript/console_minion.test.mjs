// What a minion's page makes of what it reads.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ask } from "../../websocket_api/console/lib/ask.js";
import { isWholeHighstate, isTestRun } from "../../websocket_api/console/lib/jobs.js";
import { hasSaltsMask, treeOf } from "../../websocket_api/console/lib/keytree.js";

const paths = (nodes) => nodes.flatMap((node) => (node.leaf ? [node.path] : paths(node.nodes)));
const found = (value, search, inValues) => paths(treeOf(value, search, inValues).nodes);

test("a tree is searched by keys and values, and masked values are not searched", () => {
  const value = { os: "Debian", dns: { nameservers: ["10.0.0.1", "10.0.0.2"] }, password: "Debian1", empty: {} };
  assert.deepEqual(found(value, ""), ["os", "dns:nameservers:0", "dns:nameservers:1", "password", "empty"]);
  assert.deepEqual(found(value, "debian"), ["os", "password"]);
  assert.deepEqual(found(value, "debian", false), []);
  assert.deepEqual(found(value, "dns 0.2"), ["dns:nameservers:1"]);
  const large = treeOf(Array(5000).fill("x"));
  assert.deepEqual([large.nodes.length, large.left], [3000, 2000]);
  let deep = "end";
  for (let at = 0; at < 5000; at += 1) deep = { in: deep };
  assert.equal(paths(treeOf(deep).nodes).length, 1);
});

test("values that Salt masked are known at any depth", () => {
  assert.deepEqual([{ a: ["**********"] }, { a: "*" }, null, "**********", {}].map(hasSaltsMask), [true, false, false, true, false]);
});

test("the reason why a minion does not answer is shown", async () => {
  const asks = (answer) => ask({ request: async () => answer() }, "web1", "pillar.items").then((one) => one.value, (fault) => fault.message);
  const part = (fields) => () => ({ jid: "1", minions: { web1: fields } });
  assert.deepEqual(await asks(part({ state: "returned", return: { a: 1 } })), { a: 1 });
  const refused = () => {
    throw Object.assign(new Error("Salt does not permit this command"), { code: "forbidden" });
  };
  const faults = [
    [refused, "You may not run pillar.items on web1"],
    [() => ({ jid: "1", minions: {} }), "You may not run pillar.items on web1"],
    [part({ state: "failed", return: "'pillar.items' is not available." }), "pillar.items failed: 'pillar.items' is not available."],
    [part({ state: "missing", return: null }), "web1 did not answer. Check that it is up and that its salt-minion service runs"],
    [part({ state: "running", return: null }), "web1 has not answered within 30 s. Its job goes on"],
  ];
  for (const [answer, message] of faults) assert.equal(await asks(answer), message);
});

test("only a whole highstate counts as one, and a test run is not the last highstate", () => {
  const kw = (values) => ({ __kwarg__: true, ...values });
  const jobs = [
    ["state.highstate", [], true, false],
    ["state.apply", [], true, false],
    ["state.apply", [kw({ test: true })], true, true],
    ["state.apply", [kw({ state_events: true })], true, false],
    ["state.apply", ["nginx"], false, false],
    ["state.apply", [kw({ mods: "nginx" })], false, false],
    ["state.apply", null, false, false],
    ["state.sls", ["nginx"], false, false],
  ];
  for (const [fun, arg, whole, isTest] of jobs) {
    assert.deepEqual([isWholeHighstate({ fun, arg }), isTestRun({ fun, arg })], [whole, isTest], JSON.stringify([fun, arg]));
  }
});
