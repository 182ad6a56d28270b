// @ts-check
// The call of a job, to run it again: from the arguments in Salt's form.

import { linesOfCall } from "./arguments.js";
import { hasTestMode, reportsStates } from "./functions.js";

const REDACTED = "(redacted)"; // what the server puts in the place of a secret
const ORCHESTRATES = /^state\.(orchestrate|orch|sls)$/; // runners with a test mode
const CLIENTS = { job: "local", runner: "runner", wheel: "wheel" };

/**
 * Return a job's call and why it cannot be run again as it was, if so.
 *
 * @param {any} job a job object
 * @returns {{call: Call | null, reason: string}} without a call if the function is unknown
 * @typedef {{client: string, fun: string, target: {tgt: string | string[], tgt_type: string} | null, args: any[],
 *     kwargs: Record<string, any>, progress: boolean}} Call
 */
export function callOfJob(job) {
  if (!job.fun || job.fun.includes(",")) {
    return { call: null, reason: job.fun ? "A job of several functions cannot be run again here." : "Its function is not known." };
  }
  if (job.tgt_length) return { call: null, reason: "Only the beginning of its target is known." };
  const client = CLIENTS[job.kind];
  const [args, kwargs] = split(job, Array.isArray(job.arg) ? job.arg : []);
  const progress = client === "local" && kwargs.state_events === true && reportsStates(job.fun);
  if (progress) delete kwargs.state_events;
  const hidden = isRedacted(args) || isRedacted(kwargs);
  const call = { client, fun: job.fun, target: client === "local" ? targetOf(job) : null, args, kwargs, progress };
  return { call, reason: reasonOf(job, hidden) };
}

function targetOf({ tgt, tgt_type }) {
  if (Array.isArray(tgt)) return { tgt, tgt_type: "list" };
  return tgt_type === "list" ? { tgt: (tgt ?? "").split(","), tgt_type } : { tgt: tgt ?? "", tgt_type: tgt_type ?? "glob" };
}

function reasonOf(job, hidden) {
  if (hidden) return "Its arguments contain a secret, which the server does not show.";
  if (!Array.isArray(job.arg)) return "Its arguments are not known.";
  return job.kind === "job" && !job.tgt?.length ? "Its target is not known." : "";
}

/** Split arguments into positional and named ones. Runners have the named ones in an object without Salt's mark. */
function split(job, arg) {
  const last = arg.at(-1);
  const isNamed = last !== null && typeof last === "object" && !Array.isArray(last) && (job.kind === "job" ? last.__kwarg__ === true : true);
  if (!isNamed) return [[...arg], {}];
  // Names with two underscores are Salt's own, such as __pub_user.
  return [arg.slice(0, -1), Object.fromEntries(Object.entries(last).filter(([name]) => !name.startsWith("__")))];
}

function isRedacted(value) {
  if (typeof value === "string") return value.includes(REDACTED);
  return value !== null && typeof value === "object" && Object.values(value).some(isRedacted);
}

/** Return whether a call has a test mode. */
export function canTest({ client, fun }) {
  return client === "local" ? hasTestMode(fun) : client === "runner" && ORCHESTRATES.test(fun);
}

/** Return whether a call runs in its test mode. */
export function isTest(call) {
  return canTest(call) && call.kwargs.test === true;
}

/** Return a call with its test mode on or off; off is sent, because a minion's configuration may have it on. */
export function withTest(call, test) {
  return { ...call, kwargs: { ...call.kwargs, test } };
}

/** Return the message that runs a call: [type, fields]. */
export function messageOf({ client, fun, target, args, kwargs, progress }) {
  if (client === "local") return ["cmd", { fun, ...target, args, kwargs, ...(progress ? { progress: true } : {}) }];
  return [client, { method: fun, args, kwargs }];
}

/** Return the query of the form's address, which fills in everything but secrets. */
export function queryOf({ client, fun, target, args, kwargs }) {
  const tgt = Array.isArray(target?.tgt) ? target.tgt.join(",") : target?.tgt;
  const named = Object.fromEntries(Object.entries(kwargs).filter(([, value]) => !isRedacted(value)));
  return {
    client,
    fun,
    ...(target !== null ? { tgt, tgt_type: target.tgt_type } : {}),
    ...(args.length ? { arg: exact(args.map((value) => (isRedacted(value) ? "" : value))) } : {}),
    ...(Object.keys(named).length ? { kwarg: exact(named) } : {}),
  };
}

/**
 * Return the form's fields of an address, as `queryOf` makes it; null if it has none.
 *
 * @param {URLSearchParams} query
 */
export function formOfQuery(query) {
  const fields = Object.fromEntries(["tgt", "tgt_type", "fun"].flatMap((name) => (query.has(name) ? [[name, query.get(name)]] : [])));
  if (!Object.keys(fields).length) return null;
  if ("tgt" in fields) fields.tgt_type ??= "glob";
  const client = Object.values(CLIENTS).find((name) => name === query.get("client")) ?? "local";
  const [args, kwargs] = [parsed(query.get("arg"), Array.isArray, []), parsed(query.get("kwarg"), (value) => value !== null && typeof value === "object" && !Array.isArray(value), {})];
  const isFilled = query.has("arg") || query.has("kwarg") || query.has("client");
  return { ...fields, client, ...(isFilled ? { typed: {}, ...linesOfCall(args, kwargs), filled: true } : {}) };
}

function parsed(text, fits, otherwise) {
  try {
    const value = JSON.parse(text ?? "null");
    return fits(value) ? value : otherwise;
  } catch {
    return otherwise; // an address can be typed
  }
}

/** JSON in which whole numbers beyond JavaScript's range stay exact. */
function exact(value) {
  const raw = /** @type {any} */ (JSON).rawJSON;
  return JSON.stringify(value, (_name, inner) => (typeof inner === "bigint" ? (raw ? raw(String(inner)) : String(inner)) : inner));
}
