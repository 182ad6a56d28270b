// @ts-check
// A list of the minions that should exist, such as that of an inventory, compared with those that the master has.

/** Parse lines of an id and, optionally, `true` or `false`: whether the minion should be up. Lines with # are comments. */
export function parseReference(text) {
  const lines = text.split("\n").map((line) => line.trim().split(/[\s,;]+/));
  return new Map(lines.filter(([id]) => id && !id.startsWith("#")).map(([id, up]) => [id, { true: true, false: false }[up?.toLowerCase()] ?? null]));
}

/**
 * Return the ids that differ, by the kind of the difference.
 *
 * @param {Map<string, boolean | null>} reference of `parseReference`
 * @param {any[]} minions
 */
export function differences(reference, minions) {
  const known = new Map(minions.filter((minion) => !minion.resource).map((minion) => [minion.id, minion]));
  const listed = [...reference.keys()];
  const isAccepted = (id) => known.has(id) && [null, "accepted"].includes(known.get(id).key);
  return {
    missing: listed.filter((id) => !known.has(id)),
    "without an accepted key": listed.filter((id) => known.has(id) && !isAccepted(id)),
    "not in the list": [...known.keys()].filter((id) => !reference.has(id)).sort(),
    "down, should be up": listed.filter((id) => reference.get(id) !== false && isAccepted(id) && known.get(id).connected === false),
    "up, should be down": listed.filter((id) => reference.get(id) === false && isAccepted(id) && known.get(id).connected),
  };
}
