"""Cut what is too large for one frame into chunks, share them between subscriptions, and send them as clients read."""

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

MAX_ITEMS = 500
"""Minions or requests in one frame."""
MAX_BYTES = 1024 * 1024
"""Approximate bytes of returns in one frame; a single return may have more."""
ITEM_BYTES = 200
"""Approximate bytes of a minion or request without its return, as sent."""

Chunk = Sequence[frames.Message]
"""Messages of a snapshot that are sent together."""
T = TypeVar("T")


def max_chunk_bytes(outbox: Outbox) -> int:
    """Return the most bytes of a chunk: a small part of the outbox, so that it does not overflow unnoticed."""
    return min(MAX_BYTES, outbox.max_bytes // 8)


def cut(items: Iterable[T], weigh: Callable[[T], int], max_bytes: int) -> Iterator[list[T]]:
    """Yield items in lists, each weighed when its list is requested. No items give one empty list.

    :param weigh: returns the bytes of an item in addition to :data:`ITEM_BYTES`
    :param max_bytes: most bytes of a list; a larger item gets a list of its own
    """
    chunk: list[T] = []
    size, has_yielded = 0, False
    for item in items:
        more = ITEM_BYTES + weigh(item)
        if chunk and (len(chunk) == MAX_ITEMS or size + more > max_bytes):
            yield chunk
            chunk, size, has_yielded = [], 0, True
        chunk.append(item)
        size += more
    if chunk or not has_yielded:
        yield chunk


class Shared(Generic[T]):
    """An iterable that makes each value once, when the first reader requests it, for all its readers."""

    def __init__(self, values: Iterator[T]) -> None:
        first = list(islice(values, 2))
        self.short = len(first) < 2
        """Whether there is one value, or none."""
        (self._values,) = tee(chain(first, values), 1)

    def __iter__(self) -> Iterator[T]:
        return copy(self._values)


def encode_change(connection: Connection, chunks: Iterator[Chunk]) -> Shared[bytes]:
    """Return a change as sent to all connections of the same format, in short steps."""
    return Shared(chain.from_iterable(connection.steps(*chunk) for chunk in chunks))


class ChunkSender:
    """Sends a snapshot to one client.

    :param chunks: makes an encoded chunk when it is requested, not earlier; an empty one is a step on the way there
    :param on_sent: called when all chunks were sent
    :param turns: serves other users while this takes long
    :param share: the user whose turns are used
    """

    def __init__(
        self, outbox: Outbox, chunks: Iterator[bytes], on_sent: Callable[[], None], turns: Turns, share: Share
    ) -> None:
        self._share = share
        self._outbox = outbox
        self._chunks = chunks
        self._on_sent = on_sent
        self._turns = turns
        self._chunk: bytes | None = None
        """A chunk that was made, but was larger than the room for it."""
        self._stopped = False

    def start(self) -> None:
        """Start or continue: at once, or when it is the user's turn."""
        self._turns.soon(self._share, self._send)

    def _send(self) -> None:
        """Send as much as the outbox takes during this turn. Continue when it has room, or in the next turn."""
        outbox, turns = self._outbox, self._turns
        while not self._stopped and not outbox.closed:
            if self._chunk is None:
                if outbox.full:
                    outbox.when_drained(self.start)
                    return
                if turns.is_over:
                    turns.again(self._share, self._send)
                    return
                self._chunk = next(self._chunks, None)
                if self._chunk is None:
                    self._on_sent()
                    return
            if not outbox.has_room(len(self._chunk)):
                outbox.when_room(len(self._chunk), self.start)
                return
            chunk, self._chunk = self._chunk, None
            outbox.put(chunk)

    def stop(self) -> None:
        """Send nothing more, and release the chunks' source: it refers to the subscription, which refers to us."""
        self._stopped = True
        self._turns.drop(self._share, self._send)
        self._outbox.cancel(self.start)
        self._chunks = iter(())
        self._chunk = None
        self._on_sent = _do_nothing


def _do_nothing() -> None:
    """Do nothing, where a stopped sender would report its end."""
