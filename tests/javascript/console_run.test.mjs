// What the form of a command is made from: pillar, suggestions, documentation, commands that the browser keeps.

import assert from "node:assert/strict";
import { test } from "node:test";

import { exportCommands, importCommands, templatesOf, titleOf, withoutSecrets } from "../../websocket_api/console/lib/commands.js";
import { blocksOf, firstLine, inlineOf } from "../../websocket_api/console/lib/rst.js";
import { suggestTargets } from "../../websocket_api/console/lib/suggest.js";
import { parsePillar, parseYaml } from "../../websocket_api/console/lib/yaml.js";
import { CommandsStore } from "../../websocket_api/console/stores/commands.js";

test("pillar is read as YAML or as JSON", () => {
  const texts = [
    ["", undefined],
    ["site:\n  port: 8080\n  names: [a, 'b c']\n", { site: { port: 8080, names: ["a", "b c"] } }],
    ['{"site": {"port": 8080, "on": true, "none": null}}', { site: { port: 8080, on: true, none: null } }],
    ["list:\n- a\n- b: 1\n  c: yes\n-\n  - x", { list: ["a", { b: 1, c: true }, ["x"]] }],
    ["# comment\n---\na: b # more\nhash: a#b", { a: "b", hash: "a#b" }],
    ['text: |\n  one\n    two\n\n  three\nend: "a\\tb"', { text: "one\n  two\n\nthree\n", end: "a\tb" }],
    ["last: |\n  no line break at the end", { last: "no line break at the end" }],
    ["folded: >-\n  one\n  two\n\n  three", { folded: "one two\nthree" }],
    ["'a: b': \"c # d\"\nurl: http://x/y\nempty:\nversion: 1.2.3\nrate: 1.5", { "a: b": "c # d", url: "http://x/y", empty: null, version: "1.2.3", rate: 1.5 }],
    ["a: {b: 1, c: [x,\n  y]}\nd: 1", { a: { b: 1, c: ["x", "y"] }, d: 1 }],
  ];
  for (const [text, value] of texts) assert.deepEqual(parsePillar(text), value, text);
});

test("what YAML would read otherwise than it looks is refused, with its line", () => {
  const texts = [
    ["a: 1\nb: [1, 2", /line 2: a bracket is not closed/],
    ["a: 1\n  b: 2", /line 2: this line does not fit/],
    ["a:\n  b: 1\n c: 2", /line 3: this line does not fit/],
    ["a:\n\tb: 1", /line 2: indent with spaces/],
    ["mode: 0644", /line 1: put 0644 in quotes/],
    ["time: 12:30", /put 12:30 in quotes/],
    ["day: 2026-01-02", /put 2026-01-02 in quotes/],
    ["a: *b", /anchors, aliases and tags/],
    ["a: !!python/object:os.system x", /anchors, aliases and tags/],
    ["a: 1\na: 2", /line 2: the key a is there twice/],
    ["a: b: c", /a value with a colon needs quotes/],
    ["a: 'b", /line 1: the quote is not closed/],
    ["a: one\n  two", /line 2: this line does not fit/],
    ["id: 12345678901234567890", /cannot keep such a number exact/],
    ["- a\n- b", /a pillar has keys and values/],
    ["just text", /a pillar has keys and values/],
    ["a: @b", /put this text in quotes/],
    ["a: -.5", /put -.5 in quotes/],
    ["a: [,]", /nothing before the comma/],
    ["... a: 1", /put this text in quotes|expected a key|plain text|keys and values/],
    ["yes: 1", /put the key yes in quotes/],
  ];
  for (const [text, message] of texts) assert.throws(() => parsePillar(text), message, text);
  assert.throws(() => parseYaml("[".repeat(100000)), /nested too deeply/);
  assert.equal({}.polluted, undefined);
  assert.deepEqual(Object.keys(parsePillar("__proto__: {polluted: 1}")), ["__proto__"]);
});

