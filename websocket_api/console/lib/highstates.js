// @ts-check
// Which jobs are highstates, and the last one of each minion.

import { isTestRun, isWholeHighstate } from "./state_jobs.js";

/** Return whether a job applied the whole highstate: no single states, and no test run. */
export function isHighstate(job) {
  return job.kind === "job" && isWholeHighstate(job) && !isTestRun(job);
}

/** Return the milliseconds at which a jid was made, or NaN. */
export function timeOf(jid) {
  const [, y, mo, d, h, mi, s, ms] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})/.exec(jid) ?? [];
  return Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s), Number(ms));
}

/** Return the smallest jid of a time: jobs that started later have greater ones. */
export function jidAt(milliseconds) {
  return new Date(milliseconds).toISOString().replace(/\D/g, "").padEnd(20, "0");
}

const OF_JOB = { complete: "succeeded", failed: "failed", partial: "missing", canceled: "canceled" };

/** Return [id, outcome] of a job on one minion that has ended, as schedules run it; null for another job. */
export function singleOutcome({ total, tgt, tgt_type, state }) {
  const id = Array.isArray(tgt) && tgt.length === 1 ? tgt[0] : tgt;
  const isId = typeof id === "string" && (tgt_type === "list" || tgt_type === "glob") && !/[*?[\],]/.test(id);
  return total === 1 && isId && OF_JOB[state] ? [id, OF_JOB[state]] : null;
}

const KIND = { returned: "succeeded", failed: "failed", missing: "missing", canceled: "canceled", running: "running", pending: "running" };

/** Return how a minion's part of a highstate ended: succeeded, failed, missing, canceled or running. */
export function outcomeOf(part) {
  return KIND[part.state] ?? "missing";
}
