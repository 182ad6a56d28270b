"""Refusing a message costs little: long lists are not checked, and the number of faults is limited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from websocket_api.errors import MAX_FAULTS, ApiError

from tests.support.schemas import SCHEMAS

Path = tuple[str, ...]


class Watched(list[Any]):
    """A list that counts accesses to its entries."""

    looks = 0

    def __iter__(self) -> Iterator[Any]:
        for entry in super().__iter__():
            self.looks += 1
            yield entry


def lists(schema: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield where a message has lists, and their schemas; ``[]`` is a step into a list."""
    types = schema.get("type", ()) if isinstance(schema, dict) else ()
    if "array" in ([types] if isinstance(types, str) else types):
        yield path, schema
    if isinstance(schema, dict):
        for name, inside in schema.get("properties", {}).items():
            yield from lists(inside, (*path, name))
        if "items" in schema:
            yield from lists(schema["items"], (*path, "[]"))


LISTS = {
    f"{name}: {'/'.join(path)}": (name, path, schema)
    for name, whole in SCHEMAS.operations.items()
    for path, schema in lists(whole)
}


def around(value: Any, path: Path) -> Any:
    """Return a value inside a message, at this path."""
    for step in reversed(path):
        value = [value] if step == "[]" else {step: value}
    return value


def refusal(name: str, message: Any) -> ApiError:
    """Return the error that a message gets."""
    with pytest.raises(ApiError) as caught:
        SCHEMAS.validate(name, message)
    assert len(caught.value.details) <= MAX_FAULTS + 1
    return caught.value


def test_every_list_has_a_limit_or_accepts_any_entry() -> None:
    """Positional arguments are limited by the size of the message, and nothing checks them one by one."""
    assert {place for place, (*_, schema) in LISTS.items() if "maxItems" not in schema and "items" in schema} == set()
    assert len(LISTS) > 20


@pytest.mark.parametrize("entry", [{}, 1, "", "\n", "good", None], ids=repr)
@pytest.mark.parametrize("place", [place for place, (*_, schema) in LISTS.items() if "maxItems" in schema])
def test_entries_of_a_list_that_is_too_long_are_not_checked(place: str, entry: Any) -> None:
    """With any content, in any place."""
    name, path, schema = LISTS[place]
    many = Watched([entry] * (schema["maxItems"] + 1))
    fault = refusal(name, {"type": name, **around(many, path)})
    assert many.looks == 0
    where = "/" + "/".join("0" if step == "[]" else step for step in path)
    assert where in [one["path"] for one in fault.details]


@pytest.mark.parametrize("entry", [{}, 1, None], ids=repr)
@pytest.mark.parametrize("place", [place for place, (*_, schema) in LISTS.items() if "items" in schema])
def test_checking_stops_at_the_maximum_number_of_faults(place: str, entry: Any) -> None:
    """A list of the maximum length, with invalid entries only."""
    name, path, schema = LISTS[place]
    many = Watched([entry] * schema["maxItems"])
    refusal(name, {"type": name, **around(many, path)})
    assert many.looks <= 2 * (MAX_FAULTS + 1) + 1


@pytest.mark.parametrize("name", SCHEMAS.operations)
def test_the_number_of_named_unknown_fields_is_limited(name: str) -> None:
    """For every operation."""
    refusal(name, {"type": name, **{f"x{number}": 1 for number in range(10_000)}})
