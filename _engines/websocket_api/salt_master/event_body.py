"""The body of an event on the bus: ``tag + "\\n\\n" + msgpack(dict)`` (salt/utils/event.py)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgpack  # type: ignore[import-untyped]
import salt.utils.event

from .salt_compat import SALT_LINE

TAG_END = b"\n\n"
#: Salt's msgpack extension for dates.
_DATE = 78


def decode(body: bytes) -> tuple[str, dict[str, Any]]:
    """Return tag and data of a body. Salt's own function is ``SaltEvent.unpack``.

    Values that the sender marked as bytes stay bytes. Invalid UTF-8 in strings becomes lone surrogates, which the
    encoders replace.

    :raises ValueError: the body is not an event
    """
    tag, separator, packed = body.partition(TAG_END)
    if not separator:
        raise ValueError("no tag")
    try:
        data = msgpack.unpackb(
            packed,
            raw=False,
            unicode_errors="surrogateescape",
            strict_map_key=False,
            ext_hook=_extension,
            timestamp=1,
        )
    except Exception as error:  # noqa: BLE001 - msgpack raises a dozen kinds, and a sender can provoke each
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"the data is a {type(data).__name__}")
    return tag.decode("utf-8", "replace"), data


def _extension(code: int, data: bytes) -> Any:
    if code == _DATE:
        return datetime.strptime(data.decode(), "%Y%m%dT%H:%M:%S.%f").isoformat()  # noqa: DTZ007 - Salt sends no zone
    return data


def encode(tag: str, data: dict[str, Any], max_size: int | None) -> bytes:
    """Return the body of an event that is fired now, with a time stamp in Salt's format. ``data`` is not changed.

    :param max_size: bytes (``max_event_size``); Salt trims larger data
    :raises ValueError: the tag has a line end that would end it early
    """
    if TAG_END.decode() in tag or tag.endswith("\n"):
        raise ValueError("a tag must not contain an empty line or end with a line end")
    stamp = datetime.now(timezone.utc)
    if SALT_LINE < 3008:
        stamp = stamp.replace(tzinfo=None)  # 3007 writes UTC without a zone
    body: bytes = salt.utils.event.SaltEvent.pack(tag, {**data, "_stamp": stamp.isoformat()}, max_size=max_size)
    return body
