// @ts-check
// Values as YAML that PyYAML and YAML 1.2 parsers read back as the same values, limited in length and depth.

import { MAX_DEPTH, SHOWN, put } from "./text.js";
import { visible } from "./visible.js";

const PLAIN = /^[A-Za-z_/](?:[\w ./@+,()=-]|:(?=[\w/]))*$/; // texts that no parser reads as anything else
/** Texts that YAML 1.1 or Salt's command line read as other values. */
export const WORDS = /^(y|n|yes|no|on|off|true|false|null|none)$/i;
const UNSAFE = /(?!\n)[\p{C}\p{Zl}\p{Zp}]/u;
const LONG_KEY = 100; // characters; parsers refuse longer keys, of 1,024, on the line of their value

/**
 * Return a value as YAML of about `max` characters at most, and whether that is all of it.
 *
 * @returns {[string, boolean]}
 */
export function yaml(value, max = SHOWN) {
  const out = { parts: [], left: max, whole: true };
  write(value, "", 0, out, "");
  return [`${out.parts.join("").replace(/^[\n ]/, "")}\n`, out.whole];
}

/** Return a text as YAML on one line, quoted if it could be read as another value. */
export function scalar(text) {
  return PLAIN.test(text) && !text.endsWith(" ") && !WORDS.test(text) ? text : quoted(text);
}

/** Write a value after `name:` or `-`. `first` is what precedes the first entry of a collection, instead of a new line. */
function write(value, indent, depth, out, first = `\n${indent}`) {
  if (out.left <= 0) {
    out.whole = false;
  } else if (value === null || typeof value !== "object") {
    put(` ${typeof value === "string" ? text(value, indent, out.left) : number(value)}`, out);
  } else if (Object.keys(value).length === 0) {
    put(Array.isArray(value) ? " []" : " {}", out);
  } else if (depth >= MAX_DEPTH) {
    put(' "… (nested deeper)"', out);
  } else {
    writeEntries(value, indent, depth, out, first);
  }
}

function writeEntries(value, indent, depth, out, first) {
  const inner = `${indent}  `;
  let start = first;
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    if (out.left <= 0) {
      out.whole = false;
      return;
    }
    put(start, out);
    start = `\n${indent}`;
    if (typeof key === "number") {
      put("-", out);
      write(value[key], inner, depth + 1, out, " ");
    } else {
      const name = scalar(key);
      put(name.length > LONG_KEY ? `? ${name}\n${indent}:` : `${name}:`, out);
      write(value[key], inner, depth + 1, out, `\n${inner}`);
    }
  }
}

/** Return a text as a block of lines if that is exact, else on one line. */
function text(value, indent, left) {
  const cut = value.length > left ? value.slice(0, left + 1) : value;
  if (!cut.includes("\n") || /^\s/.test(cut) || UNSAFE.test(cut) || visible(cut) !== cut) return scalar(cut);
  const body = cut.replace(/\n+$/, "");
  const ends = cut.length - body.length;
  const lines = body.split("\n").map((line) => (line ? `\n${indent || "  "}${line}` : "\n"));
  return `|${["-", ""][ends] ?? "+"}${lines.join("")}${"\n".repeat(Math.max(0, ends - 1))}`;
}

/** Return a text in double quotes, as YAML and Python read it, with hidden characters escaped. */
export function quoted(value) {
  return JSON.stringify(value).replace(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu, (character) => {
    const code = character.codePointAt(0);
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Return a number, a boolean or null; YAML 1.1 reads `1e+21` as a text, but not `1.0e+21`. */
export function number(value) {
  return String(value ?? null).replace(/^(-?\d+)e/, "$1.0e");
}
