// The list of jobs: its filters, here and as requests, and durations.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULTS, durationOf, durationText, isFiltered, localTime, matcher, requestsOf, toggled } from "../../websocket_api/console/lib/job_filters.js";
import { listJobs } from "../../websocket_api/console/lib/jobs.js";
import { JobStore } from "../../websocket_api/console/stores/job.js";
import { JobsStore } from "../../websocket_api/console/stores/jobs.js";

const JOB = { jid: "20141103073312975821", kind: "job", fun: "state.apply", tgt: "web*", tgt_type: "glob", user: "ann", state: "failed", total: 1, master: "m1" };
const START = Date.UTC(2014, 10, 3, 7, 33);

test("a job must match all filters", () => {
  const table = [
    [{}, true],
    [{ search: "STATE ann" }, true],
    [{ search: "web* 0733" }, true],
    [{ search: "nothing" }, false],
    [{ search: "m4999" }, false],
    [{ state: "failed" }, true],
    [{ state: "running,failed" }, true],
    [{ state: "running" }, false],
    [{ state: "no such state" }, true],
    [{ kind: "job" }, true],
    [{ kind: "runner" }, false],
    [{ master: "m1" }, true],
    [{ master: "m2" }, false],
    [{ from: localTime(START) }, true],
    [{ from: localTime(START + 60000) }, false],
    [{ to: localTime(START + 60000) }, true],
    [{ to: localTime(START) }, false],
    [{ from: "no time" }, true],
  ];
  for (const [fields, expected] of table) assert.equal(matcher({ ...DEFAULTS, ...fields })(JOB), expected, JSON.stringify(fields));
  const many = { ...JOB, tgt: Array.from({ length: 5000 }, (_, at) => `m${at}`), tgt_type: "list" };
  assert.equal(matcher({ ...DEFAULTS, search: "m4999" })(many), true);
  const helper = { ...JOB, fun: "saltutil.find_job" };
  assert.deepEqual([matcher(DEFAULTS)(helper), matcher({ ...DEFAULTS, helpers: "1" })(helper)], [false, true]);
});

test("chips choose several states", () => {
  assert.equal(toggled({ state: "" }, "failed"), "failed");
  assert.equal(toggled({ state: "failed" }, "running"), "failed,running");
  assert.equal(toggled({ state: "failed,running" }, "failed"), "running");
});

test("filters become one request for each state, with job ids for times", () => {
  assert.deepEqual(requestsOf(DEFAULTS), [{}]);
  assert.equal(isFiltered(DEFAULTS), false);
  const filters = { ...DEFAULTS, search: " a b ", state: "failed,partial", kind: "job", master: "m1", from: localTime(START), to: localTime(START + 60000) };
  assert.equal(isFiltered(filters), true);
  assert.equal(isFiltered({ ...DEFAULTS, master: "m1" }), true);
  const times = { since: "20141103073300000000", before: "20141103073400000000" };
  assert.deepEqual(requestsOf(filters), ["failed", "partial"].map((state) => ({ ...times, kind: "job", master: "m1", search: "a b", state })));
});

test("a duration is read from both times, or runs on", () => {
  const job = { start_time: "2014-11-03T07:33:00Z", end_time: "2014-11-03T07:33:12.5Z", state: "complete" };
  assert.equal(durationOf(job), 12.5);
  assert.equal(durationOf({ ...job, end_time: null }), null);
  assert.equal(durationOf({ ...job, end_time: null, state: "running" }, START + 7000), 7);
  assert.equal(durationOf({ ...job, start_time: null }), null);
  assert.equal(durationOf({ ...job, end_time: "2014-11-03T07:32:59Z" }), 0); // clocks of two masters
  const texts = [[null, ""], [0.04, "0.0 s"], [9.96, "10 s"], [99.4, "99 s"], [185, "3:05 min"], [3599.6, "1:00 h"], [7800, "2:10 h"]];
  for (const [seconds, text] of texts) assert.equal(durationText(seconds), text);
});

