// @ts-check
// Values from minions as text: shown, never run, and limited in length and depth.

export const SHOWN = 20000; // characters at first; more on demand
export const MAX_DEPTH = 40; // levels; deeper ones are replaced by a remark

/**
 * Return a value as readable text of about `max` characters at most, and whether that is all of it.
 * Nothing here follows a value deeper than MAX_DEPTH, so no nesting can exhaust the stack.
 *
 * @returns {[string, boolean]}
 */
export function readable(value, max = SHOWN) {
  if (typeof value === "string") return value.length > max ? [value.slice(0, max), false] : [value, true];
  return json(value, max);
}

/**
 * Return a value as JSON, within the same limits: indented, or on one line.
 *
 * @returns {[string, boolean]}
 */
export function json(value, max = SHOWN, compact = false) {
  const out = { parts: [], left: max, whole: true, compact };
  writeValue(value, "", 0, out);
  return [out.parts.join(""), out.whole];
}

/** Append to what is written, up to its limit. */
export function put(text, out) {
  if (text.length > out.left) {
    text = text.slice(0, Math.max(0, out.left));
    out.whole = false;
  }
  out.left -= text.length;
  out.parts.push(text);
}

function writeValue(value, indent, depth, out) {
  if (out.left <= 0) {
    out.whole = false;
  } else if (value === null || typeof value !== "object") {
    put(scalar(value, out.left), out);
  } else if (Object.keys(value).length === 0) {
    put(Array.isArray(value) ? "[]" : "{}", out);
  } else if (depth >= MAX_DEPTH) {
    put("… (nested deeper)", out);
  } else {
    writeParts(value, indent, depth, out);
  }
}

function writeParts(value, indent, depth, out) {
  const inner = `${indent}  `;
  const list = Array.isArray(value);
  const [next, last] = out.compact ? ["", ""] : [`\n${inner}`, `\n${indent}`];
  put(list ? "[" : "{", out);
  let first = true;
  for (const key of list ? value.keys() : Object.keys(value)) {
    if (out.left <= 0) {
      out.whole = false;
      return;
    }
    put(`${first ? "" : ","}${first || !out.compact ? next : " "}${list ? "" : `${JSON.stringify(key)}: `}`, out);
    writeValue(value[key], inner, depth + 1, out);
    first = false;
  }
  put(`${last}${list ? "]" : "}"}`, out);
}

function scalar(value, left) {
  // JSON.stringify of megabytes is slow, so only what can be shown is quoted.
  if (typeof value === "bigint") return String(value);
  return JSON.stringify(typeof value === "string" && value.length > left ? value.slice(0, left + 1) : value) ?? "null";
}

/** Return the beginning of a value as one line, for tables. */
export function brief(value, max = 120) {
  const [text] = typeof value === "string" ? readable(value, 4 * max) : json(value, 4 * max, true);
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > max ? `${line.slice(0, max)}…` : line;
}

/** Return the whole value as text, for the clipboard. */
export function whole(value) {
  return readable(value, Infinity)[0];
}
