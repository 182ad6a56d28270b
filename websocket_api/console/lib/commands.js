// @ts-check
// Commands as this browser keeps them: what was typed, without secrets; and those that a master's configuration has.

/** Fields of the form that are a command. */
const FIELDS = ["client", "tgt", "tgt_type", "fun", "typed", "more", "moreNamed", "pillar", "how", "concurrency", "stop", "progress", "name"];
/** Names of arguments whose values are not stored. */
const SECRET = /passw|passphrase|passwd|(^|_)pwd|secret|token|credential|(api|private|access|secret|ssh|auth|encryption)_?key|pillar/i;
const MAX_CHARACTERS = 20000; // of one command: browser storage is small
const TEXTS = ["client", "tgt", "tgt_type", "fun", "more", "moreNamed", "how", "concurrency", "name"];

/** Return whether values of an argument with this name are secrets. */
export function isSecret(name) {
  return SECRET.test(name);
}

/**
 * Return the command in a form without its secrets, and the names of the arguments that were left out. Positional
 * arguments of a line each have no name, so nothing tells whether they are secrets.
 *
 * @returns {{command: any, omitted: string[]}}
 */
export function withoutSecrets(form) {
  const command = Object.fromEntries(FIELDS.filter((name) => form[name] !== undefined).map((name) => [name, form[name]]));
  const omitted = [];
  if (form.pillar?.trim()) omitted.push("pillar");
  delete command.pillar;
  command.typed = Object.fromEntries(
    Object.entries(form.typed ?? {}).filter(([name, value]) => {
      if (value && isSecret(name)) omitted.push(name);
      return value && !isSecret(name);
    }),
  );
  const lines = (form.moreNamed ?? "").split("\n").filter((line) => {
    const name = line.split("=", 1)[0].trim();
    if (line.trim() && isSecret(name)) omitted.push(name);
    return !isSecret(name);
  });
  command.moreNamed = lines.join("\n");
  return { command, omitted };
}

/** Return a command in one line, as it would be typed for Salt. */
export function titleOf({ client, tgt, fun, typed = {}, more = "", moreNamed = "" }) {
  const target = client === "local" ? [tgt] : [client];
  const named = Object.entries(typed).map(([name, value]) => `${name}=${value}`);
  const rest = `${more}\n${moreNamed}`.split("\n").filter((line) => line.trim());
  return [...target, fun, ...named, ...rest].join(" ").replace(/\s+/g, " ");
}

/** Return what a file of commands has: [{title, command, omitted}]. Each is checked: a file may come from anywhere. */
export function importCommands(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Error("This is not a file of commands: it is not JSON.");
  }
  if (!Array.isArray(found?.commands)) throw new Error("This is not a file of commands: it has no list of commands.");
  return found.commands.map(checked).filter(Boolean);
}

export function exportCommands(saved) {
  return JSON.stringify({ commands: saved }, null, 2);
}

/** Return an entry of {title, command, omitted} with known fields of the right types, or null. */
export function checked(entry) {
  const command = entry?.command;
  if (!command || typeof command !== "object" || typeof command.fun !== "string") return null;
  if (JSON.stringify(entry).length > MAX_CHARACTERS) return null;
  const clean = { client: "local", tgt: "", tgt_type: "glob", more: "", moreNamed: "" };
  for (const name of TEXTS) if (typeof command[name] === "string") clean[name] = command[name];
  for (const name of ["stop", "progress"]) if (typeof command[name] === "boolean") clean[name] = command[name];
  if (!["local", "runner", "wheel"].includes(clean.client)) return null;
  const typed = Object.entries(command.typed ?? {}).filter(([, value]) => typeof value === "string");
  const { command: safe, omitted } = withoutSecrets({ ...clean, typed: Object.fromEntries(typed) });
  const named = Array.isArray(entry.omitted) ? entry.omitted.filter((name) => typeof name === "string") : [];
  return { title: typeof entry.title === "string" ? entry.title.slice(0, 200) : titleOf(safe), command: safe, omitted: [...new Set([...named, ...omitted])] };
}

const CLIENTS = { "runners.": "runner", "wheel.": "wheel" };

/** Return SaltGUI's templates (`saltgui_templates`) of a master's configuration as saved commands: [{title, command, omitted}]. */
export function templatesOf(config) {
  return Object.entries(config?.saltgui_templates ?? {}).map(([name, template]) => ofTemplate(name, template)).filter(Boolean);
}

function ofTemplate(name, template) {
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
