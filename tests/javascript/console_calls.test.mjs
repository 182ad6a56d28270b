// The console's calls: run again, edit, and copied as commands that give every argument back exactly.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";

import { callOf, intoFields, parseValue, typedText } from "../../websocket_api/console/lib/arguments.js";
import { callOfJob, canTest, formOfQuery, isTest, messageOf, queryOf, withTest } from "../../websocket_api/console/lib/calls.js";
import { asCurl, asPython, asSalt, asSaltLive } from "../../websocket_api/console/lib/copies.js";
import { visible } from "../../websocket_api/console/lib/visible.js";

const ROOT = new URL("../../", import.meta.url).pathname;
const PYTHON = `${ROOT}.venv/bin/python`;
const SKIP = existsSync(PYTHON) ? false : "no .venv: make venv";
const ORIGIN = "https://salt.example.com:8000";

const JOB = { kind: "job", fun: "test.arg", arg: ["a", 1, { __kwarg__: true, b: [true, null] }], tgt: "web*", tgt_type: "glob" };

test("a job's call is the one that was sent", () => {
  const { call, reason } = callOfJob(JOB);
  assert.equal(reason, "");
  assert.deepEqual(messageOf(call), ["cmd", { fun: "test.arg", tgt: "web*", tgt_type: "glob", args: ["a", 1], kwargs: { b: [true, null] } }]);
  const list = callOfJob({ ...JOB, tgt: "a,b", tgt_type: "list", arg: [{ a: 1 }] }).call;
  assert.deepEqual([list.target, list.args, list.kwargs], [{ tgt: ["a", "b"], tgt_type: "list" }, [{ a: 1 }], {}]);
  const runner = callOfJob({ kind: "runner", fun: "state.orch", arg: ["deploy", { pillar: { a: 1 }, __pub_user: "(redacted)" }] });
  assert.equal(runner.reason, "");
  assert.deepEqual(messageOf(runner.call), ["runner", { method: "state.orch", args: ["deploy"], kwargs: { pillar: { a: 1 } } }]);
});

test("the option that reports progress is the engine's own field again", () => {
  const { call } = callOfJob({ ...JOB, fun: "state.apply", arg: ["web", { __kwarg__: true, state_events: true, test: true }] });
  assert.deepEqual(messageOf(call)[1], { fun: "state.apply", tgt: "web*", tgt_type: "glob", args: ["web"], kwargs: { test: true }, progress: true });
  assert.deepEqual(callOfJob({ ...JOB, arg: [{ __kwarg__: true, state_events: true }] }).call.kwargs, { state_events: true });
});

test("a job that is not known exactly cannot be run again, and says why", () => {
  const reasons = [
    [{ fun: null }, /function is not known/],
    [{ fun: "test.ping,test.version" }, /several functions/],
    [{ arg: null }, /arguments are not known/],
    [{ tgt: null }, /target is not known/],
    [{ arg: ["x", { __kwarg__: true, password: "(redacted)" }] }, /secret/],
    [{ arg: [{ deep: ["password=(redacted)"] }] }, /secret/],
  ];
  for (const [fields, pattern] of reasons) assert.match(callOfJob({ ...JOB, ...fields }).reason, pattern);
  assert.equal(callOfJob({ ...JOB, fun: null }).call, null);
  // On the beginning of its target it would run on other minions.
  assert.equal(callOfJob({ ...JOB, tgt: ["a"], tgt_type: "list", tgt_length: 2 }).call, null);
});

test("states are tested and applied; off is sent too, because a minion may have the test mode on", () => {
  const { call } = callOfJob({ ...JOB, fun: "state.apply", arg: ["web"] });
  assert.deepEqual([canTest(call), isTest(call), isTest(withTest(call, true))], [true, false, true]);
  assert.deepEqual(withTest(withTest(call, true), false).kwargs, { test: false });
  assert.equal(canTest(callOfJob(JOB).call), false);
  assert.equal(canTest(callOfJob({ kind: "runner", fun: "state.orchestrate", arg: ["x"] }).call), true);
  assert.equal(canTest(callOfJob({ kind: "runner", fun: "state.event", arg: [] }).call), false);
});

test("the address of the form has the whole call, but no secret", () => {
  const arg = ["a b", { x: 1 }, { __kwarg__: true, big: 2n ** 70n, password: "(redacted)", text: "5" }];
  const query = queryOf(callOfJob({ ...JOB, arg, tgt: ["a", "b"], tgt_type: "list" }).call);
  assert.deepEqual({ ...query, kwarg: "" }, { client: "local", fun: "test.arg", tgt: "a,b", tgt_type: "list", arg: '["a b",{"x":1}]', kwarg: "" });
  assert.match(query.kwarg, /^\{"big":"?1180591620717411303424"?,"text":"5"\}$/);
});

