"""Texts for the faults of a message.

They are made from the schema and never from the message, because any value may be a secret. The texts of jsonschema
quote values. The only part of a message that is shown is the name of an unknown field.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from jsonschema.exceptions import ValidationError

from ..errors import MAX_FAULTS, MAX_NAME

Fault = dict[str, str]
"""``{"path": JSON Pointer (RFC 6901) into the message, "message": the fault}``."""

MAX_IN_SUMMARY = 3
"""Number of faults in the summary; the list has all of them."""

_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def found(errors: Iterable[ValidationError]) -> list[Fault]:
    """Return every fault once, sorted by path. Faults beyond :data:`MAX_FAULTS` are combined into one."""
    every = {pair for error in islice(errors, MAX_FAULTS + 1) for pair in islice(_pairs(error), MAX_FAULTS + 1)}
    faults = [{"path": path, "message": message} for path, message in sorted(every)]
    if len(faults) > MAX_FAULTS:
        faults[MAX_FAULTS:] = [{"path": "", "message": "has more faults, which are not listed"}]
    return faults


def summary(faults: list[Fault], subject: str = "the message") -> str:
    """Return one sentence with the first faults, such as ``2 faults: /kwargs must be an object; …``.

    :param subject: the name of the checked object
    """
    named = [f"{fault['path'] or subject} {fault['message']}" for fault in faults[:MAX_IN_SUMMARY]]
    if len(faults) == 1:
        return named[0]
    more = "; …" if len(faults) > MAX_IN_SUMMARY else ""
    return f"{len(faults)} faults: {'; '.join(named)}{more}"


def _pairs(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Yield (path, message) for each fault in one error of jsonschema."""
    path = "".join(f"/{_name(part)}" for part in error.absolute_path)
    schema = error.schema if isinstance(error.schema, dict) else {}
    keyword = str(error.validator)
    value: Any = error.validator_value
    given: Any = error.instance
    text = schema.get("x-fault")
    if keyword == "required":
        yield from ((f"{path}/{_name(name)}", text or "is required") for name in value if name not in given)
    elif keyword == "dependentRequired":
        for name, needed in value.items():
            for missing in needed if name in given else ():
                if missing not in given:
                    yield f"{path}/{_name(missing)}", f"is required beside {name}"
    elif keyword == "additionalProperties":
        for name in given:
            if name not in schema.get("properties", {}):
                usual = "is not a field here" if path else "is not a field of this message"
                yield f"{path}/{_name(name)}", schema.get("x-surplus", usual)
    elif keyword in ("anyOf", "oneOf") and (begun := _begun(value, given)):
        there = _either([name for name in begun if name in given])
        yield from ((f"{path}/{_name(name)}", f"is required beside {there}") for name in begun if name not in given)
    else:
        words = _WORDS.get(keyword)
        yield path, text or (words(value, error) if words else "is not allowed here")


def _begun(branches: list[Any], given: Any) -> list[str]:
    """Return the fields of the only alternative that is partly present, or nothing."""
    if not isinstance(given, dict):
        return []
    begun = [branch["required"] for branch in branches if isinstance(branch, dict) and "required" in branch]
    begun = [names for names in begun if any(name in given for name in names)]
    return begun[0] if len(begun) == 1 and any(name not in given for name in begun[0]) else []


def _name(part: Any) -> str:
    """Return a step of a JSON Pointer, shortened, and without characters that could break a log line."""
    text = str(part)[:MAX_NAME].replace("~", "~0").replace("/", "~1")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _must_be(types: str | list[str], _error: ValidationError) -> str:
    names = [types] if isinstance(types, str) else types
    return "must be " + _either([_TYPES[name] for name in names])


def _must_be_one_of(values: list[Any], _error: ValidationError) -> str:
    return "must be one of: " + ", ".join(value if isinstance(value, str) else json.dumps(value) for value in values)


def _alternatives(branches: list[Any], error: ValidationError) -> str:
    """Return which fields belong together. Schemas with other alternatives need ``x-fault``."""
    groups = [" and ".join(branch.get("required", ())) for branch in branches if isinstance(branch, dict)]
    if not all(groups):
        return "matches none of the allowed forms"
    single = all(" " not in group for group in groups)
    sentence = f"needs {_either(groups)}" if single else "needs either " + ", or ".join(groups)
    if not isinstance(error.instance, dict):
        return "must be an object"  # in JSON Schema, `required` accepts every value that is not an object
    # jsonschema gives a context if no alternative matches, and none if several match.
    return sentence if error.context else f"{sentence}, not more than one of them"


def _excluded(schema: Any, _error: ValidationError) -> str:
    names = schema.get("required", ()) if isinstance(schema, dict) else ()
    return f"takes {_either(list(names))}, not both" if names else "is not allowed here"


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _at_least(unit: str) -> Callable[[int, ValidationError], str]:
    return lambda bound, _error: "must not be empty" if bound == 1 else f"must have at least {bound} {unit}"


_WORDS: dict[str, Callable[[Any, ValidationError], str]] = {
    "type": _must_be,
    "enum": _must_be_one_of,
    "const": lambda value, _error: f"must be {json.dumps(value)}",
    "pattern": lambda value, _error: f"does not have the form {value}",
    "maxLength": lambda bound, _error: f"must be at most {bound} characters",
    "minLength": _at_least("characters"),
    "maxItems": lambda bound, _error: f"must have at most {bound} entries",
    "maxProperties": lambda bound, _error: f"must have at most {bound} fields",
    "minItems": _at_least("entries"),
    "minimum": lambda bound, _error: f"must be at least {bound}",
    "maximum": lambda bound, _error: f"must be at most {bound}",
    "exclusiveMinimum": lambda bound, _error: f"must be more than {bound}",
    "exclusiveMaximum": lambda bound, _error: f"must be less than {bound}",
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "not": _excluded,
}
