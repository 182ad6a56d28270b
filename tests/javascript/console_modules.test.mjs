// The console's pure modules: arguments, addresses, texts and states.

import assert from "node:assert/strict";
import { test } from "node:test";

import { callOf, parseValue } from "../../websocket_api/console/lib/arguments.js";
import { faultText } from "../../websocket_api/console/lib/faults.js";
import { args, countsText, tagParts, target } from "../../websocket_api/console/lib/format.js";
import { read, to } from "../../websocket_api/console/lib/route.js";
import { readable } from "../../websocket_api/console/lib/text.js";
import { visible } from "../../websocket_api/console/lib/visible.js";
import { statesOf, statesText } from "../../websocket_api/console/lib/states.js";

const FIELDS = [{ name: "name" }, { name: "size", default: 7 }, { name: "last", default: null }];

test("a field is read as JSON or as Python writes it, else as text", () => {
  const typed = [
    ["5", 5],
    ['"5"', "5"],
    [" 5 ", 5],
    ["1.50.3", "1.50.3"],
    ["true", true],
    ["True", true],
    ["None", null],
    ["null", null],
    ['["a", {"b": 1}]', ["a", { b: 1 }]],
    ["{not json", "{not json"],
    [" two words ", " two words "],
    ["toString", "toString"],
    ["20261125221427006867", "20261125221427006867"],
    ["9007199254740991", "9007199254740991"],
    ["123456789012345", 123456789012345],
  ];
  for (const [text, value] of typed) assert.deepEqual(parseValue(text), value, text);
});

test("what is typed becomes named arguments, and empty fields are left out", () => {
  const made = callOf(FIELDS, { name: "x", size: "" }, "", "test=true\nb = a=b\n\n");
  assert.deepEqual(made, { args: [], kwargs: { name: "x", test: true, b: "a=b" } });
});

test("a line that is not a named argument is refused, not sent as something else", () => {
  for (const line of ["name", "=5", "two words=5"]) {
    assert.throws(() => callOf(FIELDS, {}, "", line), /is not a named argument/, line);
  }
});

test("further positional arguments follow the fields in their order", () => {
  // Defaults fill the places between, because Salt counts them.
  const made = callOf(FIELDS, { last: "z" }, "1\ntwo", "");
  assert.deepEqual(made, { args: [null, 7, "z", 1, "two"], kwargs: {} });
});

test("a value is written up to a length and a depth, and the caller learns whether that was all", () => {
  assert.deepEqual(readable({ a: [1, "b"], c: {} }), ['{\n  "a": [\n    1,\n    "b"\n  ],\n  "c": {}\n}', true]);
  const [text, whole] = readable({ long: Array(1000).fill("x".repeat(1000)) }, 5000);
  assert.ok(text.length <= 5000);
  assert.equal(whole, false);
  let nested = 1;
  for (let depth = 0; depth < 60; depth += 1) nested = { in: nested };
  assert.match(readable(nested)[0], /nested deeper/);
});

test("an address leads back to what it was made from, whatever the id looks like", () => {
  for (const name of ["web-1", "a b/c?d#e%f", "<b>'\"", "ünï", "..", "%zz"]) {
    assert.equal(read(to("fleet", name)).rest, name);
  }
  assert.equal(read("#/fleet/%zz").rest, "%zz");
});

test("a target is shown with its type; of a long one, its beginning", () => {
  const many = Array.from({ length: 5000 }, (_, at) => `m${at}`);
  assert.deepEqual([{ tgt: null }, { tgt: "web*", tgt_type: "glob" }, { tgt: ["a", "b"], tgt_type: "list" }, { tgt: "G@os:x", tgt_type: "compound" }].map((job) => target(job)), ["", "web*", "a, b", "G@os:x (compound)"]);
  assert.match(target({ tgt: many, tgt_type: "list" }), /^m0, m1, .* and 4,950 more$/);
  assert.equal(target({ tgt: many, tgt_type: "list" }, Infinity), many.join(", "));
  assert.ok(target({ tgt: many.join(" or "), tgt_type: "compound" }).length < 3000);
  assert.match(target({ tgt: many.slice(0, 100), tgt_length: 5000, tgt_type: "list" }), /^m0, .* m49 and 4,950 more$/); // as listed
  assert.match(target({ tgt: many.slice(0, 2), tgt_length: 5000, tgt_type: "list" }), /^m0, m1 and 4,998 more$/);
  const text = "a or ".repeat(400);
  assert.deepEqual([text.length, undefined, 2001].map((tgt_length) => target({ tgt: text, tgt_length })), [text, text, `${text}…`]);
});

test("only a highstate is taken for one", () => {
  const state = { result: false, comment: ["odd"], changes: null };
  const found = statesOf({ "test_|-an id_|-a name_|-nop": state });
  assert.deepEqual(
    found.map((one) => [one.id, one.fun, one.kind]),
    [["an id", "test.nop", "failed"]],
  );
  const others = [{}, [], null, "text", ["Rendering SLS failed"], { a: 1 }, { "test_|-a_|-a_|-nop": null, b: {} }];
  for (const other of others) assert.equal(statesOf(other), null, JSON.stringify(other));
});

test("text that can be seen is shown as it is, whatever its script", () => {
  const texts = ["plain", "line\nand\ttab", "from Windows\r\n", "äß 漢字 🚀 e\u0301", "a\u00a0b\u3000c", "\\u202e"];
  for (const text of texts) assert.equal(visible(text), text);
});