const TEXTS = [
  "", " ", "a b", "it's", '"quoted"', "$HOME `id` $(id) !! \\", "a;b&c|d>e<f*?[x]{y}~", "-n", "--help", "-5", "5", "1_000", "1e3", "0x1f", "1:20", "true", "None", "null", "~", "yes", "no", "a=b", "a==b", "é=1", "a: b", "a:", "# x", "a #b", "a#b", "a=1#2", "[1, 2] # x", "[1]", "{a: 1}", "%x", "@x", "&a b", "*a", "!x", "|", ">", "---", "...", "line\nbreak\n", "a=b\n", "tab\there", "\r\n", "\u202ertl\u200b", "\u001b[31m", "😀 é 漢", "\ufeffx", "2001-01-01", "20261125221427006867", "df -h | grep /dev", "systemctl restart nginx && echo done", "http://a/b?c=d&e", "..", "/a/b:c", "x\\u0041", "(redacted", "a\u0085b", "\u2028",
];
const VALUES = [...TEXTS, 0, -5, 1.5, -2.5e-7, 1e21, true, false, null, [], {}, ["a", ["b", { c: "#d'\"" }]], { "a b": [1, "2", null], "": "-", "#": "x: y" }, ["1", 1, 1e21]];
test("a form that the address fills in sends the same call", () => {
  for (const value of VALUES) assert.deepEqual(parseValue(typedText(value)), value, JSON.stringify(value));
  const call = { client: "local", fun: "test.arg", target: { tgt: ["a", "b"], tgt_type: "list" }, args: VALUES, kwargs: { one: "x\ny=z", two: VALUES }, progress: false };
  const form = formOfQuery(new URLSearchParams(queryOf(call)));
  assert.deepEqual([form.client, form.fun, form.tgt, form.tgt_type], ["local", "test.arg", "a,b", "list"]);
  assert.deepEqual(callOf([], form.typed, form.more, form.moreNamed), { args: VALUES, kwargs: call.kwargs });
  const fields = [{ name: "first" }, { name: "two" }];
  const filled = intoFields(fields, formOfQuery(new URLSearchParams(queryOf({ ...call, args: ["a b"] }))));
  assert.deepEqual(callOf(fields, filled.typed, filled.more, filled.moreNamed), { args: [], kwargs: { first: "a b", ...call.kwargs } });
  assert.deepEqual([filled.more, filled.moreNamed], ["", 'one="x\\ny=z"']);
});

test("an address that was typed wrong fills in what can be read", () => {
  const form = (text) => formOfQuery(new URLSearchParams(text));
  assert.equal(form(""), null);
  assert.deepEqual(form("tgt=web1&tgt_type=list"), { tgt: "web1", tgt_type: "list", client: "local" });
  assert.equal(form("tgt=web1").tgt_type, "glob");
  for (const bad of ["arg={}", "arg=[", "kwarg=[]", "kwarg=null", "client=ssh"]) {
    assert.deepEqual(form(`fun=test.ping&${bad}`), { fun: "test.ping", client: "local", typed: {}, more: "", moreNamed: "", filled: true });
  }
});

const TARGETS = [
  ["*", "glob"], ["web'1 $x", "glob"], [["a", "b"], "list"], ["G@os:Debian and not web1", "compound"], ["os:Debian", "grain"], ["web\\d+", "pcre"], ["web\u202e\n", "glob"], ["10.0.0.0/8", "ipcidr"],
];

function callsToCopy() {
  const calls = VALUES.map((value) => ({ args: [value], kwargs: { name: value } }));
  calls.push({ args: VALUES, kwargs: {} });
  return [
    ...calls.map((call) => ({ client: "local", fun: "test.arg", target: { tgt: "*", tgt_type: "glob" }, progress: false, ...call })),
    ...TARGETS.map(([tgt, tgt_type]) => ({ client: "local", fun: "test.arg", target: { tgt, tgt_type }, progress: false, args: [], kwargs: {} })),
    ...calls.map((call) => ({ client: "runner", fun: "test.arg", target: null, progress: false, ...call })),
  ];
}

/** Run commands in a shell in which these names only tell their arguments; return the words of each command. */
function throughShell(commands) {
  const functions = ["salt", "salt-run", "salt-live", "curl"].map((name) => `${name}() { printf '%s\\0' "$#" ${name} "$@"; }`);
  const script = [...functions, "SALTAPI_TOKEN=the-token", ...commands].join("\n");
  const { stdout, stderr, status } = spawnSync("bash", ["-c", script], { encoding: "utf8", maxBuffer: 1e8, env: { ...process.env, LC_ALL: "C.UTF-8" } });
  assert.deepEqual([stderr, status], ["", 0]);
  const [found, parts] = [[], stdout.split("\0")];
  for (let at = 0; at < parts.length - 1; at += Number(parts[at]) + 2) found.push(parts.slice(at + 1, at + 2 + Number(parts[at])));
  assert.equal(found.length, commands.length);
  return found;
}