test("a job is drawn at its first frame and when its snapshot is complete, and seldom in between", (t) => {
  let now = 1000;
  t.mock.method(performance, "now", () => now);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const store = new JobStore({ follow: () => ({ stop() {} }) }, JOB.jid);
  let drawn = 0;
  store.listen(() => (drawn += 1));
  const frame = (...ids) => store.apply({ type: "job", job: JOB, minions: Object.fromEntries(ids.map((id) => [id, { state: "returned", return: true }])) });
  try {
    store.apply({ type: "begin" });
    frame("a");
    assert.equal(drawn, 1);
    for (const id of ["b", "c", "d"]) frame(id);
    assert.equal(drawn, 1);
    now += 1000; // a slow network: what has arrived is shown
    frame("e");
    frame("f");
    assert.equal(drawn, 2);
    t.mock.timers.tick(499);
    assert.equal(drawn, 2);
    t.mock.timers.tick(1); // the rest does not come: what has arrived is shown
    assert.equal(drawn, 3);
    assert.equal(store.complete, false);
    store.apply({ type: "live" });
    assert.equal(drawn, 4);
    assert.equal(store.complete, true);
    assert.deepEqual(store.rows.map(({ members }) => members.size), [6]);
    frame("g");
    assert.equal(drawn, 5);
    store.apply({ type: "begin" }); // a new connection
    store.apply({ type: "ended", error: { code: "forbidden" } });
    assert.equal(drawn, 6);
    t.mock.timers.tick(1000);
    assert.equal(drawn, 6);
  } finally {
    store.stop();
  }
});

const CUT = { ...JOB, tgt: ["m1"], tgt_length: 2, tgt_type: "list" };
const WHOLE = { ...CUT, tgt: ["m1", "m2"], tgt_length: undefined };

/** A connection whose `read` answers with the next of some answers; it notes what is requested. */
function answering(...answers) {
  const [asked, followed] = [[], []];
  const read = async (type, fields) => {
    asked.push([type, fields]);
    const answer = answers.shift();
    if (answer.code) throw answer;
    return answer;
  };
  const follow = (fields) => {
    followed.push(fields);
    return { stop() {} };
  };
  return { asked, followed, state: "open", read, follow };
}

test("a job's page reads a long target once, and keeps it while the job changes", async (t) => {
  const connection = answering(WHOLE);
  const store = new JobStore(connection, JOB.jid);
  t.after(() => store.stop());
  assert.deepEqual(connection.followed, [{ subscription: "job", jid: JOB.jid, short_targets: true }]);
  store.apply({ type: "begin" });
  for (const done of [0, 1]) store.apply({ type: "job", job: { ...CUT, done }, minions: { m1: { state: "pending" } } });
  assert.deepEqual([store.job.tgt, store.job.tgt_length], [["m1"], 2]);
  await new Promise(setImmediate);
  assert.deepEqual(connection.asked, [["get_job", { jid: JOB.jid, minion: "m1" }]]);
  assert.deepEqual([store.job.tgt, store.job.tgt_length, store.job.done], [["m1", "m2"], undefined, 1]);
  store.apply({ type: "job", job: { ...CUT, done: 2 }, minions: {} });
  assert.deepEqual([store.job.tgt, store.job.tgt_length, store.job.done], [["m1", "m2"], undefined, 2]);
  store.apply({ type: "begin" }); // the user may see some minions only now
  store.apply({ type: "job", job: { ...CUT, tgt: null, tgt_length: undefined }, minions: {} });
  assert.equal(store.job.tgt, null);
  assert.equal(connection.asked.length, 1);
});

test("a long target that cannot be read is a fault, and is read again with the next connection", async (t) => {
  const connection = answering({ code: "not_found" }, WHOLE);
  const store = new JobStore(connection, JOB.jid);
  t.after(() => store.stop());
  const frame = { type: "job", job: CUT, minions: {} };
  store.apply({ type: "begin" });
  store.apply(frame);
  await new Promise(setImmediate);
  store.apply(frame);
  assert.deepEqual([store.fault.code, store.job.tgt_length, connection.asked], ["not_found", 2, [["get_job", { jid: JOB.jid }]]]);
  store.apply({ type: "begin" });
  store.apply(frame);
  await new Promise(setImmediate);
  assert.deepEqual(store.job.tgt, ["m1", "m2"]);
});