const MINIONS = [
  { id: "web1", key: "accepted", connected: true, grains: { os: "Debian", roles: ["web", "cache"] } },
  { id: "web2", key: null, connected: false, grains: { os: "Debian" } },
  { id: "old", key: "pending", connected: null, grains: null },
  { id: "dummy-01", key: null, connected: null, grains: null, resource: { type: "dummy", minion: "web1" } },
];
const suggested = (tgt, tgt_type, groups = []) => suggestTargets({ tgt, tgt_type }, MINIONS, groups).map((one) => `${one.tgt_type} ${one.value}`);

test("a target is completed by ids, grains and nodegroups", () => {
  assert.deepEqual(suggested("", "glob"), ["glob dummy-01", "glob web1", "glob web2"]);
  assert.deepEqual(suggested("deb", "glob"), ["grain os:Debian"]);
  assert.deepEqual(suggested("web", "glob", ["webs"]), ["glob web1", "glob web2", "grain roles:web", "nodegroup webs"]);
  assert.deepEqual(suggested("web1, w", "list"), ["list web1, web1", "list web1, web2"]);
  assert.deepEqual(suggested("web1 and G@os", "compound"), ["compound web1 and G@os:Debian"]);
  assert.deepEqual(suggested("not N@w", "compound", ["webs"]), ["compound not N@webs"]);
  assert.deepEqual(suggested("cache", "grain"), ["grain roles:cache"]);
  assert.deepEqual(suggested("", "nodegroup", ["b", "a"]), ["nodegroup b", "nodegroup a"]);
  assert.deepEqual(suggested("web", "pcre"), []);
  assert.deepEqual(suggestTargets({ tgt: "deb", tgt_type: "glob" }, MINIONS, [])[0].detail, "grain of 2 minions");
});

const DOC = `
    .. versionadded:: 2015.5.0

    Apply states, see :py:func:\`state.sls <salt.modules.state.sls>\` or \`\`state.highstate\`\`.

    test
        Run in **test** mode.

    :param str mods: names of states,
        separated by commas

    CLI Example:

    .. code-block:: bash

        salt '*' state.apply
          # <b>indented</b>

    * one
    * two <script>x</script>
`;

test("documentation is read as blocks, and hostile text stays text", () => {
  const blocks = blocksOf(DOC);
  assert.deepEqual(
    blocks.map((one) => one.kind),
    ["note", "p", "term", "p", "field", "p", "code", "item", "item"],
  );
  assert.equal(blocks[6].text, "salt '*' state.apply\n  # <b>indented</b>");
  assert.deepEqual([blocks[4].name, blocks[4].text], ["str mods", "names of states, separated by commas"]);
  assert.equal(blocks[8].text, "two <script>x</script>");
  assert.deepEqual(inlineOf(blocks[1].text)[1], { kind: "code", text: "state.sls" });
  assert.match(firstLine(DOC), /^Apply states, see state\.sls or state\.highstate\.$/);
  assert.equal(firstLine(null), "");
  assert.ok(blocksOf("x ".repeat(200000)).length === 1);
  for (const odd of ["::", "..", ".. code::", ":a:", "- ", "=====", "\t::\n\n\n", "*".repeat(5000)]) assert.ok(Array.isArray(blocksOf(odd)), odd);
});

const FORM = {
  client: "local", tgt: "web*", tgt_type: "glob", fun: "shadow.set_password", typed: { name: "root", password: "hunter2", size: "" },
  more: "x", moreNamed: "api_key=abc\nforce=true", pillar: "a: secret", how: "now", concurrency: "1", stop: true, progress: true, job: "1",
};

