"""What clients send in msgpack is read exactly, or refused."""

from __future__ import annotations

import math
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from websocket_api.core.delivery.decoding import MAX_DEPTH, check, read_msgpack


@pytest.mark.parametrize("value", [{"a": ["ä", 1, None, True, 1.5], "b": {}}, [], "text", 0, None, [[["deep"]]]])
def test_a_value_is_read_as_it_was_packed(value: Any) -> None:
    """Text is text, not bytes."""
    assert read_msgpack(msgpack.packb(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x02",  # two values
        b"\x81\x01\x02",  # a key that is a number
        b"\x82\xa1a\x01\xa1a\x02",  # the same key twice
        b"\xc4\x01a",  # binary data
        b"\xa1\xff",  # text that is not UTF-8
        b"\xdd\xff\xff\xff\xff",  # a list that claims four billion values
        b"\xd4\x05x",  # an extension
        b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",  # infinity
        b"\x91" * 200 + b"\x01",  # nested too deeply
    ],
)
def test_what_json_cannot_hold_is_refused(data: bytes) -> None:
    """The error is a ValueError, whatever msgpack raises."""
    with pytest.raises(ValueError):  # noqa: PT011 - the caller words the message
        read_msgpack(data)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, b"bytes", {1, 2}])
def test_a_wrong_value_is_found_wherever_it_is(wrong: Any) -> None:
    """In any list and any object, not only in the last one."""
    for value in (wrong, [[wrong], [1]], [[1], [wrong]], {"a": {"b": wrong}, "c": {}}, {"a": [], "c": {"b": wrong}}):
        with pytest.raises(ValueError, match="JSON cannot hold this value"):
            check(value)


def test_levels_are_limited() -> None:
    """A value with the maximum is read, one more level is refused."""
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    check(value)
    with pytest.raises(ValueError, match="nested too deeply"):
        check([value])


@pytest.mark.parametrize(("value", "count"), [([1, 2, 3], 4), ([[1], [2]], 5), ({"a": {"b": 1}, "c": [[]]}, 5)])
def test_values_are_limited(value: Any, count: int) -> None:
    """Each one counts, lists and objects too."""
    check(value, count)
    with pytest.raises(ValueError, match="too many values"):
        check(value, count - 1)
