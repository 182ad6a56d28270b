// @ts-check
// The states of a highstate's return: each is of exactly one kind.

import { brief, whole } from "./text.js";

/** Kinds in the order in which they are shown, with their words. */
export const KINDS = {
  failed: "failed",
  changed: "changed",
  pending: "would change",
  blocked: "not run: a requisite failed",
  same: "unchanged",
};
const ORDER = Object.keys(KINDS);
const BLOCKED = "One or more requisite failed: "; // Salt's comment; then SLS.ID of each

/** Return whether a value is a highstate's return: an object with keys `module_|-id_|-name_|-function`. */
export function isHighstate(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return entries.length > 0 && entries.every(([key, state]) => key.includes("_|-") && state && typeof state === "object");
}

/** Return the states of a highstate's return, failed first, then changed, then in their order; null for another return. */
export function statesOf(value) {
  if (!isHighstate(value)) return null;
  const states = Object.entries(value).map(([key, state]) => {
    const [module, id, name, fun] = key.split("_|-");
    return { key, id: brief(state.__id__ ?? id), name: brief(state.name ?? name ?? ""), fun: `${module}.${fun}`, kind: kindOf(state), ...resultOf(state) };
  });
  return states.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || a.number - b.number);
}

/**
 * Return the states of each minion in an orchestration's return, `{data: {MASTER: states}, outputter: "highstate"}`; null for another value.
 */
export function orchestratedOf(value) {
  const data = value?.outputter === "highstate" ? value.data : null;
  if (data === null || typeof data !== "object" || Array.isArray(data)) return null;
  const entries = Object.entries(data ?? {});
  return entries.length === 1 && isHighstate(entries[0][1]) ? entries[0][1] : null;
}

/** A state that Salt did not run because a requisite failed is not the cause: Salt marks it with `__state_ran__`. */
function kindOf(state) {
  if (state.result === false) return state.__state_ran__ === false ? "blocked" : "failed";
  if (state.result === null || state.result === undefined) return "pending";
  return Object.keys(state.changes ?? {}).length ? "changed" : "same";
}

function resultOf(state) {
  return {
    comment: whole(state.comment ?? ""),
    changes: state.changes ?? {},
    duration: milliseconds(state.duration),
    warnings: Array.isArray(state.warnings) ? state.warnings.map((one) => brief(one, 2000)) : [],
    sls: typeof state.__sls__ === "string" ? state.__sls__ : "",
    jid: typeof state.__jid__ === "string" ? state.__jid__ : null,
    number: Number(state.__run_num__) || 0, // a minion can return anything
  };
}

function milliseconds(duration) {
  const number = Number.parseFloat(duration);
  return Number.isFinite(number) ? number : null;
}

/**
 * Return the states with those that did not run below their root cause: [{state, blocked: [states]}].
 * A blocked state whose cause is not among them stays in the list.
 */
export function underCauses(states) {
  const failed = states.filter(({ kind }) => kind === "failed" || kind === "blocked");
  const blocked = new Map();
  for (const state of states.filter(({ kind }) => kind === "blocked")) {
    const root = rootOf(state, failed);
    if (root) blocked.set(root, [...(blocked.get(root) ?? []), state]);
  }
  const folded = new Set([...blocked.values()].flat());
  return states.filter((state) => !folded.has(state)).map((state) => ({ state, blocked: blocked.get(state) ?? [] }));
}

function rootOf(state, failed) {
  const seen = new Set();
  let cause = state;
  while (cause && cause.kind === "blocked" && !seen.has(cause)) {
    seen.add(cause);
    const { comment } = cause;
    cause = failed.find((other) => !seen.has(other) && names(comment, `${other.sls}.${other.id}`));
  }
  return cause?.kind === "failed" ? cause : null;
}

/** Return whether a blocked state's comment names another state; names can contain commas. */
function names(comment, name) {
  return comment.startsWith(BLOCKED) && `, ${comment.slice(BLOCKED.length)},`.includes(`, ${name},`);
}

/**
 * Return the number of states of each kind, without kinds that do not occur.
 *
 * @returns {[string, number][]}
 */
export function kindCounts(states) {
  const counts = /** @type {[string, number][]} */ (ORDER.map((kind) => [kind, states.filter((state) => state.kind === kind).length]));
  return counts.filter(([, n]) => n);
}

/** Return the states' counts, which add up to their number: `4 states: 1 failed, 3 unchanged`. */
export function statesText(states) {
  const counts = kindCounts(states);
  if (!states.some(({ kind }) => kind === "failed")) counts.unshift(["failed", 0]);
  const parts = counts.map(([kind, n]) => `${n} ${kind === "blocked" ? "not run" : KINDS[kind]}`);
  return `${states.length.toLocaleString("en")} ${states.length === 1 ? "state" : "states"}: ${parts.join(", ")}`;
}
