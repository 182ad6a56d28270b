// The frame: what the palette finds, what keys mean, filters in addresses, and the ends of started jobs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { lazy } from "../../websocket_api/console/lib/lazy.js";
import { found } from "../../websocket_api/console/lib/palette.js";
import { countFilters, filtersOf, queryOf, read, to } from "../../websocket_api/console/lib/route.js";
import { Shortcuts } from "../../websocket_api/console/lib/shortcuts.js";
import { ReportingConnection, StartedJobs, endOf } from "../../websocket_api/console/lib/started.js";
import { Toasts } from "../../websocket_api/console/parts/toasts.js";

const JID = "20141103073312975821";
const SOURCES = {
  views: [{ name: "fleet", title: "Fleet", key: "f" }, { name: "jobs", title: "Jobs", key: "j" }],
  actions: [{ text: "Theme: dark", act() {} }],
  commands: ["Restart the proxies"],
  minions: ["db1", "web2", "web1"],
  jobs: [{ jid: JID, fun: "test.ping" }, { jid: JID.replace("821", "822"), fun: "saltutil.find_job" }].map((job) => ({ ...job, tgt: "*", user: "ann", state: "complete" })),
  names: ["network.ping", "pkg.install", "test.ping", "web.start"],
};
const texts = (text) => found(text, SOURCES).map((item) => item.text);

test("a view's module is loaded once, also before it is shown, and again after a failure", async () => {
  let loads = 0;
  const View = lazy(async () => {
    loads += 1;
    if (loads === 1) throw new Error("offline");
    return () => null;
  });
  await assert.rejects(View.load());
  await Promise.all([View.load(), View.load()]);
  assert.equal(loads, 2);
});

test("the palette shows views and actions at first, then all that matches", () => {
  assert.deepEqual(texts(""), ["Fleet", "Jobs", "Theme: dark"]);
  assert.deepEqual(texts("web"), ["web1", "web2", "web.start"]);
  assert.deepEqual(texts("ping"), ["test.ping", "network.ping", `test.ping ${JID}`]); // functions that ran lately first
  assert.deepEqual(texts(` ${JID} `), [JID]);
  assert.deepEqual(texts("ann test"), [`test.ping ${JID}`]);
  assert.deepEqual(texts("ann"), [`test.ping ${JID}`]); // no helper jobs
  assert.deepEqual(texts("nothing"), []);
  const [saved] = found("proxies", SOURCES);
  assert.deepEqual([saved.text, saved.href], ["Restart the proxies", "#/run?saved=Restart+the+proxies"]);
  const [function_] = found("pkg.", SOURCES);
  assert.equal(function_.href, "#/run?fun=pkg.install");
  const keys = found("e", SOURCES).map((item) => item.key);
  assert.equal(new Set(keys).size, keys.length);
});

test("keys mean actions, except while the user types or they are turned off", () => {
  const stored = new Map();
  globalThis.localStorage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value), removeItem: (key) => stored.delete(key) };
  const shortcuts = new Shortcuts(SOURCES.views);
  const press = (key, { typing = false, now = 0, ...fields } = {}) => shortcuts.actionOf({ key, ...fields }, typing, now);
  assert.equal(press("?"), "help");
  assert.equal(press("/"), "search");
  assert.equal(press("?", { typing: true }), null);
  for (const fields of [{ ctrlKey: true }, { metaKey: true }, { ctrlKey: true, typing: true }]) assert.equal(press("k", fields), "palette");
  assert.equal(press("K", { ctrlKey: true }), "palette");
  assert.equal(press("k"), null);
  assert.equal(press("/", { ctrlKey: true }), null);
  assert.deepEqual([press("g", { now: 1000 }), press("j", { now: 1200 })], [null, "jobs"]);
  assert.deepEqual([press("g", { now: 5000 }), press("j", { now: 9000 })], [null, null]);
  assert.deepEqual([press("g", { now: 10000 }), press("x", { now: 10100 }), press("j", { now: 10200 })], [null, null, null]);
  assert.equal(press("j"), null);
  shortcuts.singleKeys = false;
  assert.deepEqual([press("?"), press("g", { now: 1 }), press("j", { now: 2 }), press("k", { ctrlKey: true })], [null, null, null, "palette"]);
});

