// @ts-check
// Events per second by the beginning of their tags, for the last minute.

export const SECONDS = 60;
const NAMED = 5; // prefixes with their own colour; the others share one
const LEVELS = 2; // parts of the tag in a prefix: salt/job, myco/deploy

export class Rates {
  #counts = new Map(); // second -> Map(prefix -> count)

  count(tag, time) {
    const second = Math.floor(time / 1000);
    let counts = this.#counts.get(second);
    if (!counts) {
      this.#counts.set(second, (counts = new Map()));
      const oldest = Math.floor(Date.now() / 1000) - SECONDS - 5;
      for (const known of this.#counts.keys()) if (known < oldest) this.#counts.delete(known);
    }
    const prefix = prefixOf(tag);
    counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
  }

  /** Return {names, sums, seconds: [{second, counts: [per name], total}], max}: the most frequent prefixes, others last. */
  snapshot(now = Date.now()) {
    const end = Math.floor(now / 1000) - 1; // the current second is not over
    const totals = new Map();
    for (let second = end - SECONDS + 1; second <= end; second++) {
      for (const [prefix, n] of this.#counts.get(second) ?? []) totals.set(prefix, (totals.get(prefix) ?? 0) + n);
    }
    const names = [...totals].sort((a, b) => b[1] - a[1]).slice(0, NAMED).map(([name]) => name);
    const others = totals.size > names.length;
    const seconds = [];
    for (let second = end - SECONDS + 1; second <= end; second++) seconds.push(row(second, this.#counts.get(second), names, others));
    const sums = [...names.map((name) => totals.get(name))];
    const all = [...totals.values()].reduce((sum, n) => sum + n, 0);
    if (others) sums.push(all - sums.reduce((sum, n) => sum + n, 0));
    return { names: others ? [...names, "others"] : names, sums, seconds, max: Math.max(1, ...seconds.map((one) => one.total)) };
  }
}

function row(second, found, names, others) {
  const counts = names.map((name) => found?.get(name) ?? 0);
  const total = [...(found?.values() ?? [])].reduce((sum, n) => sum + n, 0);
  if (others) counts.push(total - counts.reduce((sum, n) => sum + n, 0));
  return { second, counts, total };
}

function prefixOf(tag) {
  const text = tag.length > 200 ? tag.slice(0, 200) : tag;
  return text.split("/").filter(Boolean).slice(0, LEVELS).join("/").slice(0, 40) || "(none)";
}
