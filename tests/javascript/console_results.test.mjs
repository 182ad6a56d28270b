// The console's results: YAML, diffs, colours of terminals, search, states below their cause, groups of equal outcomes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";

import { find } from "../../websocket_api/console/lib/find.js";
import { Groups } from "../../websocket_api/console/lib/outcomes.js";
import { diffRuns, isDiff, terminalRuns } from "../../websocket_api/console/lib/runs.js";
import { orchestratedOf, statesOf, underCauses } from "../../websocket_api/console/lib/states.js";
import { brief, json } from "../../websocket_api/console/lib/text.js";
import { scalar, yaml } from "../../websocket_api/console/lib/yaml_text.js";

const PYTHON = new URL("../../.venv/bin/python", import.meta.url).pathname;
const SKIP = existsSync(PYTHON) ? false : "no .venv: make venv";

/** A reproducible source of odd values: texts of characters that mean something in YAML, nested in lists and objects. */
function oddValues(count) {
  const pieces = ["a", "b", " ", "\n", "\t", ":", "#", "-", "?", "|", ">", "%", "@", "`", "'", '"', "\\", "{", "}", "[", "]", ",", "&", "*", "!", "1", "0", ".", "e", "_", "=", "<", "~", "\r", "\u2028", "\u0085", "\ufeff", "é", "漢", "😀", "\u{e0041}", "\ud800", "\u0000", "\u001b", "\ue000", "\uffff", "\ufe0f", "y", "no", "null", "true", "0x1", "1:20", "2001-01-01", "---", "..."];
  const numbers = [null, true, false, 0, -1, 1.5, 1e21, 5e-7, -2.5e-9];
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  const text = () => Array.from({ length: random(7) }, () => pieces[random(pieces.length)]).join("");
  const name = () => (random(20) ? text() : `${text()}${"x".repeat(1100)}`);
  const value = (depth) => {
    const kind = random(depth > 3 ? 5 : 8);
    if (kind < 3) return text();
    if (kind === 3) return numbers[random(numbers.length)];
    if (kind === 4) return `${text()}\n${text()}`;
    if (kind < 6) return Array.from({ length: random(4) }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: random(4) }, () => [name(), value(depth + 1)]));
  };
  return Array.from({ length: count }, () => value(0));
}

test("PyYAML reads back every value that is written as YAML", { skip: SKIP }, () => {
  const pairs = oddValues(3000).map((value) => [value, yaml(value, Infinity)[0]]);
  const program = `
import json, sys, yaml
loader = yaml.SafeLoader
different = [[value, text] for value, text in json.load(sys.stdin) if yaml.load(text, loader) != value]
json.dump(different[:3], sys.stdout)`;
  const { stdout, stderr } = spawnSync(PYTHON, ["-c", program], { input: JSON.stringify(pairs), encoding: "utf8", maxBuffer: 1e8 });
  assert.equal(stderr, "");
  assert.deepEqual(JSON.parse(stdout), []);
});

test("YAML is written as people write it", () => {
  const value = { name: "nginx", ports: [80, 443], text: "one\ntwo\n", old: "", nothing: null, yes: "yes", nested: { list: [{ a: 1, b: "x: y" }, []] } };
  const lines = ["name: nginx", "ports:", "  - 80", "  - 443", "text: |", "  one", "  two", 'old: ""', "nothing: null", '"yes": "yes"', "nested:", "  list:", "    - a: 1", '      b: "x: y"', "    - []", ""];
  assert.equal(yaml(value)[0], lines.join("\n"));
  assert.deepEqual([scalar("a"), scalar("12"), scalar("no"), scalar("")], ["a", '"12"', '"no"', '""']);
});

test("YAML and JSON are limited in length and depth", () => {
  let deep = 1;
  for (let level = 0; level < 100; level += 1) deep = [deep];
  assert.match(yaml(deep)[0], /nested deeper/);
  const long = { a: "x".repeat(50_000), b: ["line\n".repeat(9000)] };
  for (const write of [yaml, json]) {
    const [text, whole] = write(long, 1000);
    assert.ok(text.length <= 1001, text.length);
    assert.equal(whole, false);
  }
  assert.deepEqual(json({ a: [1, 2], b: {} }, 1000, true), ['{"a": [1, 2], "b": {}}', true]);
  assert.equal(brief({ a: 1 }), '{"a": 1}');
});

