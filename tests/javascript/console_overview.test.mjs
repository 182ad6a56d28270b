// The overview: which jobs are highstates, and how each minion's last one ended.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isHighstate, jidAt, outcomeOf, singleOutcome, timeOf } from "../../websocket_api/console/lib/jobs.js";
import { OverviewStore } from "../../websocket_api/console/stores/overview.js";

test("a highstate applies all states, and is no test run", () => {
  const jobs = [
    ["state.highstate", [], true],
    ["state.apply", [], true],
    ["state.apply", [null], true],
    ["state.apply", [""], true],
    ["state.apply", ["web"], false],
    ["state.apply", [{ __kwarg__: true, mods: "web" }], false],
    ["state.apply", [{ __kwarg__: true, test: true }], false],
    ["state.apply", [{ __kwarg__: true, state_events: true }], true],
    ["state.highstate", [{ __kwarg__: true, test: true }], false],
    ["state.highstate", [{ __kwarg__: true, saltenv: "dev" }], true],
    ["state.sls", ["web"], false],
    ["test.ping", [], false],
    ["state.apply", null, false], // hidden
  ];
  for (const [fun, arg, expected] of jobs) assert.equal(isHighstate({ kind: "job", fun, arg }), expected, `${fun} ${JSON.stringify(arg)}`);
  assert.equal(isHighstate({ kind: "runner", fun: "state.apply", arg: [] }), false);
});

test("a jid is a time, and a time is a jid that orders with others", () => {
  assert.equal(timeOf("20141103073312975821"), Date.UTC(2014, 10, 3, 7, 33, 12, 975));
  assert.equal(jidAt(Date.UTC(2014, 10, 3, 7, 33, 12, 975)), "20141103073312975000");
  assert.ok(Number.isNaN(timeOf("no jid")));
});

test("a job on one minion tells its outcome without its minions", () => {
  const job = { total: 1, tgt: "web1", tgt_type: "glob", state: "complete" };
  const table = [
    [{}, ["web1", "succeeded"]],
    [{ state: "failed" }, ["web1", "failed"]],
    [{ state: "partial" }, ["web1", "missing"]],
    [{ state: "running" }, null],
    [{ tgt: ["web1"], tgt_type: "list" }, ["web1", "succeeded"]],
    [{ tgt: "web*" }, null],
    [{ tgt: "os:Debian", tgt_type: "grain" }, null],
    [{ total: 2 }, null],
  ];
  for (const [fields, expected] of table) assert.deepEqual(singleOutcome({ ...job, ...fields }), expected, JSON.stringify(fields));
  assert.deepEqual(["returned", "failed", "missing", "canceled", "running", "pending", "other"].map((state) => outcomeOf({ state })), [
    "succeeded", "failed", "missing", "canceled", "running", "running", "missing",
  ]);
});

/** A connection that answers `list_jobs` from these jobs and sends the frames of one subscription. */
function connectionOf(jobs, frames) {
  const matches = (job, { state, fun }) => (!state || job.state === state) && (!fun || job.fun === fun);
  return {
    state: "open",
    followed: [],
    request: async (type, fields) => (type === "ping" ? { epoch: "e", seq: 1 } : jobs.filter((job) => matches(job, fields))),
    follow(fields, onFrame) {
      this.followed.push(fields);
      queueMicrotask(() => frames.forEach(onFrame));
      return { stop() {} };
    },
  };
}

test("each minion has the newest of its highstates, from jobs on one minion and on many", async () => {
  const now = jidAt(Date.now()).slice(0, 14);
  const job = (number, fields) => ({ jid: `${now}00000${number}`, kind: "job", fun: "state.apply", arg: [], tgt: "*", tgt_type: "glob", total: 2, done: 2, state: "complete", ...fields });
  const jobs = [
    job(1, { state: "failed" }),
    job(2, { tgt: "web1", total: 1 }),
    job(3, { fun: "test.ping", state: "failed" }),
    job(4, { fun: "saltutil.find_job", state: "partial" }),
    job(5, { fun: "test.sleep", state: "running" }),
  ];
  const frames = [
    { type: "job", job: jobs[0], minions: { web1: { state: "failed" }, web2: { state: "failed" } } },
    { type: "live" },
  ];
  const connection = connectionOf(jobs, frames);
  globalThis.location = { href: "http://127.0.0.1:1/console/" };
  const store = new OverviewStore(connection, { jobs: new Map([[jobs[4].jid, { ...jobs[4], state: "failed" }]]) });
  await store.load();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(connection.followed.map(({ jid }) => jid), [[jobs[0].jid]]);
  assert.deepEqual(Object.fromEntries(store.highstates), {
    web1: { jid: jobs[1].jid, outcome: "succeeded" },
    web2: { jid: jobs[0].jid, outcome: "failed" },
  });
  assert.deepEqual(store.failures.map(({ fun }) => fun), ["test.sleep", "test.ping", "state.apply"]);
  assert.deepEqual(store.running, []); // the live list knows that it has ended
  assert.equal(store.health, null); // nothing answers there
  await store.load();
  assert.equal(connection.followed.length, 1); // nothing has changed
});
