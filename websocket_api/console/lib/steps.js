// @ts-check
// The steps of a running orchestration, from the events that Salt fires when each begins, and the jobs that they start.
//
// The events `salt/run/ORCHESTRATION/args` name the orchestration by a job id that Salt makes when it begins, which is not the
// runner's. Jobs do not name their orchestration, so a job belongs to the step with its function and target.

const SKEW_MS = 5000; // by which the events of two processes can be apart
const MAX_STEPS = 1000;
const MAX_JOBS = 2000; // jobs that wait for their step: its event can arrive later
export const TAGS = ["salt/run/*/args", "salt/job/*/new", "salt/run/*/new"];
const ORCHESTRATIONS = /^state\.(orchestrate|orch|sls|orchestrate_single|orchestrate_high)$/;

export function isOrchestration(job) {
  return job.kind === "runner" && ORCHESTRATIONS.test(job.fun ?? "");
}

export class Steps {
  /** In their order: {number, type, name, fun, tgt, time, jid}; `jid` is null until the job is known, if it is one. */
  list = [];
  /** Whether another orchestration began meanwhile, whose steps may be among these. */
  uncertain = false;

  #job;
  #orchestration = null;
  #jobs = []; // announced jobs without a step: {jid, fun, tgt, time}

  /** @param {any} job the orchestration's job object */
  constructor(job) {
    this.#job = job;
  }

  /** Apply an event of TAGS; return whether something changed. */
  apply({ tag, data, minion }) {
    if (minion || data === null || typeof data !== "object") return false; // only the master announces steps and jobs
    const [, kind, jid, action] = tag.split("/");
    const time = Date.parse(`${data._stamp ?? ""}`.replace(/(?<!Z|[+-]\d\d:\d\d)$/, "Z"));
    if (!(time >= Date.parse(this.#job.start_time) - SKEW_MS)) return false;
    if (action === "args" && kind === "run") return this.#addStep(jid, data, time);
    if (action === "new" && jid !== this.#job.jid) return this.#addJob({ jid, fun: functionOf(kind, data), tgt: kind === "job" ? data.tgt : null, time });
    return false;
  }

  #addStep(orchestration, data, time) {
    if (orchestration < this.#job.jid) return false; // it began before
    this.#orchestration ??= orchestration;
    if (orchestration !== this.#orchestration) {
      this.uncertain = true;
      return true;
    }
    if (this.list.length >= MAX_STEPS) return false;
    const step = { number: this.list.length + 1, type: `${data.type}`, name: `${data.name}`, fun: functionOfStep(data), tgt: data.tgt ?? null, time, jid: null };
    this.list.push(step);
    const at = this.#jobs.findIndex((job) => belongs(job, step));
    if (at >= 0) step.jid = this.#jobs.splice(at, 1)[0].jid;
    return true;
  }

  #addJob(job) {
    const step = this.list.find((one) => one.jid === null && belongs(job, one));
    if (step) {
      step.jid = job.jid;
      return true;
    }
    this.#jobs.push(job);
    if (this.#jobs.length > MAX_JOBS) this.#jobs.shift();
    return false;
  }
}

function functionOf(kind, data) {
  const fun = `${data.fun ?? ""}`;
  return kind === "run" ? fun.replace(/^runner\./, "") : fun;
}

/** Return the function that a step runs, as its job has it. */
function functionOfStep({ type, name, args }) {
  if (type !== "state") return `${name}`;
  const arg = args?.arg ?? [];
  return arg.length ? "state.sls" : "state.highstate";
}

function belongs(job, step) {
  const target = step.type === "runner" || step.type === "wheel" ? null : step.tgt;
  return job.fun === step.fun && JSON.stringify(job.tgt) === JSON.stringify(target) && Math.abs(job.time - step.time) <= SKEW_MS;
}
