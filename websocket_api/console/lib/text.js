// @ts-check
// Values from minions as text. They are other machines' words: shown, never run, and never more at once than a page bears.

export const SHOWN = 20000; // characters at first; more on demand
const DEEPEST = 40; // levels; what is below is told, not shown

/**
 * Return a value as readable text of at most about `most` characters, and whether that is all of it.
 * Nothing here follows a value deeper than DEEPEST, so that no nesting can exhaust the stack.
 *
 * @returns {[string, boolean]}
 */
export function readable(value, most = SHOWN) {
  if (typeof value === "string") return value.length > most ? [value.slice(0, most), false] : [value, true];
  const out = { parts: [], left: most, whole: true };
  write(value, "", 0, out);
  return [out.parts.join(""), out.whole];
}

function put(text, out) {
  if (text.length > out.left) {
    text = text.slice(0, Math.max(0, out.left));
    out.whole = false;
  }
  out.left -= text.length;
  out.parts.push(text);
}

function write(value, indent, depth, out) {
  if (out.left <= 0) {
    out.whole = false;
  } else if (value === null || typeof value !== "object") {
    put(scalar(value, out.left), out);
  } else if (Object.keys(value).length === 0) {
    put(Array.isArray(value) ? "[]" : "{}", out);
  } else if (depth >= DEEPEST) {
    put("… (nested deeper)", out);
  } else {
    writeParts(value, indent, depth, out);
  }
}

function writeParts(value, indent, depth, out) {
  const inner = `${indent}  `;
  const list = Array.isArray(value);
  put(list ? "[" : "{", out);
  let first = true;
  for (const key of list ? value.keys() : Object.keys(value)) {
    if (out.left <= 0) {
      out.whole = false;
      return;
    }
    put(`${first ? "" : ","}\n${inner}${list ? "" : `${JSON.stringify(key)}: `}`, out);
    write(value[key], inner, depth + 1, out);
    first = false;
  }
  put(`\n${indent}${list ? "]" : "}"}`, out);
}

function scalar(value, left) {
  // JSON.stringify of megabytes takes its time: only what can be shown is quoted.
  if (typeof value === "bigint") return String(value);
  return JSON.stringify(typeof value === "string" && value.length > left ? value.slice(0, left + 1) : value) ?? "null";
}

/** One line that stands for a value, in tables. */
export function brief(value, most = 120) {
  const [text] = readable(value, 4 * most);
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most)}…` : line;
}

/** The whole value for the clipboard. */
export function whole(value) {
  return readable(value, Infinity)[0];
}
