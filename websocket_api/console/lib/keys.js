// @ts-check
// Calls that change keys, and fingerprints.

/** Salt's list of keys in each state. */
export const LISTS = { pending: "minions_pre", rejected: "minions_rejected", denied: "minions_denied", accepted: "minions" };
/** The states of keys that an action changes. */
const CHANGES = { accept: ["pending", "rejected", "denied"], reject: ["pending", "accepted", "denied"], delete: ["pending", "accepted", "rejected", "denied"] };

/**
 * Return the wheel call that changes the keys of minions as {method, kwargs, ids}, or null if there is nothing to change
 * or the user may not. `key.accept` takes a pattern, and a minion chooses its own id, so only the forms with a
 * dictionary are used: they take exactly these ids.
 *
 * @param {string} act accept, reject or delete
 * @param {{id: string, key: string | null}[]} minions
 * @param {string[]} wheels names of the wheel functions that the user may run
 */
export function keyCall(act, minions, wheels) {
  const wanted = minions.filter((minion) => minion.key !== null && CHANGES[act].includes(minion.key));
  if (!wanted.length || !wheels.includes(`key.${act}_dict`)) return null;
  const match = {};
  for (const { id, key } of wanted) (match[LISTS[key]] ??= []).push(id);
  const include = {};
  if (act !== "delete") {
    if (match.minions_denied) include.include_denied = true;
    if (act === "accept" && match.minions_rejected) include.include_rejected = true;
    if (act === "reject" && match.minions) include.include_accepted = true;
  }
  return { method: `key.${act}_dict`, kwargs: { match, ...include }, ids: wanted.map((minion) => minion.id) };
}

/** Return a fingerprint in a form that can be compared, or "" if the text is none. */
export function fingerOf(text) {
  const hex = text.toLowerCase().replace(/^.*?(sha256|md5|sha1)[:=]\s*/, "").replace(/[\s:]/g, "");
  return /^[0-9a-f]{32,128}$/.test(hex) ? hex : "";
}

/** Return the keys with a fingerprint, as {id, list}, from what `key.finger` returns: several for an id with several denied keys. */
export function keysWith(finger, fingers) {
  const wanted = fingerOf(finger);
  if (!wanted) return [];
  return Object.entries(fingers ?? {}).flatMap(([list, ids]) =>
    Object.entries(ids ?? {}).filter(([, known]) => [known].flat().some((one) => typeof one === "string" && fingerOf(one) === wanted)).map(([id]) => ({ id, list })),
  );
}