test("commands are kept without pillar and without arguments that are named like secrets", () => {
  const { command, omitted } = withoutSecrets(FORM);
  assert.deepEqual(omitted, ["pillar", "password", "api_key"]);
  assert.deepEqual([command.typed, command.moreNamed, command.pillar, command.job], [{ name: "root" }, "force=true", undefined, undefined]);
  assert.equal(titleOf(command), "web* shadow.set_password name=root x force=true");
  for (const secret of ["hunter2", "abc", "a: secret"]) assert.ok(!JSON.stringify(command).includes(secret));
});

test("a file of commands is checked, and cannot bring secrets or other fields", () => {
  const file = exportCommands([{ title: "mine", command: { ...FORM, odd: 1 }, omitted: [] }]);
  const [entry] = importCommands(file);
  assert.deepEqual([entry.title, entry.command.odd, entry.command.pillar, entry.command.typed], ["mine", undefined, undefined, { name: "root" }]);
  assert.deepEqual(importCommands('{"commands": [1, null, {"command": {"fun": 5}}, {"command": {"fun": "a.b", "client": "ssh"}}]}'), []);
  assert.throws(() => importCommands("no"), /not JSON/);
  assert.throws(() => importCommands("[]"), /no list of commands/);
});

test("recent commands are kept for each user, newest first, each once", (t) => {
  const stored = new Map();
  globalThis.localStorage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
  t.after(() => delete globalThis.localStorage);
  const of = (user) => new CommandsStore({ user, eauth: "pam" });
  const commands = of("ann");
  for (let at = 0; at < 30; at += 1) commands.ran({ ...FORM, fun: `test.f${at}` });
  commands.ran({ ...FORM, fun: "test.f20" });
  commands.save("mine", FORM);
  assert.deepEqual([of("ann").recent.length, of("ann").recent[0].command.fun, of("ann").recent[1].command.fun], [20, "test.f20", "test.f29"]);
  assert.deepEqual(of("ann").saved.map((one) => one.title), ["mine"]);
  assert.deepEqual(of("bob").recent, []);
  stored.set("salt-console-commands:pam:eve", "{broken");
  assert.deepEqual(of("eve").saved, []);
  assert.ok(![...stored.values()].join().includes("hunter2"));
});

test("templates of SaltGUI in the master's configuration become saved commands", () => {
  const base = { client: "local", tgt: "", tgt_type: "glob", typed: {}, more: "", moreNamed: "" };
  const table = [
    [{ description: "First", target: "*", command: "test.fib num=10" }, "First", { fun: "test.fib", tgt: "*", moreNamed: "num=10" }],
    [{ targettype: "nodegroup", target: "web", command: "test.version" }, "name", { fun: "test.version", tgt: "web", tgt_type: "nodegroup" }],
    [{ target: "a,b", command: "cmd.run 'ls -l' cwd=\"/my files\" [1, 2]" }, "name", { fun: "cmd.run", tgt: "a,b", tgt_type: "list", more: '"ls -l"\n[1, 2]', moreNamed: 'cwd="/my files"' }],
    [{ target: "G@os:Debian", command: "x.y a='b c' kw={\"d\": 1}" }, "name", { fun: "x.y", tgt: "G@os:Debian", tgt_type: "compound", moreNamed: 'a="b c"\nkw={"d": 1}' }],
    [{ command: "runners.jobs.active" }, "name", { client: "runner", fun: "jobs.active" }],
    [{ command: "wheel.key.list all" }, "name", { client: "wheel", fun: "key.list", more: "all" }],
    [{ target: 5 }, "name", { fun: "", tgt: "5" }],
    [null, "name", { fun: "" }],
  ];
  for (const [template, title, fields] of table) {
    assert.deepEqual(templatesOf({ saltgui_templates: { name: template } }), [{ title, command: { ...base, ...fields }, omitted: [] }], JSON.stringify(template));
  }
  assert.deepEqual(templatesOf({ saltgui_templates: { name: { command: "x.y password=1" } } })[0].omitted, ["password"]);
  for (const config of [null, {}, { saltgui_templates: null }]) assert.deepEqual(templatesOf(config), []);
});
