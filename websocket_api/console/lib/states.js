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

/**
 * Return the states of a highstate's return, failed first, then changed, then in their order; null for another return.
 * Salt's keys are `module_|-id_|-name_|-function`.
 */
export function statesOf(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  const entries = Object.entries(value);
  if (!entries.length || !entries.every(([key, state]) => key.includes("_|-") && state && typeof state === "object")) return null;
  const states = entries.map(([key, state]) => {
    const [module, id, , fun] = key.split("_|-");
    return { key, id: brief(state.__id__ ?? id), fun: `${module}.${fun}`, kind: kindOf(state), ...resultOf(state) };
  });
  return states.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || a.number - b.number);
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
    duration: state.duration ?? null,
    number: Number(state.__run_num__) || 0, // a minion can return anything
  };
}

/** Return the states' counts, which add up to their number: `4 states: 1 failed, 3 unchanged`. */
export function statesText(states) {
  const counts = ORDER.map((kind) => [kind, states.filter((state) => state.kind === kind).length]);
  const parts = counts.filter(([kind, n]) => n || kind === "failed").map(([kind, n]) => `${n} ${kind === "blocked" ? "not run" : KINDS[kind]}`);
  return `${states.length.toLocaleString("en")} ${states.length === 1 ? "state" : "states"}: ${parts.join(", ")}`;
}
