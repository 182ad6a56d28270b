// @ts-check
// Commands that the master's configuration has as templates for SaltGUI (`saltgui_templates`).

import { checked } from "./commands.js";

const CLIENTS = { "runners.": "runner", "wheel.": "wheel" };

/** Return the templates of a master's configuration as saved commands: [{title, command, omitted}]. */
export function templatesOf(config) {
  return Object.entries(config?.saltgui_templates ?? {}).map(([name, template]) => entryOf(name, template)).filter(Boolean);
}

function entryOf(name, template) {
  const { description, command, target, targettype } = template ?? {};
  const [first = "", ...words] = wordsOf(String(command ?? ""));
  const prefix = Object.keys(CLIENTS).find((one) => first.startsWith(one)) ?? "";
  const tgt = String(target ?? "");
  const [more, named] = [false, true].map((isNamed) => words.filter((word) => /^[a-z_]\w*=/i.test(word) === isNamed).join("\n"));
  const fields = { client: CLIENTS[prefix] ?? "local", fun: first.slice(prefix.length), tgt, tgt_type: targettype ?? typeOf(tgt), more, moreNamed: named };
  return checked({ title: String(description ?? name), command: fields });
}

function typeOf(tgt) {
  return tgt.includes("@") ? "compound" : tgt.includes(",") ? "list" : "glob";
}

/** Split at blanks outside of quotes and brackets. A text in single quotes becomes JSON, which the form reads. */
function wordsOf(command) {
  const words = command.match(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|[^\s"'[{])+/g) ?? [];
  return words.map((word) => word.replace(/^(\w+=)?'([^']*)'$/, (_all, name = "", text) => name + JSON.stringify(text)));
}
