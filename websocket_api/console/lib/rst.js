// @ts-check
// Docstrings of Salt's functions, in reStructuredText, as blocks to draw. They are text from minions: nothing of them is markup.

const MAX_CHARACTERS = 100000;
const HEADING = /^([=\-~^"'*+#])\1{2,}\s*$/;
const ITEM = /^(\s*)([-*•]|\d+[.)]|#\.)\s+(.*)$/;
const FIELD = /^(\s*):([\w ()*.-]+):\s*(.*)$/;
const DIRECTIVE = /^(\s*)\.\.\s+([\w-]+)::\s*(.*)$/;
const NOTES = { note: "Note", warning: "Warning", versionadded: "Added in", versionchanged: "Changed in", deprecated: "Deprecated since", important: "Important", tip: "Tip", seealso: "See also" };

/**
 * Return blocks: {kind: "p" | "heading" | "item" | "code" | "note" | "field", text, name?, depth}; `depth` is the
 * indentation in steps.
 */
export function blocksOf(source) {
  const lines = dedented(source.slice(0, MAX_CHARACTERS).replace(/\t/g, "        ").split("\n"));
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (!line.trim()) at += 1;
    else if (HEADING.test(lines[at + 1] ?? "") && line.trim().length <= lines[at + 1].trim().length + 3) {
      blocks.push({ kind: "heading", text: line.trim(), depth: 0 });
      at += 2;
    } else at = block(lines, at, blocks);
  }
  return blocks;
}

function block(lines, at, blocks) {
  const line = lines[at];
  const indent = indentOf(line);
  const depth = Math.min(6, Math.floor(indent / 2));
  const directive = DIRECTIVE.exec(line);
  if (directive) return directiveOf(lines, at, blocks, directive, depth);
  if (/^\s*\.\.(\s|$)/.test(line)) return skip(lines, at, indent); // a comment or a link target
  const field = FIELD.exec(line);
  if (field) {
    const [end, text] = continued(lines, at + 1, indent, field[3]);
    blocks.push({ kind: "field", name: field[2].replace(/^(param|parameter|arg|argument|keyword|kwarg)s?\s+/, ""), text: withoutMark(text), depth });
    return afterText(lines, end, indent, blocks, text);
  }
  const item = ITEM.exec(line);
  if (item) {
    const [end, text] = continued(lines, at + 1, indent, item[3]);
    blocks.push({ kind: "item", text: withoutMark(text), depth });
    return afterText(lines, end, indent, blocks, text);
  }
  // Salt's own form of parameters: a name alone, and its text indented below.
  const next = lines[at + 1] ?? "";
  if (/^\s*[\w*]+( ?[:=(].*)?$/.test(line) && next.trim() && indentOf(next) > indent && !line.trim().endsWith("::")) {
    blocks.push({ kind: "term", text: line.trim(), depth });
    return at + 1;
  }
  let end = at;
  const words = [];
  while (end < lines.length && lines[end].trim() && indentOf(lines[end]) === indent && (end === at || !(ITEM.test(lines[end]) || FIELD.test(lines[end]) || DIRECTIVE.test(lines[end])))) words.push(lines[end++].trim());
  const text = words.join(" ");
  if (text !== "::") blocks.push({ kind: "p", text: withoutMark(text), depth });
  return afterText(lines, end, indent, blocks, text);
}

/** A text that ends with `::` is followed by code. */
function afterText(lines, end, indent, blocks, text) {
  return text.endsWith("::") ? code(lines, end, indent, blocks) : end;
}

function withoutMark(text) {
  return text.endsWith("::") ? text.slice(0, -1).replace(/ :$/, "") : text;
}

function directiveOf(lines, at, blocks, found, depth) {
  const [, space, name, argument] = found;
  const indent = space.length;
  if (/^(code-block|code|sourcecode|literalinclude|parsed-literal)$/.test(name)) return code(lines, at + 1, indent, blocks);
  if (Object.hasOwn(NOTES, name)) {
    const [end, text] = continued(lines, at + 1, indent, argument);
    blocks.push({ kind: "note", name: NOTES[name], text: withoutMark(text), depth });
    return afterText(lines, end, indent, blocks, text);
  }
  return skip(lines, at, indent);
}

/** Return the end of a paragraph that goes on in more deeply indented lines, and its text. */
function continued(lines, at, indent, first) {
  const words = first ? [first.trim()] : [];
  let end = at;
  while (end < lines.length && !lines[end].trim() && !words.length) end += 1;
  const inner = indentOf(lines[end] ?? "");
  while (end < lines.length && lines[end].trim() && indentOf(lines[end]) > indent && indentOf(lines[end]) >= Math.min(inner, indentOf(lines[end])) && !ITEM.test(lines[end]) && !DIRECTIVE.test(lines[end])) words.push(lines[end++].trim());
  return [end, words.join(" ")];
}

function code(lines, at, indent, blocks) {
  let end = at;
  while (end < lines.length && (/^\s*:[\w-]+:/.test(lines[end]) && indentOf(lines[end]) > indent)) end += 1; // options
  const first = end;
  while (end < lines.length && (!lines[end].trim() || indentOf(lines[end]) > indent)) end += 1;
  const text = dedented(lines.slice(first, end)).join("\n").replace(/^\n+|\s+$/g, "");
  if (text) blocks.push({ kind: "code", text, depth: Math.min(6, Math.floor(indent / 2)) });
  return end;
}

function skip(lines, at, indent) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && indentOf(lines[end]) > indent) end += 1;
  return end;
}

/** Split a text into [{kind: "text" | "code" | "em" | "strong", text}]. */
export function inlineOf(text) {
  const parts = [];
  let last = 0;
  for (const found of text.matchAll(/``(.+?)``|:[\w:.-]+:`([^`]+)`|`([^`]+)`__?|`([^`]+)`|\*\*(\S(?:.*?\S)?)\*\*|\*([^\s*](?:[^*]*[^\s*])?)\*/g)) {
    if (found.index > last) parts.push({ kind: "text", text: text.slice(last, found.index) });
    const [whole, literal, role, link, single, strong, em] = found;
    if (literal ?? single) parts.push({ kind: "code", text: literal ?? single });
    else if (role ?? link) parts.push({ kind: role ? "code" : "text", text: (role ?? link).replace(/\s*<[^>]*>$/, "").replace(/^~/, "") });
    else parts.push(strong ? { kind: "strong", text: strong } : { kind: "em", text: em });
    last = found.index + whole.length;
  }
  if (last < text.length) parts.push({ kind: "text", text: text.slice(last) });
  return parts;
}

/** Return the first sentence or line of a docstring, for lists. */
export function firstLine(doc) {
  const found = blocksOf(doc ?? "").find((one) => one.kind === "p" || one.kind === "heading");
  const text = found ? inlineOf(found.text).map((part) => part.text).join("") : "";
  return /^(.{20,}?[.:])\s/.exec(text)?.[1] ?? text;
}

function indentOf(line) {
  return line.length - line.trimStart().length;
}

/** Remove the indentation that all lines but the first have in common, as Python's inspect.cleandoc. */
function dedented(lines) {
  const rest = lines.slice(lines[0]?.trim() && indentOf(lines[0]) === 0 ? 1 : 0).filter((line) => line.trim());
  const common = rest.length ? Math.min(...rest.map(indentOf)) : 0;
  return lines.map((line) => (indentOf(line) >= common ? line.slice(common) : line.trimStart()));
}
