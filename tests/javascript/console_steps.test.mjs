// The console's orchestrations: which events are steps, and which job belongs to which step.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Steps, isOrchestration } from "../../websocket_api/console/lib/steps.js";

const JOB = { kind: "runner", jid: "20261130030000000000", fun: "state.orchestrate", start_time: "2026-11-30T03:00:00.000000+00:00" };
const OWN = "20261130030001500000";
const at = (seconds) => new Date(Date.parse(JOB.start_time) + 1000 * seconds).toISOString().replace("Z", "");
const args = (seconds, data, orchestration = OWN) => ({ tag: `salt/run/${orchestration}/args`, data: { _stamp: at(seconds), ...data } });
const announced = (seconds, jid, data, kind = "job") => ({ tag: `salt/${kind}/${jid}/new`, data: { _stamp: at(seconds), ...data } });

const STATE = { type: "state", name: "web", tgt: "web*", args: { arg: ["nginx"] } };
const FUNCTION = { type: "function", name: "test.ping", tgt: ["a", "b"], args: { arg: [] } };
const HIGHSTATE = { type: "state", name: "all", tgt: "*", args: { arg: [] } };
const RUNNER = { type: "runner", name: "manage.up", args: [], kwargs: {} };

function stepsOf(...events) {
  const steps = new Steps(JOB);
  for (const event of events) steps.apply(event);
  return steps;
}

test("a step has the job with its function and target, whichever event arrives first", () => {
  const events = [
    args(2, STATE), announced(2.1, "20261130030002100000", { fun: "state.sls", tgt: "web*" }),
    announced(3.1, "20261130030003100000", { fun: "test.ping", tgt: ["a", "b"] }), args(3, FUNCTION),
    args(4, HIGHSTATE), announced(4.1, "20261130030004100000", { fun: "state.highstate", tgt: "*" }),
    args(5, RUNNER), announced(5.1, "20261130030005100000", { fun: "runner.manage.up" }, "run"),
  ];
  const { list, uncertain } = stepsOf(...events);
  assert.deepEqual(list.map(({ number, name, jid }) => [number, name, jid?.slice(12, 15)]), [[1, "web", "021"], [2, "test.ping", "031"], [3, "all", "041"], [4, "manage.up", "051"]]);
  assert.equal(uncertain, false);
});

test("jobs of other functions, targets and times belong to no step", () => {
  const others = [
    announced(2.1, "20261130030002100000", { fun: "state.sls", tgt: "db*" }),
    announced(2.1, "20261130030002100001", { fun: "test.ping", tgt: "web*" }),
    announced(60, "20261130030100000000", { fun: "state.sls", tgt: "web*" }),
    { ...announced(2, "20261130030002000000", { fun: "state.sls", tgt: "web*" }), minion: "evil" },
    announced(2, JOB.jid, { fun: "state.sls", tgt: "web*" }),
  ];
  assert.deepEqual(stepsOf(args(2, STATE), ...others).list.map(({ jid }) => jid), [null]);
});

test("two equal steps have a job each", () => {
  const job = (seconds, jid) => announced(seconds, jid, { fun: "state.sls", tgt: "web*" });
  const { list } = stepsOf(args(2, STATE), job(2.1, "20261130030002100000"), args(3, STATE), job(3.1, "20261130030003100000"));
  assert.deepEqual(list.map(({ jid }) => jid), ["20261130030002100000", "20261130030003100000"]);
});

test("events of other orchestrations, of minions and from before are no steps", () => {
  const other = stepsOf(args(2, STATE), args(3, FUNCTION, "20261130030002900000"));
  assert.deepEqual([other.list.length, other.uncertain], [1, true]);
  const steps = stepsOf(
    args(2, STATE, "20261130025900000000"),
    args(-60, STATE),
    { ...args(2, STATE), minion: "evil" },
    { tag: `salt/run/${OWN}/args`, data: null },
    { tag: `salt/run/${OWN}/args`, data: { type: "state" } },
  );
  assert.deepEqual([steps.list.length, steps.uncertain], [0, false]);
});

test("orchestrations are recognized among runners", () => {
  for (const fun of ["state.orchestrate", "state.orch", "state.sls", "state.orchestrate_single"]) assert.ok(isOrchestration({ kind: "runner", fun }));
  for (const job of [{ kind: "job", fun: "state.sls" }, { kind: "runner", fun: "jobs.active" }, { kind: "runner", fun: null }]) assert.ok(!isOrchestration(job));
});