const DIFF = "--- \n+++ \n@@ -1,3 +1,3 @@\n a\n-b\n--- not a file name\n+c\n";

test("a unified diff is recognized, and its lines have kinds", () => {
  assert.deepEqual(diffRuns(DIFF), [
    ["--- \n+++ \n", "file"],
    ["@@ -1,3 +1,3 @@\n", "hunk"],
    [" a\n", "context"],
    ["-b\n--- not a file name\n", "removed"],
    ["+c\n", "added"],
  ]);
  assert.equal(diffRuns(DIFF).map(([text]) => text).join(""), DIFF);
  for (const [text, is] of [[DIFF, true], ["@@ -1 +1 @@\n-a\n+b", true], ["- a list\n+ of things", false], ["--- a title\ntext", false], ["", false]]) {
    assert.equal(isDiff(text), is, text);
  }
});

test("a terminal's colours become classes; other control sequences stay in the text", () => {
  const esc = "\u001b";
  const cases = [
    [`${esc}[31mred${esc}[0m plain`, [["red", "ansi-1"], [" plain", ""]]],
    [`${esc}[1;32mbold green${esc}[22mgreen${esc}[m`, [["bold green", "ansi-2 ansi-bold"], ["green", "ansi-2"]]],
    [`${esc}[38;5;196ma${esc}[38;2;0;0;255mb${esc}[38;5;250mc`, [["a", "ansi-1"], ["b", "ansi-4"], ["c", ""]]],
    [`${esc}[97;41;8mhidden?`, [["hidden?", ""]]],
    [`${esc}[48;5;1mback${esc}[93mbright`, [["back", ""], ["bright", "ansi-3"]]],
    [`grep${esc}[Kline`, [["grep", ""], ["line", ""]]],
    [`${esc}[2J${esc}]0;title\u0007x`, [[`${esc}[2J${esc}]0;title\u0007x`, ""]]],
    ["", []],
  ];
  for (const [text, runs] of cases) assert.deepEqual(terminalRuns(text), runs, JSON.stringify(text));
  const many = terminalRuns(`${esc}[31ma${esc}[0mb`.repeat(100_000));
  assert.ok(many.length <= 5001, many.length);
});

test("a search finds names and texts, with the path or the line", () => {
  const value = { web: { port: 80, names: ["Alpha", "beta"] }, "alpha key": 1, text: "one\ntwo alpha\nthree" };
  const where = ({ matches }) => matches.map((one) => `${one.where}=${one.before}[${one.match}]${one.after}`);
  assert.deepEqual(where(find(value, "alpha", 10)), ["web:names:0=[Alpha]", "alpha key=1[]", "text, line 2=two [alpha]"]);
  assert.deepEqual(where(find(value, "80", 10)), ["web:port=[80]"]);
  assert.deepEqual(where(find("x\ny\nxx", "x", 10)), ["line 1=[x]", "line 3=[x]x"]);
  const few = find(Array(50).fill("x"), "x", 20);
  assert.deepEqual([few.matches.length, few.complete], [20, false]);
  const long = find(`${"a".repeat(5_000_000)}needle${"b".repeat(1000)}`, "needle", 5).matches[0];
  assert.ok(long.before.length < 100 && long.after.length < 100);
  assert.deepEqual(find({}, "x", 5), { matches: [], complete: true });
});

const STATE = { result: true, changes: {}, comment: "", __run_num__: 0, __sls__: "web" };
const highstate = (states) => Object.fromEntries(Object.entries(states).map(([id, state]) => [`test_|-${id}_|-${id}_|-nop`, { ...STATE, __id__: id, ...state }]));
const blockedBy = (...ids) => ({ result: false, __state_ran__: false, comment: `One or more requisite failed: ${ids.map((id) => `web.${id}`).join(", ")}` });

