// The client's types, which are made from the schemas: they accept every example of the schemas.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = new URL("../../", import.meta.url).pathname;
const CLIENT = join(ROOT, "websocket_api/console/client");
const TSC = join(ROOT, "node_modules/.bin/tsc");
const SKIP = existsSync(TSC) ? false : "TypeScript is not installed: npm ci";

const parse = (path) => JSON.parse(readFileSync(join(ROOT, "schemas", path), "utf8"));
const camel = (name) => name.split("_").map((word) => word[0].toUpperCase() + word.slice(1)).join("");

/** Return the compiler's complaints about a program. */
function complaints(lines) {
  const folder = mkdtempSync(join(tmpdir(), "types-"));
  try {
    const imports = [["client", "index"], ["collections", "collections"]];
    const source = [...imports.map(([name, file]) => `import type * as ${name} from "${CLIENT}/${file}.js";`), ...lines].join("\n");
    writeFileSync(join(folder, "program.ts"), source);
    const options = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "false", "--module", "esnext", "--moduleResolution", "bundler", "--types", ""];
    const { stdout } = spawnSync(TSC, [...options, join(folder, "program.ts")], { encoding: "utf8" });
    return stdout.trim();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the types accept every example of a request, a result and a frame", { skip: SKIP }, () => {
  const lines = [];
  const add = (type, examples) => {
    for (const example of examples ?? []) lines.push(`export const v${lines.length}: client.${type} = ${JSON.stringify(example)};`);
  };
  for (const file of readdirSync(join(ROOT, "schemas/operations"))) {
    const [name, schema] = [file.replace(".json", ""), parse(`operations/${file}`)];
    add(`Requests["${name}"]`, schema.examples);
    add(`Results["${name}"]`, schema.$defs.result.examples);
  }
  for (const [name, schema] of Object.entries(parse("frames.json").$defs)) {
    if (!/reply|bare/.test(name)) add(`${camel(name)}Frame`, schema.examples);
  }
  assert.ok(lines.length > 60, `${lines.length} examples`);
  assert.equal(complaints(lines), "");
});

test("the types refuse what the schemas refuse", { skip: SKIP }, () => {
  const connection = "declare const connection: client.Connection; declare const shared: typeof collections;";
  const wrong = [
    `connection.request("no_such_operation");`,
    `connection.request("get_job", { jid: 5 });`,
    `connection.request("list_jobs", { limit: "many" });`,
    `connection.request("list_jobs", { no_such_field: 1 });`,
    `connection.follow({ subscription: "nothing" }, () => {});`,
    `connection.request("list_jobs").then((jobs) => jobs[0].no_such_field);`,
    `shared.minions(connection, { grains: "os" });`,
    `shared.jobs(connection).subscribe((jobs) => jobs.clear());`,
  ];
  const right = [
    `connection.request("list_jobs").then((jobs) => jobs[0].canceled.toFixed());`,
    `shared.minions(connection, { grains: ["os"] }).subscribe((minions) => minions.get("web1")?.grains?.os);`,
    `shared.jobs(connection).subscribe((jobs) => [...jobs.values()].map((job) => job.state), (fault) => fault.code)();`,
  ];
  const found = complaints([connection, ...wrong, ...right]);
  const lines = [...found.matchAll(/^\S+\((\d+),\d+\): error TS2\d{3}:/gm)].map(([, line]) => Number(line));
  assert.deepEqual([...new Set(lines)], wrong.map((_, at) => at + 4), found);
});
