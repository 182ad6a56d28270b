"""What clients get, examined once for all that get the same bytes at the same place of the stream."""

from __future__ import annotations

import socket
from itertools import pairwise
from typing import NamedTuple

from tests.benchmarks import marks

PING = b"\x89\x00"
MAX_PIECES = 256  # known at the same time: more than clients that read together need


class Piece(NamedTuple):
    """Some bytes, and what they are for a client at one place of the stream."""

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
    """The start of a mark or ping that continues in the next piece."""


class Client:
    """One connection and its received events."""

    __slots__ = ("count", "in_order", "next", "sock", "tail")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.count = 0
        self.next = 0
        self.in_order = True
        self.tail = b""


class Pieces:
    """The known pieces, by the place of the stream where they start.

    :param count: the number of events in the stream
    """

    def __init__(self, count: int) -> None:
        self._names = marks.names(count)
        self._known: dict[tuple[int, bytes], Piece] = {}

    def take(self, client: Client, data: bytes | bytearray, size: int) -> list[Piece]:
        """Count the first ``size`` bytes of ``data`` for a client, and return them in pieces."""
        start, found = 0, []
        while start < size:
            piece = self._known.get((client.next, client.tail))
            # All bytes are compared, so a client that gets others at this place has a piece of its own.
            if piece is None or start + len(piece.data) > size or not data.startswith(piece.data, start):
                piece = self._learn(client.next, client.tail, bytes(data[start:size]))
            start += len(piece.data)
            client.count += piece.count
            client.in_order &= piece.in_order
            client.next, client.tail = piece.next, piece.tail
            found.append(piece)
        return found

    def _learn(self, expected: int, tail: bytes, data: bytes) -> Piece:
        """Examine a piece, and keep it in place of the one that is known there."""
        if len(self._known) >= MAX_PIECES:
            del self._known[next(iter(self._known))]
        piece = self._known[expected, tail] = examine(expected, tail, data, self._names)
        return piece


def examine(expected: int, tail: bytes, data: bytes, names: list[bytes]) -> Piece:
    """Return what these bytes are for a client.

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
    return Piece(
        data=data,
        count=len(numbers),
        in_order=in_order,
        sent=tuple(map(float, marks.SAMPLED.findall(whole))),
        has_ping=PING in whole,
        next=following,
        tail=marks.unfinished(whole) or (whole[-1:] if whole.endswith(PING[:1]) else b""),
    )
