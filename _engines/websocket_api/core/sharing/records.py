"""Events and gaps of one master as they are stored in the common log.

A chunk is one entry of the log: lines that were written together. It names the number before its first line, so that
a reader notices if a chunk is missing. A line is a JSON object: ``t`` is the time, ``gap`` is there for a gap, the rest
is the event's body. Readers derive everything else from the body again, as if it had been on their own bus: what
another program wrote into the log is redacted, and decides nothing that an event on the bus would not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..events.encoding import decode, encode
from ..events.event import Event
from ..events.history import Gap
from ..events.tags import MINIONS_MARK


class Chunk(NamedTuple):
    """Consecutive events and gaps of one master."""

    epoch: str
    """The numbering of that master's engine."""
    after: int
    """The number before the first line."""
    last: int
    """The number of the last line."""
    lines: bytes
    """Empty if nothing happened on the bus."""
    notes: bytes = b""
    """What else the other engines must know (notes.py)."""


@dataclass(frozen=True)
class Line:
    """One event or gap of another master."""

    seq: int
    """Its number there."""
    time: float
    """When it was read there, in seconds since the epoch."""
    tag: str = ""
    data: dict[str, Any] | None = None
    """The event's data as on the bus; None for a gap."""
    reason: str = ""
    """Why events are missing, for a gap."""


def encode_line(entry: Event | Gap) -> bytes:
    """Return an entry of the own history as a line."""
    if isinstance(entry, Gap):
        return encode({"t": entry.time, "seq": entry.seq, "gap": entry.reason})
    return b'{"t":%b,%b}' % (encode(entry.time), entry.body)


def decode_lines(chunk: Chunk) -> Iterator[Line]:
    """Yield the lines of a chunk, one by one: a chunk may be large.

    :raises ValueError: the chunk is not understood
    """
    before = chunk.after
    for text in chunk.lines.split(b"\n"):
        line = _line(decode(text))
        if not before < line.seq <= chunk.last:
            raise ValueError("the numbers of a chunk are not in order")
        before = line.seq
        yield line


def _line(value: Any) -> Line:
    try:
        seq, time = value["seq"], value["t"]
        if type(seq) is not int or not isinstance(time, (int, float)):
            raise ValueError("a number or time is not understood")
        time = float(time)
        if "gap" in value:
            return Line(seq, time, reason=str(value["gap"]))
        tag, data = value["tag"], value["data"]
        if "minion" in value:
            data = {"cmd": MINIONS_MARK, "id": str(value["minion"]), "data": data}
        if not isinstance(tag, str) or not isinstance(data, dict):
            raise ValueError("an event is not understood")
    except (TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"a line is not understood: {error}") from None
    return Line(seq, time, tag, data)
