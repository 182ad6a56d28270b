// @ts-check
// What the palette finds: items {key, text, kind, href or act}, the best first.

import { isHelper } from "./jobs.js";
import { to } from "./route.js";

const EACH = 6; // minions, jobs and functions at most, of each kind
const JID = /^\d{20}(_\d+)?$/;

/**
 * Return the items for a text. Without one: the views and actions.
 *
 * @param {string} text
 * @param {{views: any[], actions: any[], commands: string[], minions: Iterable<string>, jobs: any[], names: string[]}} sources
 *     `commands`: titles of saved ones; `jobs` newest first; `names` of functions
 */
export function found(text, { views, actions, commands, minions, jobs, names }) {
  const wanted = text.trim().toLowerCase();
  const words = wanted.split(/\s+/).filter(Boolean);
  const matches = (value) => words.every((word) => value.toLowerCase().includes(word));
  const items = [
    ...views.filter((view) => matches(view.title)).map((view) => ({ key: `view ${view.name}`, text: view.title, kind: "view", href: to(view.name) })),
    ...actions.filter((action) => matches(action.text)).map((action) => ({ key: `action ${action.text}`, kind: "action", ...action })),
  ];
  if (!words.length) return items;
  if (JID.test(wanted)) items.push({ key: `jid ${wanted}`, text: wanted, kind: "job", href: to("jobs", wanted) });
  items.push(
    ...commands.filter(matches).slice(0, EACH).map((saved) => ({ key: `saved ${saved}`, text: saved, kind: "saved command", href: to("run", "", { saved }) })),
    ...first([...minions].filter(matches).sort(), wanted).map((id) => ({ key: `minion ${id}`, text: id, kind: "minion", href: to("fleet", id) })),
    ...first([...names].filter(matches).sort(), wanted, new Set(jobs.map((job) => job.fun))).map((fun) => ({ key: `function ${fun}`, text: fun, kind: "run function", href: to("run", "", { fun }) })),
    ...jobs.filter((job) => job.jid !== wanted && !isHelper(job) && matches(`${job.fun} ${job.jid} ${job.tgt} ${job.user}`)).slice(0, EACH)
      .map((job) => ({ key: `job ${job.jid}`, text: `${job.fun ?? "?"} ${job.jid}`, kind: `job, ${job.state}`, href: to("jobs", job.jid) })),
  );
  return items;
}

/** Those that begin with the text come first, then those that were used lately. */
function first(values, wanted, used = new Set()) {
  const rank = (value) => (value.toLowerCase().startsWith(wanted) ? 0 : 2) - (used.has(value) ? 1 : 0);
  return values.sort((a, b) => rank(a) - rank(b)).slice(0, EACH);
}
