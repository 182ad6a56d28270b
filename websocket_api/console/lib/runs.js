// @ts-check
// Texts in runs of one colour: unified diffs, as Salt's file functions return them, and a terminal's output. Nothing else of
// a terminal's output acts: other control sequences stay visible as escapes.

const SEQUENCE = new RegExp(`${String.fromCharCode(27)}\\[([\\d;]*)([mK])`, "g"); // colours, and "erase to the end of the line"
const MAX_RUNS = 5000; // differently coloured parts; the rest has one colour

/**
 * Return a terminal's output as runs, [text, classes]. Background colours and hiding are ignored, because they could hide text.
 *
 * @param {string} text
 * @returns {[string, string][]}
 */
export function terminalRuns(text) {
  const runs = [];
  let [at, style] = [0, {}];
  const add = (end) => end > at && runs.push([text.slice(at, end), classesOf(style)]);
  for (const match of text.matchAll(SEQUENCE)) {
    if (runs.length >= MAX_RUNS) break;
    add(match.index);
    at = match.index + match[0].length;
    if (match[2] === "m") style = after(style, match[1]);
  }
  add(text.length);
  return /** @type {[string, string][]} */ (runs);
}

/** @param {{color?: number, bold?: boolean, italic?: boolean, underline?: boolean}} style */
function classesOf({ color, bold, italic, underline }) {
  return [color && `ansi-${color}`, bold && "ansi-bold", italic && "ansi-italic", underline && "ansi-underline"].filter(Boolean).join(" ");
}

const SWITCHES = { 1: { bold: true }, 3: { italic: true }, 4: { underline: true }, 22: { bold: false }, 23: { italic: false }, 24: { underline: false }, 39: { color: 0 } };

/** Return the style after a sequence with these parameters (ECMA-48, "select graphic rendition"). */
function after(style, parameters) {
  const codes = parameters.split(";").map(Number);
  let next = { ...style };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    if (code === 0) next = {};
    else if (code === 38 || code === 48) {
      const given = codes[at + 1] === 2 ? 4 : 2; // 38;2;red;green;blue or 38;5;number
      if (code === 38) next.color = given === 4 ? nearest(codes[at + 2], codes[at + 3], codes[at + 4]) : ofPalette(codes[at + 2]);
      at += given;
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) next.color = ofPalette(code % 10);
    else Object.assign(next, SWITCHES[code]);
  }
  return next;
}

/** Return one of the colours 1 to 6, or 0 for the text's own: black and white depend on the page's theme. */
function ofPalette(number) {
  if (number < 16) return number % 8 === 7 ? 0 : number % 8;
  if (number > 231) return 0;
  const cube = number - 16;
  return nearest(Math.floor(cube / 36) * 51, (Math.floor(cube / 6) % 6) * 51, (cube % 6) * 51);
}

function nearest(red, green, blue) {
  const limit = 0.6 * Math.max(red, green, blue);
  const color = (red > limit ? 1 : 0) + (green > limit ? 2 : 0) + (blue > limit ? 4 : 0);
  return color === 7 ? 0 : color;
}

const HUNK = /^@@ -\d+(,\d+)? \+\d+(,\d+)? @@/m;
const HEADER = /^(--- .*\n\+\+\+ .*\n)/;
const BEGINNING = 4000; // characters in which the first hunk begins

/** Return whether a text is a unified diff. */
export function isDiff(text) {
  const beginning = text.slice(0, BEGINNING);
  return HUNK.test(beginning) && (HEADER.test(beginning) || beginning.startsWith("@@ "));
}

const KINDS = { "+": "added", "-": "removed", "@": "hunk", "\\": "hunk" };

/**
 * Return a diff as runs of lines of the same kind, [text, class].
 *
 * @param {string} text
 * @returns {[string, string][]}
 */
export function diffRuns(text) {
  const runs = [];
  let before = "";
  for (const line of text.split(/(?<=\n)/)) {
    const isFileName = (before === "" && line.startsWith("--- ")) || (before === "file" && line.startsWith("+++ "));
    const kind = isFileName ? "file" : (KINDS[line[0]] ?? "context");
    if (runs.length && kind === runs.at(-1)[1]) runs.at(-1)[0] += line;
    else runs.push([line, kind]);
    before = kind;
  }
  return /** @type {[string, string][]} */ (runs);
}
