// @ts-check
// Helper jobs: Salt, the engine and this page run them to find out about minions and other jobs.

const HELPERS = new Set([
  "saltutil.find_job", "saltutil.running", "saltutil.term_job", "saltutil.kill_job", "saltutil.signal_job",
  "sys.list_functions", "sys.argspec", "sys.doc",
]);

export function isHelper(job) {
  return HELPERS.has(job.fun);
}
