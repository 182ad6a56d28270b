// @ts-check
// Which jobs are helpers, highstates or tests of one, and how a highstate ended; and lists of jobs.

const HELPERS = new Set([
  "saltutil.find_job", "saltutil.running", "saltutil.term_job", "saltutil.kill_job", "saltutil.signal_job",
  "sys.list_functions", "sys.argspec", "sys.doc",
]);

export function isHelper(job) {
  return HELPERS.has(job.fun);
}

/**
 * List jobs. If they are too large for one answer (their targets can have thousands of names), request fewer.
 *
 * @param {(type: string, fields: any) => Promise<any[]>} send
 * @param {{limit: number}} fields
 * @returns {Promise<{jobs: any[], all: boolean}>} `all`: whether there are no others
 */
export async function listJobs(send, fields) {
  for (let { limit } = fields; ; limit = Math.floor(limit / 4)) {
    try {
      const jobs = await send("list_jobs", { ...fields, limit });
      return { jobs, all: jobs.length < limit };
    } catch (fault) {
      if (fault.code !== "too_large" || limit < 4) throw fault;
    }
  }
}

/** Return a job with the whole target, if the server cut it and it is already known: the target of a job does not change. */
export function withKnownTarget(job, known) {
  return job.tgt_length && known?.tgt && !known.tgt_length ? { ...job, tgt: known.tgt, tgt_length: undefined } : job;
}

/** Return a job's arguments as {args, kwargs}: Salt's keywords come last, in an object with a mark. */
function callOf(job) {
  const args = Array.isArray(job.arg) ? job.arg : [];
  const kwargs = Object.assign({}, ...args.filter(isKeywords));
  return { args: args.filter((arg) => !isKeywords(arg)), kwargs };
}

function isKeywords(arg) {
  return arg !== null && typeof arg === "object" && arg.__kwarg__ === true;
}

/** Return whether a job applied or tested a whole highstate: `state.apply` with names of states is only a part of it. */
export function isWholeHighstate(job) {
  if (job.fun === "state.highstate") return true;
  if (job.fun !== "state.apply" || !Array.isArray(job.arg)) return false; // the arguments may be hidden
  const { args, kwargs } = callOf(job);
  return !args.some((arg) => arg) && !kwargs.mods;
}

export function isTestRun(job) {
  return Boolean(callOf(job).kwargs.test);
}

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