test("characters that cannot be seen are shown as escapes that JSON reads back", () => {
  const escaped = {
    "bidirectional override": ["a\u202eb", "a\\u202eb"],
    isolates: ["\u2066\u2067\u2068\u2069", "\\u2066\\u2067\\u2068\\u2069"],
    "marks of direction": ["\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"],
    "zero width": ["\u200b\u200c\u200d\u2060\ufeff", "\\u200b\\u200c\\u200d\\u2060\\ufeff"],
    "escape sequence": ["\x1b[31mred\x1b[0m", "\\u001b[31mred\\u001b[0m"],
    "C0 and C1": ["\x00\x07\x08\x7f\x9b", "\\u0000\\u0007\\u0008\\u007f\\u009b"],
    "carriage return": ["safe\rrm", "safe\\u000drm"],
    "soft hyphen": ["\u00ad", "\\u00ad"],
    separators: ["\u2028\u2029", "\\u2028\\u2029"],
    tags: ["\u{e0041}", "\\udb40\\udc41"],
    "variation selectors": ["\ufe0f\u{e0100}", "\\ufe0f\\udb40\\udd00"],
    fillers: ["\u115f\u1160\u3164\uffa0\u034f", "\\u115f\\u1160\\u3164\\uffa0\\u034f"],
  };
  for (const [name, [text, shown]] of Object.entries(escaped)) {
    assert.equal(visible(text), shown, name);
    assert.equal(visible(shown), shown, `${name}: a second pass changes nothing`);
    assert.equal(JSON.parse(`"${shown}"`), text, name);
  }
});

test("missing and canceled minions have not returned", () => {
  const job = { total: 50, done: 50, failed: 0, missing: 0, canceled: 0 };
  const texts = [
    [job, "50 of 50 returned"],
    [{ ...job, failed: 2, missing: 48 }, "2 of 50 returned · 2 failed · 48 missing"],
    [{ ...job, total: 2, done: 2, canceled: 2 }, "0 of 2 returned · 2 canceled"],
    [{ ...job, done: 10, failed: 1, missing: 2, canceled: 3 }, "5 of 50 returned · 1 failed · 2 missing · 3 canceled"],
    [{ ...job, done: 0 }, "0 of 50 returned"],
  ];
  for (const [counts, text] of texts) assert.equal(countsText(counts), text);
});

const STATE = { result: true, changes: {}, comment: "", __run_num__: 0 };
const highstate = (states) => Object.fromEntries(Object.entries(states).map(([id, state]) => [`test_|-${id}_|-${id}_|-nop`, { ...STATE, ...state }]));

test("each state is of one kind, and the counts add up", () => {
  const states = statesOf(
    highstate({
      same: {},
      changed: { changes: { a: 1 } },
      both: { result: false, changes: { a: 1 } },
      test: { result: null, changes: { a: 1 } },
      blocked: { result: false, __state_ran__: false },
    }),
  );
  assert.deepEqual(
    states.map((state) => [state.id, state.kind]),
    [["both", "failed"], ["changed", "changed"], ["test", "pending"], ["blocked", "blocked"], ["same", "same"]],
  );
  assert.equal(statesText(states), "5 states: 1 failed, 1 changed, 1 would change, 1 not run, 1 unchanged");
  const two = statesOf(highstate({ a: { result: false, changes: { a: 1 } }, b: { changes: { a: 1 } } }));
  assert.equal(statesText(two), "2 states: 1 failed, 1 changed");
  assert.equal(statesText(statesOf(highstate({ a: {} }))), "1 state: 0 failed, 1 unchanged");
});

test("a state that did not run because of a requisite comes after the cause", () => {
  const states = statesOf(highstate({ effect: { result: false, __state_ran__: false }, cause: { result: false, __run_num__: 1 } }));
  assert.deepEqual(states.map((state) => state.id), ["cause", "effect"]);
});

test("an option that the engine added is not shown as an argument", () => {
  const kwargs = (fun, values) => args({ fun, arg: ["web", { __kwarg__: true, ...values }] });
  assert.equal(kwargs("state.apply", { state_events: true, test: true }), "web test=true");
  assert.equal(kwargs("state.apply", { state_events: false }), "web state_events=false");
  assert.equal(kwargs("test.arg", { state_events: true }), "web state_events=true");
  assert.equal(args({ kind: "runner", fun: "state.orch", arg: ["web", { pillar: { a: 1 }, __pub_user: "x" }] }), 'web pillar={"a": 1}');
  assert.equal(args({ kind: "runner", fun: "test.arg", arg: [{ a: 1 }, ["b"]] }), '{"a": 1} ["b"]');
});

test("a tag keeps the end that distinguishes it from others", () => {
  const tag = "salt/job/20261125221427006867/ret/web-1.example.com";
  for (const one of [tag, "short", "", "x".repeat(100), `${"🚀".repeat(40)}`, `a/${"y".repeat(60)}`]) {
    const [start, end] = tagParts(one);
    assert.equal(start + end, one);
    assert.ok(end.length <= 27, end);
    assert.doesNotMatch(end, /^[\uDC00-\uDFFF]/);
  }
  assert.deepEqual(tagParts(tag), ["salt/job/20261125221427006867", "/ret/web-1.example.com"]);
  assert.deepEqual(tagParts("salt/auth"), ["", "salt/auth"]);
});

test("an error says what happened and what to do, without its code", () => {
  const faults = [
    [{ code: "unauthenticated", message: "login refused" }, "Login refused. Check the user name, the password and the backend."],
    [{ code: "forbidden", message: "Salt does not permit this command" }, "Salt does not permit this command. Ask an administrator of this master for the permission."],
    [{ message: "A batch id is a number." }, "A batch id is a number. "],
  ];
  for (const [fault, text] of faults) {
    const found = faultText(fault);
    assert.equal(`${found.text} ${found.fix}`, text);
  }
  const details = [{ path: "/tgt", message: "must be text" }, { message: "named" }, null];
  assert.deepEqual(faultText({ code: "bad_message", message: "it was named", details }).details, ["/tgt must be text"]);
});
