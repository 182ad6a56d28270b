"""Subscriptions to batches: which client follows which batch, and frames whose size depends on what changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any

from ...errors import ApiError
from ..access.session import Session
from ..access.turns import Turns
from ..delivery import frames
from ..delivery.chunks import Chunk, Shared, cut, encode_change
from ..delivery.connection import Connection
from ..delivery.pacing import Pacer
from ..delivery.snapshots import CHANGE_SECONDS, SnapshotSubscription
from ..events.history import History
from ..timing import Clock, Later
from .batch import Batch
from .lookup import BatchLookup
from .registry import BatchRegistry, may_see


class BatchFeed:
    """Sends changes of batches to the subscriptions that follow them.

    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        *,
        registry: BatchRegistry,
        lookup: BatchLookup,
        history: History,
        later: Later,
        clock: Clock,
        turns: Turns,
    ) -> None:
        self.registry = registry
        self.lookup = lookup
        self.turns = turns
        self._history = history
        self._later = later
        self._clock = clock
        self._followers: dict[BatchSubscription, None] = {}
        self._changed: dict[int, set[int]] = {}
        self._removed: set[int] = set()
        self._pacers: dict[int, Pacer] = {}

    @property
    def seq(self) -> int:
        """The position in the history up to which frames are current."""
        return self._history.seq

    def follow(self, subscription: BatchSubscription) -> None:
        """Start to send changes to a subscription."""
        self._followers[subscription] = None

    def unfollow(self, subscription: BatchSubscription) -> None:
        """Stop sending to a subscription."""
        self._followers.pop(subscription, None)

    def frame(self, subscription: BatchSubscription, batch: Batch, indexes: Iterable[int]) -> frames.Message:
        """Return the frame of a batch and these of its requests."""
        requests = [batch.request_as_dict(index) for index in indexes]
        return frames.batch(subscription.number, self.seq, batch.as_dict(), requests)

    def apply_change(self, batch: Batch, indexes: Collection[int], what: str) -> None:
        """Collect a change of a batch; it is sent soon. The registry calls this."""
        if what == "known":
            return
        if not any(follower.wants(batch) for follower in self._followers):
            self._forget(batch)
            return
        self._changed.setdefault(batch.id, set()).update(indexes)
        pacer = self._pacers.get(batch.id)
        if pacer is None:
            pacer = Pacer(CHANGE_SECONDS, lambda: self._flush(batch), self._later, self._clock)
            self._pacers[batch.id] = pacer
        if what == "destroy":
            self._removed.add(batch.id)
        pacer.request_flush()

    def _flush(self, batch: Batch) -> None:
        changed, removed = self._changed.pop(batch.id, set()), batch.id in self._removed
        shared: dict[Any, Shared[bytes]] = {}
        for follower in list(self._followers):
            if not follower.wants(batch):
                continue
            if removed and follower.batch is not None:
                last = list(islice(follower.chunks(batch, changed), 2))
                follower.connection.send(*(last[0] if len(last) == 1 else [self.frame(follower, batch, ())]))
                follower.over(ApiError("not_found", "the batch was forgotten"))
                continue
            if follower.is_sending:
                follower.postpone((str(batch.id), index) for index in changed or (-1,))
                continue
            connection = follower.connection
            key = (follower.number, follower.collection, connection.wrap, connection.codec)
            if key not in shared:
                shared[key] = encode_change(connection, follower.chunks(batch, changed))
            follower.send_change(shared[key])
        if batch.ended or removed:
            self._forget(batch)

    def _forget(self, batch: Batch) -> None:
        """Drop what is kept for a batch without followers, or one that has ended and changes only once more."""
        self._changed.pop(batch.id, None)
        self._removed.discard(batch.id)
        pacer = self._pacers.pop(batch.id, None)
        if pacer is not None:
            pacer.end()


class BatchSubscription(SnapshotSubscription):
    """One client's subscription to a batch, or to all batches that it may see.

    :param batch: None for all
    :param collection: whether frames include the requests that changed
    """

    def __init__(
        self,
        feed: BatchFeed,
        connection: Connection,
        number: int,
        session: Session,
        batch: Batch | None,
        *,
        collection: bool = True,
    ) -> None:
        super().__init__(feed, connection, number, session)
        self.batch = batch
        self.collection = collection and batch is not None
        self._feed = feed
        if batch is not None:
            feed.lookup.hold(batch)

    def wants(self, batch: Batch) -> bool:
        """Return whether it follows this batch."""
        return batch is self.batch or (self.batch is None and may_see(self.session.viewer, batch))

    def start(self) -> None:
        """Follow, and send the snapshot."""
        self._feed.follow(self)
        self.send_snapshot(self._snapshot())

    def regroup(self) -> None:
        """End if the user may not see the batch any more."""
        if self.batch is not None and not may_see(self.session.viewer, self.batch):
            self.over(ApiError("forbidden", "you may not see this batch any more"))

    def over(self, error: ApiError) -> None:
        """End, and send the reason."""
        self.connection.remove(self.number)
        self.connection.send(frames.ended(self.number, error))

    def send_postponed(self, postponed: set[tuple[str, Any]]) -> None:
        """Send what changed while the snapshot was sent."""
        self.send_snapshot(self._changes(postponed))

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._feed.unfollow(self)
        if self.batch is not None:
            self._feed.lookup.release(self.batch)

    def chunks(self, batch: Batch, indexes: Iterable[int]) -> Iterator[Chunk]:
        """Yield a batch and these of its requests, in chunks that fit into one frame each."""
        wanted = sorted(indexes) if self.collection and batch.requests is not None else ()
        for chunk in cut(wanted, batch.request_bytes, self.chunk_bytes):
            yield [self._feed.frame(self, batch, chunk)]

    def _snapshot(self) -> Iterator[Chunk]:
        if self.batch is not None:
            yield from self.chunks(self.batch, range(self.batch.total))
            return
        for batch in list(self._feed.registry.known()):
            if not batch.ended and self.wants(batch):
                yield from self.chunks(batch, ())

    def _changes(self, postponed: set[tuple[str, Any]]) -> Iterator[Chunk]:
        indexes: dict[str, list[int]] = {}
        for id_, index in postponed:
            changed = indexes.setdefault(id_, [])
            if index >= 0:
                changed.append(index)
        for id_, changed in indexes.items():
            batch = self._feed.registry.get(int(id_))
            if batch is not None:
                yield from self.chunks(batch, changed)
