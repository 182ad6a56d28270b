// @ts-check
// The arguments of a call, from the text that was typed into the form of a function's signature.

const LONG_NUMBER = /^-?\d{16,}$/; // such as a job id: JavaScript's numbers are exact to 15 digits

/** Parse a field: JSON or a Python constant if it is one, else the text itself. `"5"` is a text, 5 a number. */
export function parseValue(text) {
  const trimmed = text.trim();
  if (LONG_NUMBER.test(trimmed)) return trimmed;
  try {
    return JSON.parse(trimmed);
  } catch {
    return PYTHON.has(trimmed) ? PYTHON.get(trimmed) : text;
  }
}

const PYTHON = new Map([["True", true], ["False", false], ["None", null]]); // as on Salt's command line

/** Return the fields of a signature: [{name, required, default, hasDefault, isFlag}]. */
export function fieldsOf(signature) {
  const { properties = {}, required = [] } = signature?.schema ?? {};
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    required: required.includes(name),
    default: schema.default,
    hasDefault: Object.hasOwn(schema, "default"),
    isFlag: typeof schema.default === "boolean",
  }));
}

/**
 * Return {args, kwargs} for what was typed.
 *
 * @param {any[]} fields as `fieldsOf` returns them
 * @param {Record<string, string>} typed text by field name; empty ones are left out
 * @param {string} more further positional arguments, one a line
 * @param {string} moreNamed further keyword arguments, `name=value` lines
 * @throws {Error} for a line that is not `name=value`
 */
export function callOf(fields, typed, more, moreNamed) {
  const rest = linesOf(more).map(parseValue);
  const kwargs = {};
  for (const line of linesOf(moreNamed)) {
    const [, name, value] = /^\s*([^\s=]+)\s*=(.*)$/s.exec(line) ?? [];
    if (name === undefined) throw new Error(`“${line.trim()}” is not a named argument: type name=value.`);
    kwargs[name] = parseValue(value.trim());
  }
  const given = fields.filter(({ name }) => (typed[name] ?? "") !== "");
  if (!rest.length) {
    for (const { name } of given) kwargs[name] = parseValue(typed[name]);
    return { args: [], kwargs };
  }
  // Further positional arguments come after the fields, so fields before the last typed one get their defaults.
  const last = fields.findLastIndex((field) => given.includes(field));
  const args = fields.slice(0, last + 1).map((field) => (given.includes(field) ? parseValue(typed[field.name]) : (field.default ?? null)));
  return { args: [...args, ...rest], kwargs };
}

function linesOf(text) {
  return (text ?? "").split("\n").filter((line) => line.trim() !== "");
}

/** Return a value as the text of a field, from which `parseValue` makes the same value. */
export function typedText(value) {
  if (typeof value === "string" && !value.includes("\n") && value !== "" && value.trim() === value && parseValue(value) === value) return value;
  return JSON.stringify(value) ?? "null";
}

/** Return the lines of the form for a call's arguments: {more, moreNamed}. */
export function linesOfCall(args, kwargs) {
  return {
    more: args.map(typedText).join("\n"),
    moreNamed: Object.entries(kwargs).map(([name, value]) => `${name}=${typedText(value)}`).join("\n"),
  };
}

/**
 * Return {typed, more, moreNamed}, with the further arguments in the function's own fields as far as it has them.
 *
 * @param {any[]} fields as `fieldsOf` returns them
 * @param {{typed: Record<string, string>, more: string, moreNamed: string}} form
 */
export function intoFields(fields, form) {
  const typed = { ...form.typed };
  const names = new Set(fields.map(({ name }) => name));
  const lines = linesOf(form.more);
  const rest = [];
  for (const [at, line] of lines.entries()) {
    const name = fields[at]?.name;
    if (name === undefined) rest.push(line);
    else typed[name] = line;
  }
  const named = linesOf(form.moreNamed).filter((line) => {
    const [, name, value] = /^\s*([^\s=]+)\s*=(.*)$/s.exec(line) ?? [];
    if (!names.has(name) || (typed[name] ?? "") !== "") return true;
    typed[name] = value;
    return false;
  });
  return { typed, more: rest.join("\n"), moreNamed: named.join("\n") };
}
