// @ts-check
// Times, counts, targets and Salt's arguments as text.

import { reportsStates } from "./functions.js";
import { brief } from "./text.js";

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** Format a time (ISO 8601 or milliseconds) as the time of day, with the day if it is not today. */
export function clock(moment) {
  if (moment === null || moment === undefined) return "";
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return String(moment);
  const today = date.toDateString() === new Date().toDateString();
  return today ? TIME.format(date) : `${DAY.format(date)} ${TIME.format(date)}`;
}

/** Format seconds as 5 s, 3 min, 2 h, 4 d. */
export function span(seconds) {
  const rounded = Math.max(0, Math.round(seconds));
  if (rounded < 90) return `${rounded} s`;
  if (rounded < 5400) return `${Math.round(rounded / 60)} min`;
  return rounded < 129600 ? `${Math.round(rounded / 3600)} h` : `${Math.round(rounded / 86400)} d`;
}

/** Format a duration in milliseconds as 12 ms, 1.5 s, 3 min. */
export function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return milliseconds < 60000 ? `${(milliseconds / 1000).toFixed(1)} s` : span(milliseconds / 1000);
}

export function ago(moment) {
  return moment ? `${span((Date.now() - new Date(moment).getTime()) / 1000)} ago` : "";
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

const NAMED = 50; // minions of a list
const CHARACTERS = 40; // of another target, for each of these

/** Format a job's target: its beginning, because a list can have thousands of minions and is drawn often. */
export function target(job, named = NAMED) {
  if (job.tgt === null || job.tgt === undefined) return "";
  const text = Array.isArray(job.tgt) ? namesOf(job.tgt, named, job.tgt_length) : cut(String(job.tgt), named * CHARACTERS, job.tgt_length);
  return job.tgt_type && !["glob", "list"].includes(job.tgt_type) ? `${text} (${job.tgt_type})` : text;
}

function cut(text, max, all = text.length) {
  return all > Math.min(max, text.length) ? `${text.slice(0, max)}…` : text;
}

/** Return the first minions by name, and how many more of all there are. */
export function namesOf(minions, max, all = minions.length) {
  const rest = all - Math.min(max, minions.length);
  return `${minions.slice(0, max).join(", ")}${rest > 0 ? ` and ${rest.toLocaleString("en")} more` : ""}`;
}

/** Format a job's arguments, each with at most `max` characters, keywords as name=value. */
export function args(job, max = 60) {
  const all = Array.isArray(job.arg) ? job.arg : [];
  // A runner's or wheel's named arguments are a last object without Salt's mark.
  const isNamed = (arg, at) => arg.__kwarg__ || (["runner", "wheel"].includes(job.kind) && at === all.length - 1 && !Array.isArray(arg));
  return all
    .flatMap((arg, at) => {
      if (arg === null || typeof arg !== "object" || !isNamed(arg, at)) return [brief(arg, max)];
      return Object.entries(arg)
        .filter(([name, value]) => !name.startsWith("__") && !isProgressOption(job.fun, name, value))
        .map(([name, value]) => `${name}=${brief(value, max)}`);
    })
    .join(" ");
}

/** The engine adds `state_events=True` for progress reports; the user did not type it. */
function isProgressOption(fun, name, value) {
  return name === "state_events" && value === true && reportsStates(fun ?? "");
}

const TAG_END = 26; // characters of a tag that stay visible when the rest is cut

/** Split a tag into a beginning that may be cut, and an end that distinguishes it from others: `/ret/web1`. */
export function tagParts(tag) {
  if (tag.length <= TAG_END) return ["", tag];
  const slash = tag.indexOf("/", tag.length - TAG_END);
  let at = slash < 0 ? tag.length - TAG_END : slash;
  if (/[\uDC00-\uDFFF]/.test(tag[at])) at -= 1; // not between the halves of a character
  return [tag.slice(0, at), tag.slice(at)];
}

export const SEPARATOR = " · ";

/** Return how many minions of a job have returned, with success or without. One that is missing or was canceled has ended only. */
export function returnedCount(job) {
  return job.done - job.missing - (job.canceled ?? 0);
}

/** Return a job's counts, such as `2 of 50 returned · 2 failed · 48 missing`. */
export function countsText(job) {
  const parts = [`${returnedCount(job)} of ${job.total} returned`];
  for (const name of ["failed", "missing", "canceled"]) if (job[name]) parts.push(`${job[name]} ${name}`);
  return parts.join(SEPARATOR);
}
