"""Fast checks of messages and their fields, which jsonschema checks slowly.

jsonschema builds validators for the parts of a schema at every check: 90 us for the position of a snapshot, 3 us here.
Each check decides as the validator of dialect.py does (a test compares them).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Schema = dict[str, Any]
IsValid = Callable[[Any], bool]
MakeValidator = Callable[[Schema], IsValid]
Build = Callable[[Schema, MakeValidator], IsValid]

_NOTES = frozenset({"description", "title", "x-fault", "x-unit", "default", "examples", "$schema"})
"""Keywords that check nothing."""


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer. The draft also accepts 1.0, with which nothing can slice a list."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a value is a number. msgpack can carry NaN, which would pass every minimum and maximum."""
    if isinstance(value, float):
        return math.isfinite(value)
    return is_integer(value)  # of any length: one of 400 digits is too large for `isfinite`


def matcher(pattern: str) -> Callable[[str], Any]:
    """Return the match of a pattern. In Python ``$`` also matches before a final line break, in JSON Schema not.

    This matters for jids: Salt uses them as names of files.
    """
    form = re.compile(pattern)
    return form.fullmatch if pattern.startswith("^") and pattern.endswith("$") else form.search


def all_pass(checks: Iterable[IsValid], value: Any) -> bool:
    """Return whether a value passes all checks. A generator would take longer than most of them."""
    for check in checks:  # noqa: SIM110
        if not check(value):
            return False
    return True


def fast_rule(schema: Any, make: MakeValidator) -> IsValid:
    """Return the check of a schema.

    :param make: returns jsonschema's check, for a schema with other keywords than the usual ones
    """
    if isinstance(schema, bool):
        return _accept if schema else _refuse
    keywords = schema.keys() - _NOTES
    if not keywords <= _BUILDERS.keys() or not all(_is_usual(keyword, schema) for keyword in keywords):
        return make(schema)
    builders = dict.fromkeys(build for keyword, build in _BUILDERS.items() if keyword in keywords)
    if _text in builders and schema.get("type") == "string":
        del builders[_type]
    checks = [build(schema, make) for build in builders]
    if not checks:
        return _accept
    return checks[0] if len(checks) == 1 else lambda value: all_pass(checks, value)


def _is_usual(keyword: str, schema: Schema) -> bool:
    """Return whether a keyword has one of the values that are known here."""
    value = schema[keyword]
    if keyword in ("const", "enum"):
        return all(isinstance(text, str) for text in (value if keyword == "enum" else [value]))
    if keyword in ("then", "else"):
        return "if" in schema
    return keyword != "additionalProperties" or isinstance(value, bool)


def _accept(_value: Any) -> bool:
    return True


def _refuse(_value: Any) -> bool:
    return False


def _type(schema: Schema, _make: MakeValidator) -> IsValid:
    names = schema["type"]
    checks = [_TYPES[name] for name in ([names] if isinstance(names, str) else names)]
    return checks[0] if len(checks) == 1 else _either(checks)


_TYPES: dict[str, IsValid] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": is_integer,
    "null": lambda value: value is None,
    "number": is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def _const(schema: Schema, _make: MakeValidator) -> IsValid:
    return [schema["const"]].__contains__


def _enum(schema: Schema, _make: MakeValidator) -> IsValid:
    texts: list[str] = schema["enum"]
    return texts.__contains__


def _text(schema: Schema, _make: MakeValidator) -> IsValid:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", sys.maxsize)
    matches = matcher(schema["pattern"]) if "pattern" in schema else None
    is_text_only = schema.get("type") == "string"  # checked here too: a target can have 10,000 ids

    def check(value: Any) -> bool:
        if not isinstance(value, str):
            return not is_text_only
        return shortest <= len(value) <= longest and (matches is None or matches(value) is not None)

    return check


def _number(schema: Schema, _make: MakeValidator) -> IsValid:
    minimum, maximum = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    return lambda value: not is_number(value) or minimum <= value <= maximum


def _list(schema: Schema, make: MakeValidator) -> IsValid:
    shortest, longest = schema.get("minItems", 0), schema.get("maxItems", sys.maxsize)
    fits = fast_rule(schema["items"], make) if "items" in schema else _accept

    def check(value: Any) -> bool:
        if not isinstance(value, list):
            return True
        return shortest <= len(value) <= longest and all(map(fits, value))

    return check


def _object(schema: Schema, make: MakeValidator) -> IsValid:
    required, fields = schema.get("required", ()), schema.get("properties", {})
    forbidden = frozenset(name for name, field in fields.items() if _is_never(field))
    checks = {name: fast_rule(field, make) for name, field in fields.items() if name not in forbidden}
    is_closed = schema.get("additionalProperties") is False

    def check(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name in required:
            if name not in value:
                return False
        for name, fits in checks.items():
            if name in value and not fits(value[name]):
                return False
        return forbidden.isdisjoint(value) and not (is_closed and value.keys() - checks.keys())

    return check


def _is_never(schema: Any) -> bool:
    """Return whether a schema refuses every value."""
    return schema is False or (isinstance(schema, dict) and schema.get("not") == {})


def _not(schema: Schema, make: MakeValidator) -> IsValid:
    refused = fast_rule(schema["not"], make)
    return lambda value: not refused(value)


def _any(schema: Schema, make: MakeValidator) -> IsValid:
    return _either([fast_rule(branch, make) for branch in schema["anyOf"]])


def _either(checks: list[IsValid]) -> IsValid:
    if len(checks) == 2:
        one, other = checks
        return lambda value: one(value) or other(value)
    return lambda value: any(check(value) for check in checks)


def _one(schema: Schema, make: MakeValidator) -> IsValid:
    branches = [fast_rule(branch, make) for branch in schema["oneOf"]]
    return lambda value: [branch(value) for branch in branches].count(True) == 1


def _condition(schema: Schema, make: MakeValidator) -> IsValid:
    applies, then, otherwise = (
        fast_rule(schema[keyword], make) if keyword in schema else _accept for keyword in ("if", "then", "else")
    )
    return lambda value: then(value) if applies(value) else otherwise(value)


_BUILDERS: Mapping[str, Build] = {
    "type": _type,
    "const": _const,
    "enum": _enum,
    **dict.fromkeys(("minLength", "maxLength", "pattern"), _text),
    **dict.fromkeys(("minimum", "maximum"), _number),
    **dict.fromkeys(("minItems", "maxItems", "items"), _list),
    **dict.fromkeys(("required", "properties", "additionalProperties"), _object),
    "not": _not,
    "anyOf": _any,
    "oneOf": _one,
    **dict.fromkeys(("if", "then", "else"), _condition),
}
"""What builds the check of each keyword."""
