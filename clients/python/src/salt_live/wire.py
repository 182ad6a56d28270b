"""Messages as text, and addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

SUBPROTOCOL = "salt.v1.json"
_LONG_NUMBER = re.compile(rb"[:[,]\s*-?\d{19}")

_load_fast: Callable[[bytes], Any] | None
try:
    import orjson
except ImportError:
    _load_fast = None
else:
    _load_fast = orjson.loads


def encode(message: dict[str, Any]) -> str:
    """Return a message as JSON."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def decode(text: str | bytes) -> Any:
    """Return the message of a text frame. Whole numbers are exact, also those beyond 64 bits."""
    content = text.encode() if isinstance(text, str) else text
    if _load_fast is None or _LONG_NUMBER.search(content):
        return json.loads(content)
    return _load_fast(content)


def address(url: str) -> str:
    """Return the address of the websocket: ``https://master`` is ``wss://master/ws``, ``master`` is port 8000.

    :raises ValueError: the address is none
    """
    if "://" not in url:
        url = (
            f"ws://{url}"
            if re.search(r":\d+(/|$)", url)
            else "ws://{}:8000{}".format(*re.split(r"(?=/|$)", url, maxsplit=1))
        )
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.hostname or parts.port == 0:
        raise ValueError(f"{url!r} is no address of an engine; write it like wss://master:8000")
    return urlunsplit((scheme, parts.netloc, parts.path if parts.path not in ("", "/") else "/ws", parts.query, ""))
