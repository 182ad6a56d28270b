// What the console makes of what is typed and of what arrives: its modules, called as they are.

import assert from "node:assert/strict";
import { test } from "node:test";

import { callOf, parsed } from "../../websocket_api/console/lib/arguments.js";
import { read, to } from "../../websocket_api/console/lib/route.js";
import { readable } from "../../websocket_api/console/lib/text.js";
import { visible } from "../../websocket_api/console/lib/visible.js";
import { statesOf } from "../../websocket_api/console/stores/job.js";

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
  for (const [text, value] of typed) assert.deepEqual(parsed(text), value, text);
});

test("what is typed becomes named arguments, and empty fields are left out", () => {
  const made = callOf(FIELDS, { name: "x", size: "" }, "", "test=true\nb = a=b\n\n");
  assert.deepEqual(made, { args: [], kwargs: { name: "x", test: true, b: "a=b" } });
});

test("a line that is not a named argument is refused, not sent as something else", () => {
  for (const line of ["name", "=5", "two words=5"]) {
    assert.throws(() => callOf(FIELDS, {}, "", line), /is no name=value/, line);
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

test("only a highstate is taken for one", () => {
  const state = { result: false, comment: ["odd"], changes: null };
  const found = statesOf({ "test_|-an id_|-a name_|-nop": state });
  assert.deepEqual(
    found.map((one) => [one.id, one.fun, one.failed, one.changed]),
    [["an id", "test.nop", true, false]],
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
