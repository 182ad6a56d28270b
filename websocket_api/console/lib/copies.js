// @ts-check
// A call as a command of a shell, or as a Python program. None contains a token or a password.

import { visible } from "./visible.js";
import { WORDS, number, quoted } from "./yaml_text.js";

/** Options of Salt's command line by target type. */
const OPTIONS = { glob: "", list: "-L", compound: "-C", grain: "-G", grain_pcre: "-P", pcre: "-E", nodegroup: "-N", pillar: "-I", pillar_pcre: "-J", ipcidr: "-S", range: "-R" };
const NAME = /^[A-Za-z_][\w.-]*$/; // of a keyword argument on the command line
const ASSIGNMENT = /^[\p{L}_][\p{L}\p{N}_.-]*=(?!=)/u; // what Salt reads as a keyword argument
const SENTENCE = /^[A-Za-z_/][ -~]*$/; // YAML reads such a text as it is, unless it contains a mark
const MARKS = /: |[:\s]$|#/;
const PYTHON = { true: "True", false: "False", null: "None" }; // which Salt's command line reads, too

/**
 * Return the command `salt`, `salt-run`, or what `salt-live` takes, as {text} or {problem}.
 *
 * @param {import("./calls.js").Call} call
 */
export function asSalt(call) {
  if (call.client === "wheel") return { problem: "Salt has no command for wheel functions." };
  return commandOf(call.client === "local" ? ["salt"] : ["salt-run"], call);
}

/** @param {string} origin the server's address */
export function asSaltLive(call, origin) {
  const verb = { local: "cmd", runner: "run", wheel: "wheel" }[call.client];
  return commandOf(["salt-live", "-u", websocketOf(origin), verb], call);
}

function websocketOf(origin) {
  return origin.replace(/^http/, "ws");
}

function commandOf(start, { client, fun, target, args, kwargs }) {
  const words = [...start];
  if (client === "local") {
    const { tgt, tgt_type } = target;
    const isList = Array.isArray(tgt);
    const option = OPTIONS[isList ? "list" : tgt_type];
    const text = isList ? tgt.join(",") : tgt;
    if (option === undefined) return { problem: `The command has no option for targets of type ${tgt_type}.` };
    if (text.startsWith("-") || (isList && tgt.some((id) => id.includes(",")))) return { problem: "The command cannot have this target." };
    words.push(...(option ? [option] : []), text);
  }
  words.push(fun);
  if (!Object.keys(kwargs).every((name) => NAME.test(name))) return { problem: "The command cannot have these names of arguments." };
  for (const value of args) words.push(wordOf(value, true));
  for (const [name, value] of Object.entries(kwargs)) words.push(`${name}=${wordOf(value, false)}`);
  return { text: words.map(shell).join(" ") };
}

/** Return a value as a word that Salt reads as YAML (`salt.utils.args.parse_input`). */
function wordOf(value, positional) {
  if (typeof value === "string") {
    const isPlain = SENTENCE.test(value) && !MARKS.test(value) && !WORDS.test(value);
    if (isPlain && !(positional && ASSIGNMENT.test(value))) return value;
    return withoutHash(quoted(value)); // Salt does not read a word with # as YAML
  }
  if (value !== null && typeof value === "object") return withoutHash(flow(value));
  const text = PYTHON[String(value)] ?? number(value);
  return text.startsWith("-") ? ` ${text}` : text; // else it would be an option
}

function withoutHash(text) {
  return text.replaceAll("#", "\\u0023");
}

/** Return a value in brackets and braces, with its texts and other values as these functions write them. */
function literal(value, text, other) {
  if (typeof value === "string") return text(value);
  if (value === null || typeof value !== "object") return other(value);
  const inner = (one) => literal(one, text, other);
  if (Array.isArray(value)) return `[${value.map(inner).join(", ")}]`;
  return `{${Object.keys(value).map((name) => `${text(name)}: ${inner(value[name])}`).join(", ")}}`;
}

/** Return a value as JSON that YAML 1.1 reads as the same, with hidden characters escaped. */
function flow(value) {
  return literal(value, quoted, number);
}

/** Quote a word for a shell: bash, zsh and others, and so that no character is hidden. */
export function shell(word) {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (visible(word) === word) return `'${word.replaceAll("'", "'\\''")}'`;
  const bytes = [...new TextEncoder().encode(word)];
  const plain = (code) => code >= 32 && code < 127 && code !== 39 && code !== 92;
  return `$'${bytes.map((code) => (plain(code) ? String.fromCharCode(code) : `\\x${code.toString(16).padStart(2, "0")}`)).join("")}'`;
}

/** Return a request to the server's salt-api. */
export function asCurl({ client, fun, target, args, kwargs }, origin) {
  // The server reads a runner's texts as the command line does.
  const arg = client === "runner" ? args.map((value) => (typeof value === "string" ? wordOf(value, true) : value)) : args;
  const low = { client: `${client}_async`, ...target, fun, ...(arg.length ? { arg } : {}), ...(Object.keys(kwargs).length ? { kwarg: kwargs } : {}) };
  const headers = '-H "X-Auth-Token: $SALTAPI_TOKEN" -H \'Content-Type: application/json\'';
  return { text: `curl -sS ${shell(`${origin}/`)} ${headers} -d ${shell(json([low]))}` };
}

/** Return JSON on one line without hidden characters. */
function json(value) {
  return literal(value, (text) => visible(JSON.stringify(text)), (other) => String(other ?? null));
}

/** Return a program with the package `salt-live`. */
export function asPython({ client, fun, target, args, kwargs }, origin) {
  const call = [...(client === "local" ? [python(target.tgt)] : []), python(fun), python(args)];
  if (client === "local" && target.tgt_type !== "glob") call.push(`tgt_type=${python(target.tgt_type)}`);
  if (Object.keys(kwargs).length) call.push(`kwarg=${python(kwargs)}`);
  const method = { local: "cmd", runner: "runner.cmd", wheel: "wheel.cmd" }[client];
  const lines = ["import os", "", "from salt_live import Client", "", `with Client(${python(websocketOf(origin))}, token=os.environ["SALTAPI_TOKEN"]) as client:`, `    print(client.${method}(${call.join(", ")}))`];
  return { text: `${lines.join("\n")}\n` };
}

/** Return a value as a Python literal. */
function python(value) {
  return literal(value, quoted, (other) => PYTHON[String(other)] ?? String(other));
}
