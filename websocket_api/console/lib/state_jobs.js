// @ts-check
// Which jobs are highstates, and which of them only tested.

/** Return a job's arguments as {args, kwargs}: Salt's keywords come last, in an object with a mark. */
export function callOf(job) {
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
