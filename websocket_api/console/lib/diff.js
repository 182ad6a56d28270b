// @ts-check
// Unified diffs, as Salt's file functions return them.

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
