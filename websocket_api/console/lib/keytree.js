// @ts-check
// Nested values, such as grains and pillar, as a tree of keys that can be searched.

import { brief } from "./text.js";

const MAX_NODES = 3000; // in one tree; a search shows the others
const MAX_DEPTH = 40;
/** What Salt 3008 returns in place of the values of pillar, unless it is asked to unmask them. */
export const SALTS_MASK = "**********";

/**
 * Return {nodes, left}: the tree of the keys that match, and how many leaves were left out because there are too many.
 * A node is {key, path, leaf, value, nodes}; `path` is Salt's form with colons, such as `dns:nameservers:0`.
 *
 * @param {any} value
 * @param {string} search words that must all be in the path or, with `inValues`, in the value
 * @param {boolean} inValues whether values are searched too: not those that are masked
 */
export function treeOf(value, search = "", inValues = true) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const budget = { left: MAX_NODES, over: 0 };
  return { nodes: nodesOf(value, [], words, inValues, budget), left: budget.over };
}

function nodesOf(value, path, words, inValues, budget) {
  return entriesOf(value).flatMap(([key, inner]) => {
    const own = [...path, key];
    const node = { key, path: own.join(":"), leaf: isLeaf(inner, own.length), value: inner, nodes: [] };
    if (!node.leaf) {
      node.nodes = nodesOf(inner, own, words, inValues, budget);
      return node.nodes.length ? [node] : [];
    }
    if (!matches(node, words, inValues)) return [];
    if (budget.left <= 0) budget.over += 1;
    return budget.left-- > 0 ? [node] : [];
  });
}

function entriesOf(value) {
  return Array.isArray(value) ? value.map((inner, at) => [String(at), inner]) : Object.entries(value ?? {});
}

function isLeaf(value, depth) {
  return value === null || typeof value !== "object" || Object.keys(value).length === 0 || depth >= MAX_DEPTH;
}

function matches({ path, value }, words, inValues) {
  const text = `${path}${inValues ? ` ${brief(value, 1000)}` : ""}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Return whether a value has any text that Salt masked. */
export function hasSaltsMask(value) {
  if (value === null || typeof value !== "object") return value === SALTS_MASK;
  return Object.values(value).some(hasSaltsMask);
}
