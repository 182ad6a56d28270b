// @ts-check
// Helper jobs: Salt, the engine and this page run them to find out about minions and other jobs.

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
