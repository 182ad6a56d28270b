"""JSON for everything that leaves the engine: any value that Salt can put on its bus gets a text.

orjson is used where it is installed and falls short of nothing: what it refuses (integers over 64 bit, lone
surrogates, deep nesting, odd keys) is made plain first and written by the standard library. Both ways parse to
the same value: bytes become UTF-8 text or ``{"base64": ...}``, NaN and infinities null, odd keys strings.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

from .redaction import PEM_MARK

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

MAX_DEPTH = 200  # below orjson's own 254, and far below the interpreter's recursion limit
TOO_DEEP = "(nested too deeply)"


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


def _default(value: Any) -> Any:
    """Stand in for a value that JSON does not know; a value that nothing fits costs only itself."""
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


_OPTIONS = 0
if orjson is not None:
    # Dates and the like are written as the standard library would be told to: by _default.
    _OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
