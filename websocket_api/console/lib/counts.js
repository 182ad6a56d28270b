// @ts-check
// The counts of a job in words. A minion that is missing or was canceled has ended, but has not returned.

export const SEPARATOR = " · ";

/** Return how many minions of a job have returned, with success or without. */
export function returnedCount(job) {
  return job.done - job.missing - (job.canceled ?? 0);
}

/** Return a job's counts, such as `2 of 50 returned · 2 failed · 48 missing`. */
export function countsText(job) {
  const parts = [`${returnedCount(job)} of ${job.total} returned`];
  for (const name of ["failed", "missing", "canceled"]) if (job[name]) parts.push(`${job[name]} ${name}`);
  return parts.join(SEPARATOR);
}