test("states that did not run are below the failed state that is their root cause", () => {
  const states = statesOf(
    highstate({ "a, b": { result: false }, one: blockedBy("a, b"), two: blockedBy("one"), "loop 1": blockedBy("loop 2"), "loop 2": blockedBy("loop 1"), lost: blockedBy("elsewhere"), fine: {} }),
  );
  const found = underCauses(states).map(({ state, blocked }) => [state.id, blocked.map(({ id }) => id)]);
  assert.deepEqual(found, [["a, b", ["one", "two"]], ["loop 1", []], ["loop 2", []], ["lost", []], ["fine", []]]);
});

test("an orchestration's return is recognized", () => {
  const states = highstate({ step: {} });
  assert.equal(orchestratedOf({ data: { master_master: states }, outputter: "highstate", retcode: 0 }), states);
  for (const other of [null, 1, "x", {}, { data: states }, { data: { a: states, b: states }, outputter: "highstate" }, { data: { a: [] }, outputter: "highstate" }]) {
    assert.equal(orchestratedOf(other), null, JSON.stringify(other));
  }
});

const returned = (value, fields = {}) => ({ state: "returned", return: value, retcode: 0, ...fields });

function grouped(parts) {
  const groups = new Groups();
  for (const [id, part] of Object.entries(parts)) groups.put(id, part);
  return groups.rows.map(({ state, members }) => [state, [...members.keys()].join(" ")]);
}

test("minions with equal returns are one group, whatever the order of names", () => {
  const parts = { a: returned({ x: 1, y: [1, 2] }), b: returned({ y: [1, 2], x: 1 }), c: returned({ x: 1, y: [2, 1] }), d: returned({ x: 1, y: { 0: 1, 1: 2 } }) };
  assert.deepEqual(grouped(parts), [["returned", "a b"], ["returned", "c"], ["returned", "d"]]);
});

test("what is almost equal is not one group", () => {
  const pairs = [[1, "1"], [null, "null"], [true, 1], [0, false], ["", null], [[], {}], ["a", "a "], [{ a: undefined }, {}], [2n ** 70n, 2n ** 70n + 1n], [["a", "b"], ["ab"]]];
  for (const [one, other] of pairs) assert.equal(grouped({ a: returned(one), b: returned(other) }).length, 2, String(one));
  assert.equal(grouped({ a: returned(1), b: returned(1, { retcode: 1 }) }).length, 2);
  assert.equal(grouped({ a: returned(1), b: { ...returned(1), state: "failed" } }).length, 2);
  assert.equal(grouped({ a: returned({ pid: 1, duration: 2 }), b: returned({ pid: 2, duration: 2 }) }).length, 2, "only states ignore anything");
  assert.equal(grouped({ a: returned("2026-11-30T01:02:03"), b: returned("2026-11-30T01:02:04") }).length, 2);
});

test("groups of states ignore durations, process ids, dates with times and the minion's own id, and nothing else", () => {
  const one = { duration: 1.5, start_time: "01:02:03.5", comment: "web1 done at 2026-11-30 01:02:03.123456", changes: { pid: 5, stdout: "web1.example.com", retcode: 0 } };
  const other = { duration: 2, start_time: "09:02:03.5", comment: "db9 done at 2026-11-29T11:22:33Z", changes: { pid: 6, stdout: "db9.example.com", retcode: 0 } };
  const group = (a, b) => grouped({ web1: returned(highstate({ s: a })), db9: returned(highstate({ s: b })) }).length;
  assert.equal(group({ ...one, changes: { pid: 5 } }, { ...other, changes: { pid: 6 } }), 1);
  assert.equal(group(one, other), 2, "a longer name is not the minion's id");
  const differences = [{ comment: "x" }, { result: false }, { changes: { pid: "5" } }, { changes: { a: { pid: 7 } } }, { name: "n" }, { __run_num__: 3 }, { comment: "port 8080" }, { comment: "12:34:56" }, { comment: "web12" }, { new: 1 }, { changes: { "2026-11-30 01:02:03": 1 } }, { changes: JSON.parse('{"__proto__": {}}') }];
  for (const difference of differences) assert.equal(group({}, difference), 2, JSON.stringify(difference));
  assert.equal(grouped({ web1: returned(highstate({ s: {} })), db9: returned(highstate({ t: {} })) }).length, 2);
});

