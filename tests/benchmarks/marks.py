"""The mark in every event of the sender, which clients find without parsing.

``~0000000123@1764000000.123456!`` is the number of the event and the time when it was sent. A mark has a fixed width
and is the same text in any JSON and in msgpack, so the same cheap search works for every server.
"""

from __future__ import annotations

import re

TAG = "bench/"
WIDTH = 30  # bytes of a mark
NUMBER = re.compile(rb"~(\d{10})@\d{10}\.\d{6}!")
# One event in ten, at uneven distances, so that no timer of a server is in step with the timed events.
SAMPLED = re.compile(rb"~\d{8}(?:03|17|29|31|44|58|66|72|85|90)@(\d{10}\.\d{6})!")


def mark(number: int, now: float) -> str:
    return f"~{number:010d}@{now:017.6f}!"


def names(count: int) -> list[bytes]:
    """Return the numbers of the first events as :data:`NUMBER` finds them, to compare with the received ones."""
    return [b"%010d" % number for number in range(count)]


def unfinished(data: bytes) -> bytes:
    """Return the start of an incomplete mark at the end of ``data``."""
    start = data.rfind(b"~", -WIDTH)
    return data[start:] if start >= 0 and data.find(b"!", start) < 0 else b""
