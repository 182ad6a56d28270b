"""What clients send, read exactly or refused: JSON and msgpack. The same with and without orjson.

What a value may be is what JSON can hold (RFC 8259): nothing is cut, replaced or chosen in silence. Numbers with
a fraction or an exponent are the nearest double, as everywhere. Salt sends integers outside 64 bits to minions as text.
The time that reading takes grows with the length of the text only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

import msgpack  # type: ignore[import-untyped]

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

MAX_DEPTH = 100  # levels of lists and objects: far below what encoding.py writes and what Salt's msgpack packs
MAX_DIGITS = 1000  # of an integer: the time to read one grows with the square of its digits
_LONG = re.compile(r"(?:^|[\s:,\[])-?[0-9]{19}")
"""Begins an integer that may be outside 64 bits, which orjson would make a float of; each digit is looked at once."""
_LONG_BYTES = re.compile(_LONG.pattern.encode())
_ESCAPED_COLON = re.compile(r"\\u003[aA]")


def decode(text: str | bytes) -> Any:
    """Return the value of a JSON text of the engine itself, with integers of any size.

    :raises ValueError: it is not JSON
    """
    if orjson is not None and not (_LONG if isinstance(text, str) else _LONG_BYTES).search(text):  # type: ignore[arg-type]
        return orjson.loads(text)
    return _by_standard_library(text)


def read_json(text: str) -> Any:
    """Return the value of a client's JSON text.

    :raises ValueError: it is not JSON (NaN and Infinity included), has half a surrogate pair, a number that is not
        finite, an integer of more than :data:`MAX_DIGITS` digits, a name twice in an object, or more than
        :data:`MAX_DEPTH` levels
    """
    value = decode(text)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        check(value)
    # Each name of an object is followed by a colon: where one is lost, a name was there twice.
    if ":" in text and (_ESCAPED_COLON.search(text) or text.count(":") != _written(value).count(b":")):
        _by_standard_library(text, object_pairs_hook=as_object)
    return value


def read_msgpack(data: bytes) -> Any:
    """Return the value of a client's msgpack.

    :raises ValueError: it is not msgpack, or holds what JSON cannot hold: binary data, extensions, timestamps, numbers
        that are not finite, keys that are not text, a key twice, more than :data:`MAX_DEPTH` levels
    """
    try:
        _check_lengths(data)
        value = msgpack.unpackb(
            data, raw=False, strict_map_key=True, object_pairs_hook=as_object, ext_hook=_no_extension
        )
    except Exception as error:  # noqa: BLE001 - msgpack raises a dozen kinds, and a sender can provoke each
        raise ValueError(type(error).__name__) from None
    check(value)
    return value


def as_object(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """Return pairs as an object.

    :raises ValueError: a name is not text, or is there twice
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not isinstance(name, str):
            raise ValueError("a name is not text")
        if name in found:
            raise ValueError("a name is there twice")
        found[name] = value
    return found


def check(value: Any, max_values: float = math.inf) -> None:
    """Refuse a value that is nested too deeply, is too large, or holds what JSON cannot hold.

    :param max_values: values in it, each counted as often as it stands there
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
            elif kind not in _PLAIN and not (kind is float and math.isfinite(item)):
                raise ValueError("JSON cannot hold this value")
            if count + len(inside) > max_values:
                raise ValueError("too many values")
        level, depth, count = inside, depth + 1, count + len(inside)


_PLAIN = frozenset({str, int, bool, type(None)})


def _by_standard_library(text: str | bytes, **hooks: Any) -> Any:
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_int=_integer, parse_float=_number, **hooks)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\\u" in text if isinstance(text, str) else b"\\u" in text:
        # Half a character by its escape is text for Python and for nobody else: it could be sent nowhere.
        _written(value)
    return value


def _written(value: Any) -> bytes:
    if orjson is not None:
        try:
            return orjson.dumps(value)
        except TypeError:
            pass  # integers outside 64 bits; half a surrogate pair is refused below as well
    return json.dumps(value, ensure_ascii=False).encode()


def _check_lengths(data: bytes) -> None:
    """Refuse lists and maps that are shorter than they say: msgpack makes room for all of them at once."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    unpacker.skip()
    if unpacker.tell() != len(data):
        raise ValueError("more than one value")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("an integer of too many digits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number outside of what a double can hold")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _no_extension(code: int, data: bytes) -> Any:
    raise ValueError("an extension")