test("the minion's id counts as its own only where no longer name begins or ends", () => {
  const texts = ["ID", "on ID.", "ID,ID", "/ID/ID/", "ID: x\nID", "(ID)"];
  const longer = ["xID", "ID-a", "a.ID", "-ID", "IDID", "ID.example", "ID_", "IDs"];
  const groups = (text, one, other) => grouped({ [one]: returned(highstate({ s: { comment: text.replaceAll("ID", () => one) } })), [other]: returned(highstate({ s: { comment: text.replaceAll("ID", () => other) } })) }).length;
  for (const [one, other] of [["web1", "db"], ["a.b", "a+b"], ["[x", "web1"], ["$&", "q"]]) {
    for (const text of texts) assert.equal(groups(text, one, other), 1, `${text} ${one} ${other}`);
  }
  for (const text of longer) assert.equal(groups(text, "web1", "db9"), 2, text);
  assert.equal(groups("no id", "", "web1"), 1, "an orchestration names its minions as it likes");
});

test("keys of states are compared without the minion's own id", () => {
  const states = (path, more = {}) => returned(highstate({ [path]: { name: path, comment: "in order" }, ...more }));
  const group = (one, other) => grouped({ web1: one, db9: other }).length;
  assert.equal(group(states("/etc/web1/app.conf"), states("/etc/db9/app.conf")), 1);
  assert.equal(group(states("web1"), states("db9")), 1);
  assert.equal(group(states("/etc/web1/app.conf"), states("/etc/web1/app.conf")), 2, "another minion's id");
  assert.equal(group(states("/etc/web12"), states("/etc/db92")), 2, "a longer name");
  assert.equal(group(states("/etc/web1"), states("/etc/db9", { other: {} })), 2);
});

test("a group is found again after many others", () => {
  const groups = new Groups();
  for (let at = 0; at < 60; at += 1) groups.put(`m${at}`, returned(highstate({ s: { comment: `outcome ${at % 20} of m${at}` } })));
  assert.deepEqual(groups.rows.map(({ members }) => members.size), Array(20).fill(3));
  for (let at = 0; at < 60; at += 1) groups.put(`m${at}`, returned(at % 7));
  for (let at = 0; at < 60; at += 1) groups.put(`m${at}`, { state: "missing", return: null });
  assert.deepEqual(groups.rows.map(({ state, members }) => [state, members.size]), [["missing", 60]]);
});

test("groups come in the order of their weight, and a minion moves when its part changes", () => {
  const groups = new Groups();
  for (const id of ["a", "b", "c", "d"]) groups.put(id, { state: "pending", return: null });
  groups.put("a", returned(highstate({ s: {} })));
  groups.put("b", returned(highstate({ s: { changes: { x: 1 } } })));
  groups.put("c", { state: "missing", return: null });
  groups.put("d", { ...returned(1), state: "failed" });
  assert.deepEqual(groups.rows.map(({ members }) => [...members.keys()].join()), ["d", "c", "b", "a"]);
  for (const id of ["a", "b", "c", "d"]) groups.put(id, returned(true));
  assert.deepEqual(groups.rows.map(({ members }) => members.size), [4]);
});

test("five hundred minions with three outcomes are three groups", () => {
  const parts = Object.fromEntries(
    Array.from({ length: 500 }, (_, at) => {
      const failed = highstate({ s: { result: false, comment: `m${at} failed`, duration: at } });
      return [`m${at}`, at < 47 ? { ...returned(failed), state: "failed" } : at < 490 ? returned(highstate({ s: { duration: at } })) : { state: "missing" }];
    }),
  );
  const groups = new Groups();
  for (const [id, part] of Object.entries(parts)) groups.put(id, part);
  assert.deepEqual(groups.rows.map(({ state, members }) => [state, members.size]), [["failed", 47], ["missing", 10], ["returned", 443]]);
});
