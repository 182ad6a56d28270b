// @ts-check
// Times, counts and Salt's arguments in words for people.

import { brief } from "./text.js";

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** A moment (ISO 8601 or milliseconds) as the time of day, with the day where it is not today. */
export function clock(moment) {
  if (moment === null || moment === undefined) return "";
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return String(moment);
  const today = date.toDateString() === new Date().toDateString();
  return today ? TIME.format(date) : `${DAY.format(date)} ${TIME.format(date)}`;
}

/** Seconds as 5 s, 3 min, 2 h, 4 d. */
export function span(seconds) {
  const rounded = Math.max(0, Math.round(seconds));
  if (rounded < 90) return `${rounded} s`;
  if (rounded < 5400) return `${Math.round(rounded / 60)} min`;
  return rounded < 129600 ? `${Math.round(rounded / 3600)} h` : `${Math.round(rounded / 86400)} d`;
}

export function ago(moment) {
  return moment ? `${span((Date.now() - new Date(moment).getTime()) / 1000)} ago` : "";
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** A target as text. */
export function target(job) {
  if (job.tgt === null || job.tgt === undefined) return "";
  const text = Array.isArray(job.tgt) ? job.tgt.join(", ") : String(job.tgt);
  return job.tgt_type && !["glob", "list"].includes(job.tgt_type) ? `${text} (${job.tgt_type})` : text;
}

/** Salt's list of arguments, keywords as name=value. */
export function args(list) {
  return (Array.isArray(list) ? list : [])
    .flatMap((arg) => {
      if (arg === null || typeof arg !== "object" || !arg.__kwarg__) return [brief(arg, 60)];
      return Object.entries(arg)
        .filter(([name]) => name !== "__kwarg__")
        .map(([name, value]) => `${name}=${brief(value, 60)}`);
    })
    .join(" ");
}
