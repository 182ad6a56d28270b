"""What is too large for one frame: cut by number and bytes, made once for all who get the same, sent as they read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from itertools import chain, islice, tee
from typing import Generic, TypeVar

from ...fair_share import Share
from ..access.turns import Turns
from . import frames
from .connection import Connection
from .outbox import Outbox

PIECE = 500  # minions or requests in one frame
PIECE_BYTES = 1024 * 1024  # about so much of what they returned; a single one may have more
PART_BYTES = 200  # a minion or request without what it returned, as it travels

Piece = Sequence[frames.Message]
"""Messages of a picture that leave together."""
T = TypeVar("T")


def most_bytes(outbox: Outbox) -> int:
    """Return how large a piece may be: small beside what may wait, so that how full it is shall be known in time."""
    return min(PIECE_BYTES, outbox.most_bytes // 8)


def cut(items: Iterable[T], weigh: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Yield items in pieces, each weighed when the piece is asked for; nothing makes one empty piece.

    :param weigh: bytes of an item, without what every item has
    :param most: bytes of a piece; an item that has more comes by itself
    """
    piece: list[T] = []
    size, began = 0, False
    for item in items:
        more = PART_BYTES + weigh(item)
        if piece and (len(piece) == PIECE or size + more > most):
            yield piece
            piece, size, began = [], 0, True
        piece.append(item)
        size += more
    if piece or not began:
        yield piece


class Shared(Generic[T]):
    """What is made once, piece after piece, each when the first who reads has room for it."""

    def __init__(self, made: Iterator[T]) -> None:
        first = list(islice(made, 2))
        self.short = len(first) < 2
        """Whether it is one piece, or none."""
        (self._made,) = tee(chain(first, made), 1)

    def __iter__(self) -> Iterator[T]:
        return copy(self._made)


def change(connection: Connection, pieces: Iterator[Piece]) -> Shared[bytes]:
    """Return a change as it travels to all connections of this format."""
    return Shared(connection.frame(*piece) for piece in pieces)


class Drawing:
    """A snapshot on its way to one client.

    :param pieces: makes a piece, as it travels, when it is asked for it and not earlier
    :param done: called when all have been sent
    :param turns: gives the others their turn while this takes long
    :param share: the user whose turns it has
    """

    def __init__(
        self, outbox: Outbox, pieces: Iterator[bytes], done: Callable[[], None], turns: Turns, share: Share
    ) -> None:
        self._share = share
        self._outbox = outbox
        self._pieces = pieces
        self._done = done
        self._turns = turns
        self._piece: bytes | None = None
        """Made, and larger than there was room for."""
        self._stopped = False

    def go(self) -> None:
        """Begin, or go on when there is room: at once, or when it is the user's turn."""
        self._turns.soon(self._share, self._send)

    def _send(self) -> None:
        """Send as much as the outbox takes, for a while; go on when it has room, or after the others' turn."""
        outbox, turns = self._outbox, self._turns
        while not self._stopped and not outbox.closed:
            if self._piece is None:
                if outbox.full:
                    outbox.when_drained(self.go)
                    return
                if turns.is_over:
                    turns.again(self._share, self._send)
                    return
                self._piece = next(self._pieces, None)
                if self._piece is None:
                    self._done()
                    return
            if not outbox.has_room(len(self._piece)):
                outbox.when_room(len(self._piece), self.go)
                return
            piece, self._piece = self._piece, None
            outbox.put(piece)

    def stop(self) -> None:
        """Send nothing more of it, and let go of what it would be made from: that holds the subscription, and so us."""
        self._stopped = True
        self._turns.drop(self._share, self._send)
        self._pieces = iter(())
        self._piece = None
        self._done = _nothing


def _nothing() -> None:
    """Do nothing, in place of what a drawing that was stopped would do at its end."""
