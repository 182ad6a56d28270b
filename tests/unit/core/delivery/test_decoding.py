"""What clients send in msgpack is read exactly, or refused."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from websocket_api.core.delivery.decoding import read_msgpack


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
