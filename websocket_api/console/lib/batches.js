// @ts-check
// Batches in words, and the batch that runs failed requests of another again.

export const RUNNING = new Set(["pending", "dispatching"]);
const FAILED = new Set(["error", "timeout"]);
const REDACTED = "(redacted)"; // what the server puts in the place of a secret

/** Return the state of a batch as a word: a pause is no status of its own. */
export function stateOf(batch) {
  return batch.paused ? "paused" : batch.status;
}

export function titleOf(batch) {
  return batch.name ?? `Batch ${batch.id}`;
}

/** Return what a batch runs, such as `test.ping` or `pkg.install, service.restart`. */
export function functionsOf(batch) {
  return (batch.functions ?? []).join(", ");
}

/** Return a batch's target, or how many requests it has if that is no single expression. */
export function targetOf(batch) {
  if (!batch.tgt) return batch.total_count === 1 ? "1 request" : `${batch.total_count.toLocaleString("en")} requests`;
  return batch.tgt_type && batch.tgt_type !== "glob" ? `${batch.tgt} (${batch.tgt_type})` : batch.tgt;
}

/**
 * Return the items of a batch that runs these requests again, with the number of its requests and minions, or a reason
 * why that is not possible.
 *
 * @param {Iterable<any>} requests
 * @param {boolean} andCanceled whether canceled requests are meant, too
 * @returns {{items: any[], count: number, minions: string[], reason: string}}
 */
export function againOf(requests, andCanceled) {
  const items = new Map();
  const times = new Map(); // how often a minion has a call
  let count = 0;
  for (const { status, fun, arg, kwarg, minion } of requests) {
    if (!FAILED.has(status) && !(andCanceled && status === "canceled")) continue;
    const key = JSON.stringify([fun, arg, kwarg]);
    if (key.includes(REDACTED)) return { items: [], count: 0, minions: [], reason: "Their arguments contain a secret, which the server does not show." };
    // A minion that has the same call twice gets it in another item: a list of ids has each once.
    const number = times.get(`${minion} ${key}`) ?? 0;
    times.set(`${minion} ${key}`, number + 1);
    const item = items.get(`${number} ${key}`) ?? { fun, arg, kwarg, tgt: [], tgt_type: "list" };
    item.tgt.push(minion);
    items.set(`${number} ${key}`, item);
    count += 1;
  }
  const all = [...items.values()];
  return { items: all, count, minions: [...new Set(all.flatMap((item) => item.tgt))].sort(), reason: "" };
}
