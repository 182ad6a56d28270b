// @ts-check
// The filters of the list of jobs: whether a job matches them, and the requests that find more such jobs.

import { target } from "./format.js";
import { isHelper, jidAt } from "./jobs.js";

/** States with their words on the chips. */
export const STATES = { running: "Running", complete: "Complete", failed: "Failed", partial: "Partial", canceled: "Canceled", unknown: "Unknown" };
export const KINDS = { "": "Jobs of all kinds", job: "On minions", runner: "Runners", wheel: "Wheel functions" };

/** All filters; `state` lists several by commas, `from` and `to` are local times as fields of a form have them. */
export const DEFAULTS = { search: "", state: "", kind: "", master: "", from: "", to: "", helpers: "" };

/** Return the states that are chosen; none means all. */
export function statesOf({ state }) {
  return state.split(",").filter((name) => name in STATES);
}

/** Return the text of the filter after a press of a state's chip. */
export function toggled(filters, name) {
  const states = statesOf(filters);
  return (states.includes(name) ? states.filter((one) => one !== name) : [...states, name]).join(",");
}

/** Return a local time as fields of the type datetime-local have it. */
export function localTime(milliseconds) {
  const date = new Date(milliseconds);
  return new Date(milliseconds - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

/** Return the times of the filters as jids; an invalid one counts as none. */
function timesOf(filters) {
  const [since, before] = [filters.from, filters.to].map((text) => (Number.isNaN(Date.parse(text)) ? null : jidAt(Date.parse(text))));
  return { ...(since ? { since } : {}), ...(before ? { before } : {}) };
}

/** Return a function that tells whether a job matches the filters. */
export function matcher(filters) {
  const states = new Set(statesOf(filters));
  const words = filters.search.toLowerCase().split(/\s+/).filter(Boolean);
  const { since = "", before = "~" } = timesOf(filters);
  const known = new WeakMap(); // a changed job is another object, and a target can have thousands of names
  const hasWords = (job) => {
    if (!known.has(job)) {
      const text = `${job.jid} ${job.fun} ${target(job, Infinity)} ${job.user}`.toLowerCase();
      known.set(job, words.every((word) => text.includes(word)));
    }
    return known.get(job);
  };
  return (job) =>
    (filters.helpers || !isHelper(job)) &&
    (!states.size || states.has(job.state)) &&
    (!filters.kind || job.kind === filters.kind) &&
    (!filters.master || job.master === filters.master) &&
    job.jid > since && job.jid < before &&
    (!words.length || hasWords(job));
}

/** Return whether there is a filter that the server can apply to jobs that are not loaded yet. */
export function isFiltered(filters) {
  return Boolean(filters.search.trim() || statesOf(filters).length || filters.kind || filters.master || filters.from || filters.to);
}

/** Return the fields of the requests `list_jobs` that find the jobs of the filters, one for each state. */
export function requestsOf(filters) {
  /** @type {Record<string, string>} */
  const fields = { ...timesOf(filters), ...(filters.kind ? { kind: filters.kind } : {}), ...(filters.master ? { master: filters.master } : {}) };
  if (filters.search.trim()) fields.search = filters.search.trim().slice(0, 256);
  const states = statesOf(filters);
  return states.length ? states.map((state) => ({ ...fields, state })) : [fields];
}

/** Return how many seconds a job took, or takes so far; null if its end is unknown. */
export function durationOf({ start_time: start, end_time: end, state }, now = Date.now()) {
  const until = end ? Date.parse(end) : state === "running" ? now : Number.NaN;
  const seconds = (until - Date.parse(start)) / 1000;
  return Number.isNaN(seconds) ? null : Math.max(0, seconds);
}

/** Format a duration: 0.4 s, 12 s, 3:05 min, 2:10 h. */
export function durationText(seconds) {
  if (seconds === null) return "";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 100) return `${whole} s`;
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)} h` : `${minutes}:${two(whole % 60)} min`;
}
