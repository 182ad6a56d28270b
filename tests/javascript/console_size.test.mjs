// The console's size: it has no build step, so what is written is what browsers load.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const CONSOLE = new URL("../../websocket_api/console/", import.meta.url);
const MAX_BYTES = 150_000; // of own modules, without the vendored library

test("the console's own JavaScript stays within its budget", () => {
  const files = readdirSync(CONSOLE, { recursive: true }).filter((name) => name.endsWith(".js") && !name.startsWith("vendor"));
  const bytes = files.reduce((sum, name) => sum + readFileSync(new URL(name, CONSOLE)).length, 0);
  assert.ok(files.length > 30, `${files.length} modules`);
  assert.ok(bytes < MAX_BYTES, `${bytes} bytes`);
});
