"""Examine received bytes once for all clients that get the same bytes at the same position of the stream."""

from __future__ import annotations

import socket
from itertools import pairwise
from typing import NamedTuple

from tests.benchmarks import marks

PING = b"\x89\x00"
MAX_SEGMENTS = 256  # in the cache: more than clients that read together need


class Segment(NamedTuple):
    """Some bytes of the stream, and what they mean for a client that receives them at one position."""

    data: bytes
    count: int
    """The number of events that end in it."""
    in_order: bool
    sent: tuple[float, ...]
    """When the timed ones of these events were sent."""
    has_ping: bool
    """It contains the bytes of a ping, which no text contains."""
    next: int
    """The number of the event that should follow."""
    tail: bytes
    """The start of a mark or ping that continues in the next segment."""


class Client:
    """One connection and its received events."""

    __slots__ = ("count", "in_order", "next", "sock", "tail")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.count = 0
        self.next = 0
        self.in_order = True
        self.tail = b""


class SegmentCache:
    """The segments examined last, by the position of the stream where they start.

    :param count: the number of events in the stream
    """

    def __init__(self, count: int) -> None:
        self._names = marks.names(count)
        self._known: dict[tuple[int, bytes], Segment] = {}

    def count_bytes(self, client: Client, data: bytes | bytearray, size: int) -> list[Segment]:
        """Count the first ``size`` bytes of ``data`` for a client, and return their segments."""
        start, found = 0, []
        while start < size:
            segment = self._known.get((client.next, client.tail))
            # All bytes are compared, so a client that gets other bytes here has a segment of its own.
            if segment is None or start + len(segment.data) > size or not data.startswith(segment.data, start):
                segment = self._learn(client.next, client.tail, bytes(data[start:size]))
            start += len(segment.data)
            client.count += segment.count
            client.in_order &= segment.in_order
            client.next, client.tail = segment.next, segment.tail
            found.append(segment)
        return found

    def _learn(self, expected: int, tail: bytes, data: bytes) -> Segment:
        """Examine a segment, and keep it instead of the one with the same start."""
        if len(self._known) >= MAX_SEGMENTS:
            del self._known[next(iter(self._known))]
        segment = self._known[expected, tail] = examine(expected, tail, data, self._names)
        return segment


def examine(expected: int, tail: bytes, data: bytes, names: list[bytes]) -> Segment:
    """Return what these bytes mean for a client.

    :param expected: the number of the next event
    :param tail: what was left of the bytes before
    :param names: the numbers of all events, as :func:`marks.names` returns them
    """
    whole = tail + data
    numbers = marks.NUMBER.findall(whole)
    following, in_order = expected + len(numbers), True
    if numbers != names[expected:following]:
        rising = [expected - 1, *map(int, numbers)]
        in_order = all(one < other for one, other in pairwise(rising))
        following = rising[-1] + 1
    return Segment(
        data=data,
        count=len(numbers),
        in_order=in_order,
        sent=tuple(map(float, marks.SAMPLED.findall(whole))),
        has_ping=PING in whole,
        next=following,
        tail=marks.unfinished(whole) or (whole[-1:] if whole.endswith(PING[:1]) else b""),
    )
