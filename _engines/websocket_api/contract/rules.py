"""Fast checks for the rules between the fields of a message, which jsonschema checks slowly.

jsonschema builds validators for the parts of a rule at every check. Here they are built once, and the usual parts need
none. Each check decides as jsonschema does (a test compares them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Schema = dict[str, Any]
Passes = Callable[[Mapping[str, Any]], bool]
IsValid = Callable[[Any], bool]
MakeValidator = Callable[[Schema], IsValid]

_NOTES = frozenset({"description", "title", "x-fault"})
_FIELDS = frozenset({"properties", "required"})
_CONDITION = frozenset({"if", "then", "else"})


def fast_rule(rule: Schema, make: MakeValidator) -> Passes:
    """Return the check of a rule, for messages that are objects.

    :param make: returns jsonschema's check of a schema
    """
    words = rule.keys() - _NOTES
    if not words or not words <= _FIELDS | _CONDITION | {"anyOf"} or ("if" in words) != bool(words & _CONDITION):
        return make(rule)
    checks: list[Passes] = []
    if words & _FIELDS:
        checks.append(_fields(rule, make))
    if "anyOf" in words:
        checks.append(_any([fast_rule(branch, make) for branch in rule["anyOf"]]))
    if "if" in words:
        checks.append(_condition(rule, make))
    return checks[0] if len(checks) == 1 else lambda message: all(check(message) for check in checks)


def _any(branches: list[Passes]) -> Passes:
    return lambda message: any(branch(message) for branch in branches)


def _condition(rule: Schema, make: MakeValidator) -> Passes:
    applies, then, otherwise = (
        fast_rule(rule[word], make) if word in rule else _accept for word in ("if", "then", "else")
    )
    return lambda message: then(message) if applies(message) else otherwise(message)


def _accept(_message: Mapping[str, Any]) -> bool:
    return True


def _fields(rule: Schema, make: MakeValidator) -> Passes:
    required = rule.get("required", ())
    checks = {name: _field(field, make) for name, field in rule.get("properties", {}).items()}

    def passes(message: Mapping[str, Any]) -> bool:
        return all(name in message for name in required) and all(
            checks[name](message[name]) for name in checks.keys() & message.keys()
        )

    return passes


def _field(schema: Schema, make: MakeValidator) -> IsValid:
    """Return the check of a field."""
    texts = _texts(schema)
    if texts is not None:
        return texts.__contains__
    if schema.keys() - _NOTES == {"not"}:
        if schema["not"] == {}:
            return lambda value: False
        if schema["not"] == {"type": "array"}:
            return lambda value: not isinstance(value, list)
    return make(schema)


def _texts(schema: Schema) -> list[Any] | None:
    """Return the texts of which a schema accepts any, and nothing else; None for another schema."""
    words = schema.keys() - _NOTES
    texts = [schema["const"]] if words == {"const"} else schema["enum"] if words == {"enum"} else None
    return texts if texts is not None and all(isinstance(text, str) for text in texts) else None
