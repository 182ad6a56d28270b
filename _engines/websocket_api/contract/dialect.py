"""JSON Schema (draft 2020-12), stricter than jsonschema in three points, and fast for valid messages."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

from .rules import Schema, all_pass, fast_rule, is_integer, is_number, matcher

_DRAFT = jsonschema.Draft202012Validator


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Schema) -> Iterator[ValidationError]:
    if isinstance(value, str) and not matcher(pattern)(value):
        yield ValidationError("does not have the form")


def _of_fields(keyword: str, wanted: int) -> Any:
    """Return ``oneOf`` or ``not`` with a fast path for rules such as "one of these fields" and "not both"."""
    original = _DRAFT.VALIDATORS[keyword]

    def check(validator: Any, value: Any, instance: Any, schema: Schema) -> Iterator[ValidationError]:
        branches = value if isinstance(value, list) else [value]
        if isinstance(instance, dict) and all(branch.keys() == {"required"} for branch in branches):
            fitting = sum(all(name in instance for name in branch["required"]) for branch in branches)
            if fitting == wanted:
                return
        yield from original(validator, value, instance, schema) or ()

    return check


def _items(validator: Any, value: Any, instance: Any, schema: Schema) -> Iterator[ValidationError]:
    # A list that is too long is refused for that alone, without a check of its entries.
    if isinstance(instance, list) and len(instance) > schema.get("maxItems", math.inf):
        return
    if isinstance(instance, list) and (fits := _plain_text(value)) is not None:
        for index, entry in enumerate(instance):
            if not fits(entry):
                yield from validator.descend(entry, value, path=index)
        return
    yield from _DRAFT.VALIDATORS["items"](validator, value, instance, schema) or ()


_TEXT_RULES = frozenset({"type", "minLength", "maxLength", "pattern", "description", "x-fault", "title"})
_TEXTS: dict[int, tuple[Any, Callable[[Any], bool] | None]] = {}
"""Fast checks by ``id()`` of the schema. The schema is kept too, so that its id stays unique."""


def _plain_text(schema: Any) -> Callable[[Any], bool] | None:
    """Return a fast check for the entries of a list of strings, or None. jsonschema needs 6 µs for each entry.

    The check may reject a valid entry; then jsonschema decides.
    """
    if id(schema) not in _TEXTS:
        fits = None
        if isinstance(schema, dict) and schema.get("type") == "string" and schema.keys() <= _TEXT_RULES:
            form = re.compile(schema.get("pattern", ""))
            shortest, longest = schema.get("minLength", 0), schema.get("maxLength", math.inf)

            def fits(entry: Any) -> bool:
                if type(entry) is not str or not shortest <= len(entry) <= longest:
                    return False
                return form.pattern == "" or form.fullmatch(entry) is not None

        _TEXTS[id(schema)] = (schema, fits)
    return _TEXTS[id(schema)][1]


Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    _DRAFT,
    validators={"items": _items, "pattern": _pattern, "oneOf": _of_fields("oneOf", 1), "not": _of_fields("not", 0)},
    type_checker=_DRAFT.TYPE_CHECKER.redefine_many(
        {"integer": lambda _checker, value: is_integer(value), "number": lambda _checker, value: is_number(value)}
    ),
)


def _exact(schema: Schema) -> Callable[[Any], bool]:
    is_valid: Callable[[Any], bool] = Validator(schema).is_valid
    return is_valid


class MessageCheck:
    """Checks the messages of one operation.

    jsonschema builds validators for all subschemas at every message, which takes more than half of its time. Nearly all
    messages are valid. For them ``passes`` uses checks that were built once. Only a message that does not pass is
    checked as a whole, to name all its faults.
    """

    def __init__(self, schema: Schema) -> None:
        apart = ("properties", "additionalProperties", "allOf", "$id", "$defs")
        rest = {keyword: value for keyword, value in schema.items() if keyword not in apart}
        self._fields = {name: fast_rule(field, _exact) for name, field in schema["properties"].items()}
        self._rules = [fast_rule(rule, _exact) for rule in (rest, *schema.get("allOf", ()))]
        self._validator = Validator(schema)

    def passes(self, message: Any) -> bool:
        """Tell whether a message is certainly valid."""
        if not isinstance(message, dict):
            return False
        for name, value in message.items():
            fits = self._fields.get(name)
            if fits is None or not fits(value):
                return False
        return all_pass(self._rules, message)

    def errors(self, message: Any) -> Iterator[ValidationError]:
        """Yield the errors of a message."""
        if isinstance(message, dict):
            yield from self._validator.iter_errors(message)
        else:
            # Errors about fields would make no sense.
            yield ValidationError(
                "not an object", validator="type", validator_value="object", instance=message, schema={}
            )
