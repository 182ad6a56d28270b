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
    const [, name, value] = /^\s*([^\s=]+)\s*=(.*)$/.exec(line) ?? [];
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
