"""Read what clients send, JSON and msgpack: exactly, or refuse it. The result is the same with and without orjson.

A value may be whatever JSON can hold (RFC 8259): nothing is cut, replaced or chosen silently. Numbers with a fraction
or an exponent are read as the nearest double. Salt sends integers outside 64 bits to minions as text. The time to read
a text is linear in its length.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import msgpack  # type: ignore[import-untyped]

from ..events.encoding import decode, decode_with_hooks, encode_exactly

MAX_DEPTH = 100
"""Levels of lists and objects: far below what the engine writes and what Salt's msgpack packs."""

_ESCAPED_COLON = re.compile(r"\\u003[aA]")
_SCALARS = frozenset({str, int, bool, type(None)})


def read_json(text: str) -> Any:
    """Return the value of a client's JSON text.

    :raises ValueError: it is not JSON (NaN and Infinity included), has half a surrogate pair, a number that is not
        finite, an integer of more than ``MAX_DIGITS`` digits, the same name twice in an object, or more than
        :data:`MAX_DEPTH` levels
    """
    value = decode(text)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        check(value)
    # A colon follows each name of an object: if the value has fewer colons than the text, a name was there twice.
    if ":" in text and (_ESCAPED_COLON.search(text) or text.count(":") != encode_exactly(value).count(b":")):
        decode_with_hooks(text, object_pairs_hook=as_object)
    return value


def read_msgpack(data: bytes) -> Any:
    """Return the value of a client's msgpack.

    :raises ValueError: it is not msgpack, or has what JSON cannot hold: binary data, extensions, timestamps, numbers
        that are not finite, keys that are not text, the same key twice, more than :data:`MAX_DEPTH` levels
    """
    try:
        _check_lengths(data)
        value = msgpack.unpackb(
            data, raw=False, strict_map_key=True, object_pairs_hook=as_object, ext_hook=_refuse_extension
        )
    except Exception as error:  # noqa: BLE001 - msgpack raises a dozen types, and a sender can provoke each
        raise ValueError(type(error).__name__) from None
    check(value)
    return value


def as_object(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """Return pairs as an object.

    :raises ValueError: a name is not text, or occurs twice
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not isinstance(name, str):
            raise ValueError("a name is not text")
        if name in found:
            raise ValueError("a name occurs twice")
        found[name] = value
    return found


def check(value: Any, max_values: float = math.inf) -> None:
    """Refuse a value that is nested too deeply, is too large, or that JSON cannot hold.

    :param max_values: most values in it; one that occurs several times counts each time
    :raises ValueError: what is wrong
    """
    level, depth, count = [value], 0, 1
    while level:
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        inside: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is list:
                inside += item
            elif kind is dict:
                inside += item.values()
            elif kind not in _SCALARS and not (kind is float and math.isfinite(item)):
                raise ValueError("JSON cannot hold this value")
            if count + len(inside) > max_values:
                raise ValueError("too many values")
        level, depth, count = inside, depth + 1, count + len(inside)


def _check_lengths(data: bytes) -> None:
    """Refuse lists and maps that are shorter than they claim: msgpack allocates the claimed length at once."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    unpacker.skip()
    if unpacker.tell() != len(data):
        raise ValueError("more than one value")


def _refuse_extension(code: int, data: bytes) -> Any:
    raise ValueError("an extension")
