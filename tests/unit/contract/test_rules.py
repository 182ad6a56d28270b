"""The fast checks of messages: each decides as jsonschema does, near all limits of its schema."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from websocket_api.contract.dialect import Validator
from websocket_api.contract.rules import fast_rule

from tests.support.schemas import SCHEMAS

ANY = [None, True, False, 0, 1, 1.0, -1, 0.5, math.nan, math.inf, 2**70, "", "a", "a\n", [], [[]], ["a"], [1], {}]
ANY += [10**400, -(10**400)]  # too large for a float
OF_OTHERS = [{"a": 1}, {"epoch": "a"}, {"epoch": 1}, {"view": "a"}, {"": {}}]
MAX_LENGTH = 20_000  # of the lists and texts that are tried
PARTS = ("items", "if", "then", "else", "not", "additionalProperties")
LISTS_OF_PARTS = ("anyOf", "oneOf", "allOf")
FIELDS = {
    f"{name}/{field}": schema
    for name, operation in SCHEMAS.operations.items()
    for field, schema in operation["properties"].items()
}
RULES = {
    f"{name}/{number}": rule
    for name, operation in SCHEMAS.operations.items()
    for number, rule in enumerate(operation.get("allOf", ()))
}


def near(schema: Any) -> Iterator[Any]:
    """Yield values near the limits of a schema and of its parts."""
    if not isinstance(schema, dict):
        return
    yield from schema.get("examples", ())
    yield from schema.get("enum", ())
    if "const" in schema:
        yield schema["const"]
    for word in ("minimum", "maximum"):
        if word in schema:
            yield from (schema[word] + more for more in (-1, 0, 1, 0.5))
            yield float(schema[word])
    for word in ("minLength", "maxLength"):
        if schema.get(word, MAX_LENGTH) < MAX_LENGTH:
            yield from (text * (schema[word] + more) for more in (-1, 0, 1) for text in ("0", "a", "é"))
    if "pattern" in schema:
        yield from ("0" * 20, "0" * 20 + "\n", "0" * 32, "a" * 32, "a" * 32 + "\n", "*", "*\n", "get", "GET\n")
    yield from _objects(schema)
    yield from _lists(schema)
    for word in PARTS:
        yield from near(schema.get(word))
    for word in LISTS_OF_PARTS:
        for part in schema.get(word, ()):
            yield from near(part)


def _lists(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield lists of about as many entries as a schema allows."""
    entries = [*islice(near(schema.get("items")), 20), "a", 1]
    for word in ("minItems", "maxItems"):
        if schema.get(word, MAX_LENGTH) < MAX_LENGTH:
            yield from ([entries[0]] * (schema[word] + more) for more in (-1, 0, 1))
    yield from ([entry] for entry in entries)
    yield entries


def _objects(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield objects with values near the limits of each field, without each of them, and with one more."""
    fields = schema.get("properties", {})
    whole = {name: next(near(field), "a") for name, field in fields.items()}
    yield whole
    yield {**whole, "more": 1}
    for name, field in fields.items():
        yield {other: value for other, value in whole.items() if other != name}
        for value in (*near(field), *ANY):
            yield {**whole, name: value}
            yield {name: value}


@pytest.mark.parametrize("schema", [*FIELDS.values(), *RULES.values()], ids=[*FIELDS, *RULES])
def test_a_check_decides_as_jsonschema_does(schema: dict[str, Any]) -> None:
    """For values of all kinds, at the limits and beyond."""
    exact = Validator(schema)
    check = fast_rule(schema, lambda part: Validator(part).is_valid)
    for value in (*ANY, *OF_OTHERS, *near(schema)):
        assert check(value) is exact.is_valid(value), value


KEYWORDS = {
    "text": {"type": "string", "minLength": 2, "maxLength": 3},
    "a form": {"pattern": "^[0-9]{2}$"},
    "a form within": {"pattern": "[0-9]"},
    "number": {"type": ["number", "null"], "minimum": -1, "maximum": 1},
    "three types": {"type": ["integer", "string", "null"]},
    "list": {"minItems": 1, "maxItems": 2, "items": {"type": "integer"}},
    "texts": {"enum": ["a", ""]},
    "values": {"enum": ["a", 1, None]},
    "one value": {"const": 1},
    "one text": {"const": "a"},
    "object": {"required": ["a"], "properties": {"a": {"type": "integer"}, "b": False, "c": {"not": {}}, "d": True}},
    "closed object": {"additionalProperties": False, "properties": {"a": {}}},
    "other fields": {"additionalProperties": {"type": "integer"}},
    "not": {"not": {"type": "array"}},
    "any": {"anyOf": [{"type": "string"}, {"required": ["a"]}]},
    "one": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}, {"type": "string"}]},
    "condition": {"if": {"type": "string"}, "then": {"maxLength": 1}, "else": {"type": "integer"}},
    "condition without a then": {"if": {"type": "string"}, "else": {"type": "integer"}},
    "then without a condition": {"then": {"type": "string"}},
    "an unknown keyword": {"maxProperties": 1},
    "only notes": {"description": "any value", "default": 1},
}


@pytest.mark.parametrize("schema", [*KEYWORDS.values(), True, False], ids=[*KEYWORDS, "true", "false"])
def test_each_keyword_means_what_it_does_in_jsonschema(schema: Any) -> None:
    """Also with values that it says nothing about."""
    exact = Validator(schema)
    check = fast_rule(schema, lambda part: Validator(part).is_valid)
    objects = [{"a": 1}, {"a": "x"}, {"b": 1}, {"a": 1, "b": 1}, {"a": 1, "c": 1}, {"a": 1, "d": 1}, {"a": 1, "e": "x"}]
    texts = ["aa", "aaaa", "00", "00\n", "x0x"]
    for value in (*ANY, *objects, *texts, [1, 2], [1, 2, 3], [1, "x"]):
        assert check(value) is exact.is_valid(value), value


def test_the_fields_of_consoles_need_no_jsonschema() -> None:
    """A thousand consoles that resume send two thousand subscriptions at once."""

    def refuse(part: Any) -> Any:
        raise AssertionError(f"jsonschema would check {part}")

    for field in ("id", "subscription", "grains", "jid", "minions"):
        fast_rule(SCHEMAS.operations["subscribe"]["properties"][field], refuse)
    fast_rule(SCHEMAS.operations["subscribe"]["properties"]["since"]["then"], refuse)
