"""JSON Schema (draft 2020-12) as it is meant here: stricter than jsonschema in three points, quick on good messages."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

Schema = dict[str, Any]

_DRAFT = jsonschema.Draft202012Validator


def _is_integer(_checker: Any, value: Any) -> bool:
    # The draft takes 1.0 for an integer; an operation that slices a list by it would not.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_checker: Any, value: Any) -> bool:
    # NaN comes through msgpack and passes every minimum and maximum.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Schema) -> Iterator[ValidationError]:
    # In Python `$` also matches before a last line break, which it does not in JSON Schema; and of jids Salt makes
    # the names of files.
    match = re.fullmatch if pattern.startswith("^") and pattern.endswith("$") else re.search
    if isinstance(value, str) and not match(pattern, value):
        yield ValidationError("does not have the form")


def _of_fields(keyword: str, wanted: int) -> Any:
    """Return ``oneOf`` or ``not`` with a short cut for rules such as "one of these fields" and "not both"."""
    whole = _DRAFT.VALIDATORS[keyword]

    def check(validator: Any, value: Any, instance: Any, schema: Schema) -> Iterator[ValidationError]:
        branches = value if isinstance(value, list) else [value]
        if isinstance(instance, dict) and all(branch.keys() == {"required"} for branch in branches):
            fitting = sum(all(name in instance for name in branch["required"]) for branch in branches)
            if fitting == wanted:
                return
        yield from whole(validator, value, instance, schema) or ()

    return check


def _items(validator: Any, value: Any, instance: Any, schema: Schema) -> Iterator[ValidationError]:
    # Before any entry is looked at: a list that is too long is refused for that alone.
    if isinstance(instance, list) and len(instance) > schema.get("maxItems", math.inf):
        return
    if isinstance(instance, list) and (fits := _plain_text(value)) is not None:
        for place, entry in enumerate(instance):
            if not fits(entry):
                yield from validator.descend(entry, value, path=place)
        return
    yield from _DRAFT.VALIDATORS["items"](validator, value, instance, schema) or ()


_TEXT_RULES = frozenset({"type", "minLength", "maxLength", "pattern", "description", "x-fault", "title"})
_TEXTS: dict[int, tuple[Any, Callable[[Any], bool] | None]] = {}
"""By the address of a schema, which is kept with it."""


def _plain_text(schema: Any) -> Callable[[Any], bool] | None:
    """Return what tells whether an entry is good, for lists of text; jsonschema takes 6 µs for each entry.

    It may say no of a good entry, and then jsonschema decides.
    """
    if id(schema) not in _TEXTS:
        fits = None
        if isinstance(schema, dict) and schema.get("type") == "string" and schema.keys() <= _TEXT_RULES:
            form = re.compile(schema.get("pattern", ""))
            least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)

            def fits(entry: Any) -> bool:
                if type(entry) is not str or not least <= len(entry) <= most:
                    return False
                return form.pattern == "" or form.fullmatch(entry) is not None

        _TEXTS[id(schema)] = (schema, fits)
    return _TEXTS[id(schema)][1]


Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    _DRAFT,
    validators={"items": _items, "pattern": _pattern, "oneOf": _of_fields("oneOf", 1), "not": _of_fields("not", 0)},
    type_checker=_DRAFT.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number}),
)


class MessageCheck:
    """The check of one operation's messages.

    jsonschema builds a validator for every subschema anew at every message, which takes more than half of its time.
    Nearly all messages are good, and for them ``passes`` keeps the validators of all fields and rules ready; only what
    does not pass is looked at as a whole, to name every fault.
    """

    def __init__(self, schema: Schema) -> None:
        apart = ("properties", "additionalProperties", "allOf", "$id", "$defs")
        rest = {keyword: value for keyword, value in schema.items() if keyword not in apart}
        self._fields = {name: Validator(field) for name, field in schema["properties"].items()}
        self._rules = [Validator(rule) for rule in (rest, *schema.get("allOf", ()))]
        self._whole = Validator(schema)

    def passes(self, message: Any) -> bool:
        """Tell whether a message is certainly good."""
        fields = self._fields
        return (
            isinstance(message, dict)
            and all(name in fields and fields[name].is_valid(value) for name, value in message.items())
            and all(rule.is_valid(message) for rule in self._rules)
        )

    def errors(self, message: Any) -> Iterator[ValidationError]:
        """Yield what is wrong with a message."""
        if isinstance(message, dict):
            yield from self._whole.iter_errors(message)
        else:
            # What else could be said of it would be nonsense.
            yield ValidationError(
                "not an object", validator="type", validator_value="object", instance=message, schema={}
            )