test("an address has the filters that differ from the default, and reads them again", () => {
  const defaults = { search: "", state: "all" };
  for (const filters of [defaults, { search: "a&b=c d/%", state: "all" }, { search: "", state: "failed" }]) {
    const address = to("jobs", "", queryOf(filters, defaults));
    assert.deepEqual(filtersOf(read(address).query, defaults), filters, address);
  }
  assert.equal(to("jobs", "", queryOf(defaults, defaults)), "#/jobs");
  const filters = { search: "web", state: "failed" };
  assert.deepEqual([countFilters(filters, defaults), countFilters(filters, defaults, "search"), countFilters(defaults, defaults)], [2, 1, 0]);
  assert.deepEqual(filtersOf(read("#/jobs?unknown=1&state=failed").query, defaults), { search: "", state: "failed" });
});

test("the report of a job's end has its state, its counts and its address", () => {
  const job = { kind: "job", jid: JID, fun: "state.apply", total: 3, done: 3, failed: 1, missing: 1, canceled: 0, state: "partial" };
  assert.deepEqual(endOf(job), {
    title: "state.apply ended, some minions did not return", text: "2 of 3 returned · 1 failed · 1 missing", href: `#/jobs/${JID}`, failed: true,
  });
  const titles = ["complete", "failed", "canceled", "unknown"].map((state) => endOf({ ...job, state }).title);
  assert.deepEqual(titles, ["state.apply succeeded", "state.apply failed", "state.apply was canceled", "state.apply ended"]);
  assert.equal(endOf({ ...job, kind: "runner", state: "complete" }).text, "runner on the master");
});

test("jobs that are started and not waited for are followed to their end, and long ones are reported", (context) => {
  let now = 0;
  context.mock.method(performance, "now", () => now);
  const connection = new ReportingConnection("ws://127.0.0.1:1/ws");
  const frames = new Map();
  const stopped = [];
  connection.follow = ({ jid }, onFrame) => {
    frames.set(jid, onFrame);
    return { stop: () => stopped.push(jid) };
  };
  const ended = [];
  const started = new StartedJobs(connection, (job) => ended.push(job.jid));
  for (const jid of ["1", "2", "2", "3"]) connection.onStarted(jid);
  const send = (jid, state) => frames.get(jid)({ type: "job", job: { jid, state } });
  send("1", "running");
  send("1", "complete"); // at once: the user still looks at it
  now = 4000;
  send("2", "failed");
  send("2", "failed"); // a late return changes it again
  frames.get("3")({ type: "ended", error: { code: "not_found" } });
  assert.deepEqual([ended, stopped], [["2"], ["1", "2", "3"]]);
  connection.onStarted("4");
  started.stop();
  assert.deepEqual(stopped.at(-1), "4");
});

test("only operations that start jobs and do not wait for them are reported", async () => {
  const connection = new ReportingConnection("ws://127.0.0.1:1/ws");
  const reported = [];
  connection.onStarted = (jid) => reported.push(jid);
  Object.getPrototypeOf(ReportingConnection.prototype).request = async (type, { n }) => ({ jid: `${type} ${n}` });
  await connection.request("cmd", { n: 1 });
  await connection.request("cmd", { n: 2, mode: "sync" });
  await connection.request("runner", { n: 3, mode: "async" });
  await connection.request("get_job", { n: 4 });
  assert.deepEqual(reported, ["cmd 1", "runner 3"]);
});

test("the newest messages are kept, and each can be removed", () => {
  const toasts = new Toasts();
  const keys = [1, 2, 3, 4, 5].map((n) => toasts.add({ title: `job ${n}` }));
  assert.deepEqual(toasts.all.map(({ title }) => title), ["job 2", "job 3", "job 4", "job 5"]);
  toasts.remove(keys[2]);
  assert.deepEqual(toasts.all.map(({ key }) => key), [keys[1], keys[3], keys[4]]);
});