/** Run a Python program that reads JSON and writes JSON. */
function throughPython(program, value) {
  const { stdout, stderr, status } = spawnSync(PYTHON, ["-c", program], { input: JSON.stringify(value), encoding: "utf8", maxBuffer: 1e8, env: { ...process.env, PYTHONPATH: `${ROOT}clients/python/src` } });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

const READ_AS_SALT = `
import json, sys
from salt.utils.args import parse_input
from salt_live.cli.arguments import parse
json.dump([[parse_input(words, condition=False), parse([word for word in words if isinstance(word, str)])] for words in json.load(sys.stdin)], sys.stdout)`;

test("a copied command gives every target and argument back, through the shell and Salt's own parser", { skip: SKIP }, () => {
  for (const make of [asSalt, asSaltLive]) {
    const calls = callsToCopy();
    const texts = calls.map((call) => make(call, ORIGIN).text);
    for (const text of texts) assert.equal(visible(text), text, "nothing is hidden, so the clipboard has the same text");
    const found = throughShell(texts);
    const words = found.map((line, at) => {
      const { client, target, fun } = calls[at];
      const rest = line.slice(make === asSaltLive ? 4 : 1);
      const options = client === "local" ? { glob: [], list: ["-L"], compound: ["-C"], grain: ["-G"], pcre: ["-E"], ipcidr: ["-S"] }[target.tgt_type] : [];
      const start = client === "local" ? [...options, String(target.tgt), fun] : [fun];
      assert.deepEqual(rest.slice(0, start.length), start);
      return rest.slice(start.length);
    });
    for (const line of words) for (const word of line) assert.doesNotMatch(word, /^-/, "no word is an option");
    throughPython(READ_AS_SALT, words).forEach((parsers, at) => {
      for (const [args, kwargs] of parsers) assert.deepEqual([args, kwargs], [calls[at].args, calls[at].kwargs], texts[at]);
    });
  }
});

test("a copied curl command sends the call, and the token only from the environment", { skip: SKIP }, () => {
  const calls = callsToCopy();
  const texts = calls.map((call) => asCurl(call, ORIGIN).text);
  for (const text of texts) assert.equal(visible(text), text);
  throughShell(texts).forEach((words, at) => {
    const { client, fun, target, args, kwargs } = calls[at];
    const body = JSON.parse(words[words.indexOf("-d") + 1])[0];
    assert.ok(words.includes("X-Auth-Token: the-token"));
    assert.equal(words[2], `${ORIGIN}/`);
    assert.deepEqual([body.client, body.fun, body.kwarg ?? {}], [`${client}_async`, fun, kwargs]);
    if (client === "local") assert.deepEqual([body.tgt, body.tgt_type, body.arg ?? []], [target.tgt, target.tgt_type, args]);
  });
  // The server reads the texts of a runner's arguments as the command line does.
  const runners = calls.map((call, at) => [call, texts[at]]).filter(([{ client }]) => client === "runner");
  const args = throughShell(runners.map(([, text]) => text)).map((words) => JSON.parse(words[words.indexOf("-d") + 1])[0].arg);
  throughPython(READ_AS_SALT, args).forEach(([[read]], at) => assert.deepEqual(read, runners[at][0].args));
});

test("a copied program calls the client with the same arguments", { skip: SKIP }, () => {
  const program = `
import json, os, sys, types
calls = []
class Client:
    def __init__(self, url, token): self.start = [url, token]
    def __enter__(self): return self
    def __exit__(self, *fault): pass
    def cmd(self, *arg, **kwarg): calls.append([*self.start, "cmd", arg, kwarg])
    @property
    def runner(self): return types.SimpleNamespace(cmd=lambda *arg, **kwarg: calls.append([*self.start, "runner.cmd", arg, kwarg]))
sys.modules["salt_live"] = types.SimpleNamespace(Client=Client)
os.environ["SALTAPI_TOKEN"] = "the-token"
real, sys.stdout = sys.stdout, sys.stderr
for text in json.load(sys.stdin): exec(compile(text, "copied", "exec"), {})
json.dump(calls, real)`;
  const calls = callsToCopy();
  const texts = calls.map((call) => asPython(call, ORIGIN).text);
  for (const text of texts) assert.equal(visible(text), text);
  throughPython(program, texts).forEach(([url, token, method, given, named], at) => {
    const { client, fun, target, args, kwargs } = calls[at];
    assert.deepEqual([url, token, method], ["wss://salt.example.com:8000", "the-token", client === "local" ? "cmd" : "runner.cmd"]);
    assert.deepEqual(given, client === "local" ? [target.tgt, fun, args] : [fun, args]);
    assert.deepEqual([named.tgt_type ?? "glob", named.kwarg ?? {}], [target?.tgt_type ?? "glob", kwargs]);
  });
});

test("what a command cannot say is refused in words", () => {
  const call = { client: "local", fun: "test.arg", target: { tgt: "a", tgt_type: "glob" }, args: [], kwargs: {}, progress: false };
  const refused = [
    [{ target: { tgt: "a:b", tgt_type: "pillar_exact" } }, /no option for targets of type pillar_exact/],
    [{ target: { tgt: "-x", tgt_type: "glob" } }, /cannot have this target/],
    [{ target: { tgt: ["a,b"], tgt_type: "list" } }, /cannot have this target/],
    [{ kwargs: { "a b": 1 } }, /names of arguments/],
    [{ client: "wheel", target: null }, /no command for wheel/],
  ];
  for (const [fields, pattern] of refused) assert.match(asSalt({ ...call, ...fields }).problem, pattern);
});
