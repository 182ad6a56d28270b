// @ts-check
// YAML as people write pillar: a subset that is read as Salt reads it. What is left out is refused with its line, never read otherwise.

const MAX_DEPTH = 100; // levels
const NULLS = new Set(["", "~", "null", "Null", "NULL"]);
const TRUE = /^(yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const INTEGER = /^[-+]?(0|[1-9][0-9]*)$/;
const FLOAT = /^([-+]?[0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?$/;
/** Texts to which YAML 1.1 gives a type that nobody expects, or that JSON does not have. */
const SURPRISING = /^([-+]?0[0-9_]+|[-+]?0[xb][0-9a-fA-F_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[-+]?[0-9][0-9_]*_[0-9_]*\.?[0-9_]*|[-+]\.[0-9].*|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|\d{4}-\d\d?-\d\d?([Tt ].*)?|=|<<)$/;
const ESCAPES = { 0: "\0", a: "\x07", b: "\b", t: "\t", n: "\n", v: "\v", f: "\f", r: "\r", e: "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", N: "\x85", _: "\xa0", L: "\u2028", P: "\u2029" };

class Invalid extends Error {}

/**
 * Return the value of a text.
 *
 * @throws {Error} with the line, and what to write instead
 */
export function parseYaml(text) {
  return new Reader(text).document();
}

/** Return the pillar that was typed, as YAML or JSON; undefined if nothing was typed. */
export function parsePillar(text) {
  if (!text.trim()) return undefined;
  const value = parseYaml(text);
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("a pillar has keys and values, such as role: web");
  return value;
}

class Reader {
  constructor(text) {
    this.raw = text.replace(/\r\n?/g, "\n").split("\n");
    this.at = 0;
  }

  fail(message, line = this.at) {
    throw new Invalid(`line ${line + 1}: ${message}`);
  }

  /** Move to the next line with content, and return it as {indent, text}; null at the end. */
  peek() {
    for (; this.at < this.raw.length; this.at += 1) {
      const line = this.raw[this.at];
      const text = line.trimStart();
      if (text === "" || text[0] === "#") continue;
      const space = line.slice(0, line.length - text.length);
      if (space.includes("\t")) this.fail("indent with spaces, not tabs");
      return { indent: space.length, text: text.trimEnd() };
    }
    return null;
  }

  document() {
    let line = this.peek();
    if (line && line.indent === 0 && line.text === "---") {
      this.at += 1;
      line = this.peek();
    }
    if (!line) return null;
    const value = this.block(line.indent, 0);
    const rest = this.peek();
    if (rest) this.fail(/^(---|\.\.\.)$/.test(rest.text) ? "only one document is possible" : "this line does not fit the indentation above");
    return value;
  }

  block(indent, depth) {
    if (depth > MAX_DEPTH) this.fail("it is nested too deeply");
    const { text } = this.peek();
    if (/^-( |$)/.test(text)) return this.sequence(indent, depth);
    if (keyEnd(text) >= 0) return this.mapping(indent, depth);
    if (/^[[{]/.test(text)) return this.flow(text);
    const value = this.inline(text);
    const more = this.peek();
    if (more && more.indent >= indent && more.text !== "---") this.fail("a text of several lines needs | before it");
    return value;
  }

  sequence(indent, depth) {
    const items = [];
    for (let line = this.peek(); line && line.indent === indent && /^-( |$)/.test(line.text); line = this.peek()) {
      const inner = line.text.slice(1).trimStart();
      if (inner === "" || inner[0] === "#") {
        this.at += 1;
        items.push(this.nested(indent + 1, depth));
      } else if (/^-( |$)/.test(inner) || (keyEnd(inner) >= 0 && !/^[[{]/.test(inner))) {
        // A mapping or list that begins behind the dash goes on below its first key.
        const column = indent + line.text.length - inner.length;
        this.raw[this.at] = `${" ".repeat(column)}${inner}`;
        items.push(this.block(column, depth + 1));
      } else {
        items.push(this.value(inner, indent));
      }
    }
    this.checkIndent(indent);
    return items;
  }

  mapping(indent, depth) {
    const found = new Map();
    for (let line = this.peek(); line && line.indent === indent; line = this.peek()) {
      const end = keyEnd(line.text);
      if (end < 0) this.fail("expected a key, such as name: value");
      const key = this.key(line.text.slice(0, end));
      if (found.has(key)) this.fail(`the key ${key} is there twice`);
      const rest = line.text.slice(end + 1).trimStart();
      if (rest === "" || rest[0] === "#") {
        this.at += 1;
        const next = this.peek();
        const isList = next && next.indent === indent && /^-( |$)/.test(next.text);
        found.set(key, isList ? this.sequence(indent, depth + 1) : this.nested(indent + 1, depth));
      } else {
        found.set(key, this.value(rest, indent));
      }
    }
    this.checkIndent(indent);
    return Object.fromEntries(found);
  }

  /** Read what is below a key or a dash: nothing is null. */
  nested(least, depth) {
    const next = this.peek();
    return next && next.indent >= least ? this.block(next.indent, depth + 1) : null;
  }

  checkIndent(indent) {
    const next = this.peek();
    if (next && next.indent > indent) this.fail("this line does not fit the indentation above");
  }

  key(text) {
    const trimmed = text.trim();
    if (/^["']/.test(trimmed)) return String(this.quoted(trimmed));
    if (/^[?&*!|>%@`[{]/.test(trimmed)) this.fail("a key must be a plain text");
    const value = this.plain(trimmed);
    if (typeof value !== "string") {
      if (typeof value === "number") return trimmed; // JSON has only texts as keys, as Salt's own JSON
      this.fail(`put the key ${trimmed} in quotes`);
    }
    return value;
  }

  value(text, indent) {
    if (/^[|>]/.test(text)) return this.blockText(text, indent);
    if (/^[[{]/.test(text)) return this.flow(text);
    const value = this.inline(text);
    const next = this.peek();
    if (next && next.indent > indent) this.fail("this line does not fit the value above; a text of several lines needs |");
    return value;
  }

  /** Read a scalar on the present line, and move on. */
  inline(text) {
    let value;
    if (/^["']/.test(text)) {
      const end = quoteEnd(text);
      if (end < 0) this.fail("the quote is not closed on its line");
      if (!/^\s*(#.*)?$/.test(text.slice(end + 1)) || (text[end + 1] === "#")) this.fail("there is text behind the closing quote");
      value = this.quoted(text.slice(0, end + 1));
    } else {
      value = this.plain(withoutComment(text));
    }
    this.at += 1;
    return value;
  }

  quoted(text) {
    const inner = text.slice(1, -1);
    if (text[0] === "'") return inner.replaceAll("''", "'");
    return inner.replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)/gs, (_, code) => {
      if (code.length > 1) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
      if (!Object.hasOwn(ESCAPES, code)) this.fail(`\\${code} is not an escape of YAML`);
      return ESCAPES[code];
    });
  }

  plain(text) {
    if (/^[&*!]/.test(text)) this.fail("anchors, aliases and tags are not possible here; put a text in quotes");
    if (/^[%@`,\]}|>]/.test(text) || /^[?:-]( |$)/.test(text) || /^(---|\.\.\.)( |$)/.test(text)) this.fail("put this text in quotes");
    if (/: |:$/.test(text)) this.fail("a value with a colon needs quotes");
    if (NULLS.has(text)) return null;
    if (TRUE.test(text)) return true;
    if (FALSE.test(text)) return false;
    if (SURPRISING.test(text)) this.fail(`put ${text} in quotes: YAML would read it as another type`);
    if (INTEGER.test(text)) {
      if (!Number.isSafeInteger(Number(text))) this.fail(`put ${text} in quotes: a browser cannot keep such a number exact`);
      return Number(text);
    }
    return FLOAT.test(text) ? Number(text) : text;
  }

  blockText(header, indent) {
    const [, kind, chomp] = /^([|>])([-+]?)\s*(?:#.*)?$/.exec(header) ?? [];
    if (!kind) this.fail("write | or >, without a number");
    this.at += 1;
    const lines = [];
    let width = 0;
    for (; this.at < this.raw.length; this.at += 1) {
      const line = this.raw[this.at];
      const space = line.length - line.trimStart().length;
      if (line.trim() === "") {
        lines.push(width ? line.slice(width) : "");
        continue;
      }
      if (!width) width = space;
      if (space <= indent || space < width) break;
      lines.push(line.slice(width));
    }
    const end = lines.findLastIndex((line) => line !== "") + 1;
    const text = kind === "|" ? lines.slice(0, end).join("\n") : folded(lines.slice(0, end));
    const isUnended = this.at >= this.raw.length && end === lines.length; // the text ends without a line break
    if (chomp === "-" || isUnended || (!end && chomp !== "+")) return text;
    return `${text}\n${chomp === "+" ? "\n".repeat(Math.max(0, lines.length - end - (this.at >= this.raw.length && lines.length > end ? 1 : 0))) : ""}`;
  }

  /** Read a list or mapping in brackets, which may go over several lines. */
  flow(first) {
    let text = first;
    for (;;) {
      const reader = new Flow(text, this);
      const value = reader.read();
      if (reader.complete) {
        this.at += 1;
        if (!/^\s*(#.*)?$/.test(text.slice(reader.at))) this.fail("there is text behind the closing bracket", this.at - 1);
        return value;
      }
      this.at += 1;
      if (this.at >= this.raw.length) this.fail("a bracket is not closed", this.at - 1);
      text += `\n${this.raw[this.at].trim()}`;
    }
  }
}

const MORE = Symbol("the text ends too early");

class Flow {
  at = 0;
  complete = false;

  constructor(text, reader) {
    this.text = text;
    this.reader = reader;
  }

  read() {
    try {
      const value = this.value(0);
      this.complete = true;
      return value;
    } catch (fault) {
      if (fault !== MORE) throw fault;
      return undefined;
    }
  }

  space() {
    const [skipped] = /^(\s|(?<=\s)#[^\n]*)*/.exec(this.text.slice(this.at)) ?? [""];
    this.at += skipped.length;
    if (this.at >= this.text.length) throw MORE;
    return this.text[this.at];
  }

  value(depth) {
    if (depth > MAX_DEPTH) this.reader.fail("it is nested too deeply");
    const mark = this.space();
    if (mark === "[") return this.list(depth);
    if (mark === "{") return this.map(depth);
    if (mark === ",") this.reader.fail("there is nothing before the comma");
    return this.scalar(false);
  }

  list(depth) {
    const items = [];
    for (this.at += 1; this.space() !== "]"; ) {
      items.push(this.value(depth + 1));
      if (this.space() === ":") this.reader.fail("a mapping in a list needs its own brackets");
      this.comma("]");
    }
    this.at += 1;
    return items;
  }

  map(depth) {
    const found = new Map();
    for (this.at += 1; this.space() !== "}"; ) {
      const key = this.reader.key(String(this.scalar(true)));
      if (found.has(key)) this.reader.fail(`the key ${key} is there twice`);
      if (this.space() !== ":") this.reader.fail("expected a colon behind the key");
      this.at += 1;
      const next = this.space();
      found.set(key, next === "," || next === "}" ? null : this.value(depth + 1));
      this.comma("}");
    }
    this.at += 1;
    return Object.fromEntries(found);
  }

  comma(end) {
    const mark = this.space();
    if (mark === ",") this.at += 1;
    else if (mark !== end) this.reader.fail(`expected a comma or ${end}`);
  }

  /** @param {boolean} isKey whether to return it as it is written */
  scalar(isKey) {
    const rest = this.text.slice(this.at);
    if (/^[#?]/.test(rest)) this.reader.fail("put this text in quotes");
    if (/^["']/.test(rest)) {
      const end = quoteEnd(rest);
      if (end < 0) throw MORE;
      const text = rest.slice(0, end + 1);
      if (text.includes("\n")) this.reader.fail("a quoted text must be on one line");
      this.at += end + 1;
      return isKey ? text : this.reader.quoted(text);
    }
    const [text] = /^(?:[^,[\]{}:#\n]|:(?![\s,[\]{}])|(?<!\s)#)*/.exec(rest) ?? [""];
    if (this.at + text.length >= this.text.length) throw MORE;
    if (/^[[{\n]/.test(rest.slice(text.length))) this.reader.fail("put this text in quotes");
    this.at += text.length;
    return isKey ? text.trim() : this.reader.plain(text.trim());
  }
}

/** Return where the colon behind a key is, or -1 if the text is no `key: value`. */
function keyEnd(text) {
  if (/^["']/.test(text)) {
    const end = quoteEnd(text);
    const colon = /^\s*:(\s|$)/.exec(text.slice(end + 1));
    return end >= 0 && colon ? end + 1 + colon[0].indexOf(":") : -1;
  }
  if (/^[[{]/.test(text)) return -1;
  const found = /:(\s|$)/.exec(text);
  return found && !/(^|\s)#/.test(text.slice(0, found.index)) ? found.index : -1;
}

/** Return where the quote that opens a text is closed, or -1. */
function quoteEnd(text) {
  const [found] = (text[0] === "'" ? /^'(?:[^']|'')*'(?!')/ : /^"(?:[^"\\]|\\.)*"/s).exec(text) ?? [null];
  return found === null ? -1 : found.length - 1;
}

function withoutComment(text) {
  return text.replace(/(^|\s+)#.*$/, "").trimEnd();
}

/** Join lines as `>` does: a break becomes a space, an empty line a break; indented lines stay. */
function folded(lines) {
  let text = "";
  lines.forEach((line, at) => {
    if (at === 0) text = line;
    else if (line === "") text += "\n";
    else if (lines[at - 1] === "") text += /^\s/.test(line) || /^\s/.test(lines.slice(0, at).findLast((one) => one !== "") ?? "") ? `\n${line}` : line;
    else text += /^\s/.test(line) || /^\s/.test(lines[at - 1]) ? `\n${line}` : ` ${line}`;
  });
  return text;
}
