"""What subscriptions to jobs, minions and batches share: a snapshot in chunks, then ``live``, then changes.

A snapshot can be larger than all that may wait for a client. So each chunk is made when the client has room for it, and
holds the state of that moment. Changes wait until the snapshot is complete. A change that is too large for one frame is
sent the same way. So a client that reads gets a snapshot of any size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from ...errors import ApiError
from ..access.memory import OUTBOXES, Taken
from ..access.session import Session
from ..access.turns import Turns
from ..events.history import Gap
from . import frames
from .chunks import Chunk, ChunkSender, Shared, max_chunk_bytes
from .connection import Connection

POSTPONED_BYTES = 150
"""Bytes of memory for a change that is postponed."""
CHANGE_SECONDS = 0.1
"""Minimum time between two frames about the same job or batch, or about minions."""


class Feed(Protocol):
    """Source of snapshots: the feed of jobs, minions or batches."""

    turns: Turns

    @property
    def seq(self) -> int:
        """The number of the newest event that the snapshots include."""
        ...


class SnapshotSubscription(ABC):
    """A subscription that starts with a snapshot.

    :param only: minions to send; empty for all
    """

    def __init__(
        self, feed: Feed, connection: Connection, number: int, session: Session, only: Iterable[str] = ()
    ) -> None:
        self.number = number
        self.session = session
        self.connection = connection
        self.only = frozenset(only)
        self.chunk_bytes = max_chunk_bytes(connection.outbox)
        self.postponed: set[tuple[str, Any]] = set()
        """Changes since the snapshot started: (jid or "", minion), or (batch, index of a request)."""
        self._taken = Taken(session.holdings.memory, OUTBOXES)
        self._source = feed
        self._sender: ChunkSender | None = None
        self._live = False
        self._stopped = False

    @property
    def is_sending(self) -> bool:
        """Whether chunks still wait for room: changes are then added to ``postponed``."""
        return self._sender is not None

    def postpone(self, changes: Iterable[tuple[str, Any]]) -> None:
        """Send changes after the snapshot. They wait like frames: a client that reads too slowly is closed."""
        before = len(self.postponed)
        self.postponed.update(changes)
        if len(self.postponed) == before:
            return
        self._taken.add(POSTPONED_BYTES * (len(self.postponed) - before))
        if not self.session.holdings.memory.fits(0):
            self.connection.outbox.overflow()

    def send_snapshot(self, chunks: Iterator[Chunk]) -> None:
        """Send a snapshot; it replaces one that is not complete yet."""
        self._send_chunks(step for chunk in chunks for step in self.connection.steps(*chunk))

    def send_change(self, change: Shared[bytes]) -> None:
        """Send a change: at once, or like a snapshot if it has several chunks."""
        if not change.short:
            self._send_chunks(iter(change))
            return
        for frame in change:
            self.connection.outbox.put(frame)

    def send_gap(self, gap: Gap, oldest: int) -> None:
        """Report that the engine missed events: the client's snapshot may be out of date.

        :param oldest: the oldest number in the history
        """
        message = frames.gap(self.number, gap.reason, count=None, first=gap.first, last=gap.seq, oldest=oldest)
        self.connection.send(message)

    def send_ended(self, error: ApiError) -> None:
        """Report that the subscription has ended."""
        self.connection.send(frames.ended(self.number, error))

    def stop(self) -> None:
        """Send nothing more."""
        if self._sender is not None:
            self._sender.stop()
            self._sender = None
        self._stopped = True
        self.postponed.clear()
        self._taken.release()

    @abstractmethod
    def send_postponed(self, postponed: set[tuple[str, Any]]) -> None:
        """Send changes that were postponed."""

    def _send_chunks(self, chunks: Iterator[bytes]) -> None:
        if self._stopped:
            return  # its connection closed while others of the same connection were sent the same
        if self._sender is not None:
            self._sender.stop()
        self._sender = ChunkSender(
            self.connection.outbox, chunks, self._on_sent, self._source.turns, self.session.share
        )
        self._sender.start()

    def _on_sent(self) -> None:
        self._sender = None
        if not self._live:
            self._live = True
            self.connection.send(frames.live(self.number, self._source.seq))
        postponed, self.postponed = self.postponed, set()
        self._taken.release()
        if postponed:
            self.send_postponed(postponed)
