// @ts-check
// What is typed into a form made from a function's signature, as arguments of a call.

const TOO_LONG = /^-?\d{16,}$/; // a job id as a number would be another one: doubles hold 15 digits for certain

/** Read a field: JSON where it is JSON, else the text as it is. `"5"` in quotes is a text, 5 a number. */
export function parsed(text) {
  const trimmed = text.trim();
  if (TOO_LONG.test(trimmed)) return trimmed;
  try {
    return JSON.parse(trimmed);
  } catch {
    return PYTHON.has(trimmed) ? PYTHON.get(trimmed) : text;
  }
}

const PYTHON = new Map([["True", true], ["False", false], ["None", null]]); // as on the command line

/** The fields of a signature: [{name, required, default, choices}]. */
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
 * @param fields as `fieldsOf` gives them
 * @param typed name -> text; an empty one is left out
 * @param more further positional arguments, one a line
 * @param moreNamed further keyword arguments, `name=value` lines
 * @throws Error what of it cannot be understood, for whoever typed it
 */
export function callOf(fields, typed, more, moreNamed) {
  const rest = lines(more).map(parsed);
  const kwargs = {};
  for (const line of lines(moreNamed)) {
    const [, name, value] = /^\s*([^\s=]+)\s*=(.*)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`“${line.trim()}” is no name=value.`);
    kwargs[name] = parsed(value.trim());
  }
  const given = fields.filter(({ name }) => (typed[name] ?? "") !== "");
  if (!rest.length) {
    for (const { name } of given) kwargs[name] = parsed(typed[name]);
    return { args: [], kwargs };
  }
  // Positional arguments fill the named ones first: these go before them, in their order.
  const last = fields.findLastIndex((field) => given.includes(field));
  const args = fields.slice(0, last + 1).map((field) => (given.includes(field) ? parsed(typed[field.name]) : (field.default ?? null)));
  return { args: [...args, ...rest], kwargs };
}

function lines(text) {
  return (text ?? "").split("\n").filter((line) => line.trim() !== "");
}
