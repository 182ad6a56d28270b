"""JSON as the engine writes it and reads it back. Any value that Salt can put on its bus can be written.

orjson is used if it is installed. What it refuses (integers over 64 bit, lone surrogates, deep nesting, unusual keys)
is made plain first and written by the standard library. Both ways parse to the same value: bytes become UTF-8 text or
``{"base64": ...}``, NaN and infinities become null, other keys become strings.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from .redaction import PEM_MARK

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

MARK_BYTES = 64  # of memory for each value in a list or object, beside its text: an empty list takes as much
TEXT_BYTES = 256
"""Characters of text that take as long to encode as one value, about."""
MAX_DEPTH = 200
"""Levels that are written: below orjson's own 254, and far below the interpreter's recursion limit."""
MAX_DIGITS = 1000
"""Digits of an integer that is read: the time to read one grows with the square of its digits."""
TOO_DEEP = "(nested too deeply)"

_LONG = re.compile(r"(?:^|[\s:,\[])-?[0-9]{19}")
"""Matches the start of an integer that may exceed 64 bits, which orjson reads as a float. Looks at each digit once."""
_LONG_BYTES = re.compile(_LONG.pattern.encode())
_FOUR_BYTES = range(0xF0, 0xF5)
"""First bytes of characters that take four bytes in UTF-8, and in Python's strings."""


def footprint(encoded: bytes) -> int:
    """Return about how much memory a value takes, in bytes: ``[{},{},{}]`` takes twenty times its text.

    One wide character makes all characters of its string as wide, and Python keeps the UTF-8 of such a string too.

    :param encoded: the value as JSON
    """
    width = 1 if encoded.isascii() else 5 if any(lead in encoded for lead in _FOUR_BYTES) else 3
    return width * len(encoded) + MARK_BYTES * sum(map(encoded.count, (b"[", b"{", b":", b",")))


def encode(value: Any) -> bytes:
    """Return ``value`` as UTF-8 JSON without insignificant white space; never raises for data from the bus."""
    if orjson is not None:
        try:
            return orjson.dumps(value, _default, _OPTIONS)
        except (TypeError, RecursionError):
            pass  # made plain below; orjson's JSONEncodeError is a TypeError
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def plain(value: Any, depth: int = 0) -> Any:
    """Return ``value`` made of dicts with string keys, lists, clean strings, finite numbers, booleans and None."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth >= MAX_DEPTH:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {_key(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    return plain(_default(value), depth + 1)


def decode(text: str | bytes) -> Any:
    """Return the value of a JSON text, with integers of any size.

    :raises ValueError: the text is not JSON
    """
    if orjson is not None and not (_LONG if isinstance(text, str) else _LONG_BYTES).search(text):  # type: ignore[arg-type]
        return orjson.loads(text)
    return decode_with_hooks(text)


def decode_with_hooks(text: str | bytes, **hooks: Any) -> Any:
    """Return the value of a JSON text as the standard library reads it, but for numbers that JSON cannot hold.

    :param hooks: further arguments of ``json.loads``
    :raises ValueError: the text is not JSON, is nested too deeply, or has half a surrogate pair
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer, parse_float=_number, **hooks)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\\u" in text if isinstance(text, str) else b"\\u" in text:
        # Python accepts half a surrogate pair as text, but nothing can encode it.
        encode_exactly(value)
    return value


def encode_exactly(value: Any) -> bytes:
    """Return a value that was read from JSON as JSON again, with nothing replaced.

    :raises ValueError: the value has half a surrogate pair
    """
    if orjson is not None:
        try:
            return orjson.dumps(value)
        except TypeError:
            pass  # integers outside 64 bits; the next line refuses half a surrogate pair too
    return json.dumps(value, ensure_ascii=False).encode()


def _default(value: Any) -> Any:
    """Return a JSON value for one that JSON does not have."""
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            if PEM_MARK in value:
                # As text, so that core/events/event.py finds keys in it; base64 would hide them from redaction.
                return bytes(value).decode("utf-8", "replace")
            return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple, list)):
        return list(value)
    if isinstance(value, str):
        return str.__str__(value)
    return _text(str(value))


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode()
    return str.__str__(value)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _text(key)
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, float) and not math.isfinite(key):
        return "null"  # as orjson writes it
    if isinstance(key, (bytes, bytearray)):
        return bytes(key).decode("utf-8", "replace")
    return _text(str(key))


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer has more than {MAX_DIGITS} digits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is outside the range of a double")
    return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_OPTIONS = 0
if orjson is not None:
    # Dates and data classes go to _default, as with the standard library.
    _OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
