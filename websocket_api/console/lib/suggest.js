// @ts-check
// What a target can be completed to: minion ids, grains and nodegroups, by what was typed.

import { brief } from "./text.js";

const IDS = 30; // suggestions of each kind
const GRAINS = 10;

/**
 * Return suggestions as [{value, detail, tgt_type}]; `value` is the whole new target.
 *
 * @param {{tgt: string, tgt_type: string}} target as typed
 * @param {any[]} minions
 * @param {string[]} nodegroups names
 */
export function suggestTargets({ tgt, tgt_type }, minions, nodegroups) {
  const [start, word] = split(tgt, tgt_type);
  const text = word.toLowerCase();
  if (tgt_type === "nodegroup") return groups(nodegroups, text, "", "nodegroup");
  if (tgt_type === "grain") return grains(minions, text).map((one) => ({ ...one, tgt_type }));
  if (!["glob", "list", "compound"].includes(tgt_type)) return [];
  const ids = idsLike(minions, text).map((one) => ({ ...one, value: `${start}${one.value}`, tgt_type }));
  if (tgt_type === "list") return ids;
  const isCompound = tgt_type === "compound";
  const found = text.replace(/^(g@|n@|not |and |or )/, "");
  const others = [
    ...(text && !text.startsWith("n@") ? grains(minions, found) : []).map((one) => (isCompound ? { ...one, value: `${start}G@${one.value}`, tgt_type } : { ...one, tgt_type: "grain" })),
    ...groups(nodegroups, found, isCompound ? `${start}N@` : "", isCompound ? "compound" : "nodegroup"),
  ];
  return [...ids, ...others];
}

/** Return what stays of a target, and the word that is being typed. */
function split(tgt, type) {
  if (type !== "list" && type !== "compound") return ["", tgt];
  const at = Math.max(tgt.lastIndexOf(" "), type === "list" ? tgt.lastIndexOf(",") : -1, type === "compound" ? tgt.lastIndexOf("(") : -1) + 1;
  return [tgt.slice(0, at), tgt.slice(at)];
}

function idsLike(minions, text) {
  const found = [];
  for (const { id, connected, key, resource, grains: own } of minions) {
    if ((key !== null && key !== "accepted") || !id.toLowerCase().includes(text)) continue;
    const parts = [resource && `resource of ${resource.minion}`, { true: "up", false: "down" }[connected], own?.os];
    found.push({ value: id, detail: parts.filter(Boolean).join(", "), begins: id.toLowerCase().startsWith(text) });
  }
  found.sort((a, b) => Number(b.begins) - Number(a.begins) || (a.value < b.value ? -1 : 1));
  return found.slice(0, IDS).map(({ value, detail }) => ({ value, detail }));
}

function grains(minions, text) {
  const counts = new Map();
  for (const minion of minions) {
    for (const [name, value] of Object.entries(minion.grains ?? {})) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one === null || typeof one === "object" || one === "") continue;
        const pair = `${name}:${brief(one, 60)}`;
        if (pair.toLowerCase().includes(text)) counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
  }
  const most = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, GRAINS);
  return most.map(([value, count]) => ({ value, detail: `grain of ${count} ${count === 1 ? "minion" : "minions"}` }));
}

function groups(nodegroups, text, start, tgt_type) {
  const like = nodegroups.filter((name) => name.toLowerCase().includes(text)).slice(0, GRAINS);
  return like.map((name) => ({ value: `${start}${name}`, detail: "nodegroup", tgt_type }));
}
