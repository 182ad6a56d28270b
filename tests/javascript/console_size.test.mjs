// The console's size. It has no build step: what is written is what browsers load, compressed by the engine.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { FIRST, VIEWS } from "../../websocket_api/console/lib/views.js";

const CONSOLE = new URL("../../websocket_api/console/", import.meta.url);
const MAX_BYTES = 150_000;
const STATIC = /^(?:import|export)\b[^;]*?\bfrom "([^"]+)"|^import "([^"]+)"/gm;
const DYNAMIC = /\bimport\("([^"]+)"\)/g;

const bytesOf = (name) => readFileSync(new URL(name, CONSOLE));
const textOf = (name) => bytesOf(name).toString();
const resolved = (path, from) => new URL(path, new URL(from, CONSOLE)).href.slice(CONSOLE.href.length);

/** The modules that `names` and their static imports load. */
function closure(names) {
  const found = new Set(names);
  for (const name of found) {
    for (const [, path, bare] of textOf(name).matchAll(STATIC)) found.add(resolved(path ?? bare, name));
  }
  return [...found].sort();
}

function dynamicImports(name) {
  return [...textOf(name).matchAll(DYNAMIC)].map(([, path]) => resolved(path, name));
}

/** What the browser loads until the first view is drawn: main.js, the page it imports at once, and that view. */
function firstView() {
  const [, path] = /import\("([^"]+)"\)/.exec(VIEWS.find((view) => view.name === FIRST).load.toString());
  return closure(["main.js", ...dynamicImports("main.js"), resolved(path, "lib/views.js")]);
}

/** Served for other programs, such as those of docs/clients.md: the page never loads it. */
const FOR_OTHERS = "client/collections.js";

/** The JavaScript client is a package of its own, which other programs use without the console. */
const ofConsole = (name) => !name.startsWith("client/");

const own = (names) => names.filter((name) => !name.startsWith("vendor/"));
const all = readdirSync(CONSOLE, { recursive: true }).filter((name) => name.endsWith(".js")).map((name) => name.replaceAll("\\", "/"));

test("what the browser loads for the first view stays within its budget", () => {
  const names = own(firstView());
  const bytes = names.reduce((sum, name) => sum + bytesOf(name).length, 0);
  assert.ok(names.length > 20, `${names.length} modules`);
  assert.ok(bytes < MAX_BYTES, `${bytes} bytes`);
});

test("all own modules of the console, compressed as the engine serves them, stay within their budget", () => {
  const bytes = own(all).filter(ofConsole).reduce((sum, name) => sum + gzipSync(bytesOf(name), { level: 9 }).length, 0);
  assert.ok(bytes < MAX_BYTES, `${bytes} bytes`);
});

test("the page preloads what the first view needs, and nothing else", () => {
  const listed = [...textOf("index.html").matchAll(/rel="modulepreload" href="([^"]+)"/g)].map(([, name]) => name);
  const needed = firstView().filter((name) => name !== "main.js");
  assert.deepEqual(listed, needed, `index.html needs these lines:\n${needed.map((name) => `  <link rel="modulepreload" href="${name}">`).join("\n")}`);
});

test("every module is used by the page, except the one for other programs", () => {
  const reached = new Set(closure(["main.js"]));
  for (const name of reached) for (const found of closure(dynamicImports(name))) reached.add(found);
  assert.deepEqual(all.filter((name) => !reached.has(name)), [FOR_OTHERS]);
});

test("views have names, titles, icons and keys of their own", () => {
  for (const field of ["name", "title", "icon", "key"]) {
    const values = VIEWS.map((view) => view[field]);
    assert.deepEqual(values.filter(Boolean), [...new Set(values)], field);
  }
});