test("a listed job keeps its whole target when a change has the beginning only", async (t) => {
  const followed = [];
  const follow = (fields, onFrame) => {
    followed.push({ fields, onFrame });
    return { stop() {} };
  };
  const jobs = new JobsStore({ state: "waiting", read: async () => [], follow }, { noteJob() {} });
  t.after(() => jobs.stop());
  jobs.loaded = true;
  jobs.apply({ type: "event", tag: `salt/job/${JOB.jid}/new`, data: { fun: "test.ping", tgt: WHOLE.tgt, tgt_type: "list", minions: WHOLE.tgt } });
  await jobs.load();
  const { fields, onFrame } = followed.at(-1);
  assert.equal(fields.short_targets, true);
  onFrame({ type: "job", job: { ...CUT, state: "running", done: 1 }, minions: {} });
  assert.deepEqual(jobs.rows.map(({ tgt, tgt_length, done }) => [tgt, tgt_length, done]), [[["m1", "m2"], undefined, 1]]);
});

test("fewer jobs are requested if they are too large for one answer", async () => {
  const limits = [];
  const send = (most) => async (_type, { limit, state }) => {
    limits.push(limit);
    if (limit > most) throw { code: "too_large", message: "too large" };
    return Array(Math.min(limit, 30)).fill({ state });
  };
  assert.deepEqual(await listJobs(send(60), { limit: 200, state: "failed" }), { jobs: Array(30).fill({ state: "failed" }), all: true });
  assert.deepEqual(limits, [200, 50]);
  assert.equal((await listJobs(send(20), { limit: 200 })).all, false);
  await assert.rejects(listJobs(send(0), { limit: 200 }), { code: "too_large" });
});

test("found jobs are shown with the newest ones, and do not count as listed", async () => {
  const asked = [];
  const read = async (_type, fields) => {
    asked.push(fields);
    return [JOB, { ...JOB, jid: "20141103073312975822" }];
  };
  const connection = { state: "open", follow: () => ({ stop() {} }), read };
  const jobs = new JobsStore(connection, {});
  try {
    jobs.jobs.set("20141103073312975822", { ...JOB, jid: "20141103073312975822", state: "complete" });
    assert.equal(await jobs.find([{ search: "a" }, { search: "b" }], true), 2);
    assert.deepEqual(asked.map(({ search, stored }) => [search, stored]), [["a", true], ["b", true]]);
    assert.deepEqual(jobs.rows.map(({ jid, state }) => [jid.slice(-1), state]), [["2", "complete"], ["1", "failed"]]);
    assert.equal(jobs.jobs.size, 1);
  } finally {
    jobs.stop();
  }
});

test("a search finds names that are not in the cut target of a listed job", async () => {
  const asked = [];
  const read = async (_type, fields) => {
    asked.push(fields.whole_targets);
    return [WHOLE];
  };
  const jobs = new JobsStore({ state: "open", follow: () => ({ stop() {} }), read }, {});
  try {
    jobs.jobs.set(JOB.jid, CUT);
    await jobs.find([{ search: "m2" }, { kind: "job" }], false);
    assert.deepEqual(asked, [true, undefined]);
    assert.deepEqual(jobs.rows.filter(matcher({ ...DEFAULTS, search: "m2" })).map(({ jid }) => jid), [JOB.jid]);
  } finally {
    jobs.stop();
  }
});

test("an announced job has its master, and a new master is shown when the server names it", (t) => {
  let send;
  const follow = { masters: null, stop() {} };
  const connection = {
    state: "waiting",
    follow(fields, onFrame) {
      if (fields.subscription === "event") send = onFrame;
      return follow;
    },
    read: async () => [],
  };
  const jobs = new JobsStore(connection, { noteJob() {} });
  t.after(() => jobs.stop());
  assert.deepEqual(jobs.masters, []);
  follow.masters = { m2: {}, m1: {} };
  const { version } = jobs;
  send({ type: "bookmark", seq: 1 });
  send({ type: "bookmark", seq: 2 });
  assert.deepEqual([jobs.masters, jobs.version], [["m1", "m2"], version + 1]);
  const data = { fun: "test.ping", minions: ["web1"], _stamp: "2014-11-03T07:33:12" };
  send({ type: "event", seq: 3, tag: `salt/job/${JOB.jid}/new`, data, master: "m2" });
  send({ type: "event", seq: 4, tag: "salt/job/20141103073312975822/new", data });
  assert.deepEqual(jobs.rows.map(({ master }) => master), [undefined, "m2"]);
});
