"""What stands in every event that the sender fires, found in a client's bytes without parsing them.

``~0000000123@1764000000.123456!`` is the number of the event and the time it was sent. Both are of fixed width and
look the same in JSON of any spacing and in msgpack, so that every server is measured by the same cheap search.
"""

from __future__ import annotations

import re

TAG = "bench/"
WIDTH = 30  # bytes of a mark
NUMBER = re.compile(rb"~(\d{10})@\d{10}\.\d{6}!")
# One event in ten, at uneven distances, so that no timer of a server keeps step with what is looked at.
SAMPLED = re.compile(rb"~\d{8}(?:03|17|29|31|44|58|66|72|85|90)@(\d{10}\.\d{6})!")


def mark(number: int, now: float) -> str:
    return f"~{number:010d}@{now:017.6f}!"


def names(count: int) -> list[bytes]:
    """Return the numbers of so many events as :data:`NUMBER` finds them: in order and complete is then equality."""
    return [b"%010d" % number for number in range(count)]


def unfinished(data: bytes) -> bytes:
    """Return the begin of a mark at the end of ``data``, whose rest comes with the next bytes."""
    start = data.rfind(b"~", -WIDTH)
    return data[start:] if start >= 0 and data.find(b"!", start) < 0 else b""
