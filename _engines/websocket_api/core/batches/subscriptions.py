"""Live pictures of batches: who follows which, and frames that cost what changed and not how large the batch is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any

from ...errors import ApiError
from ..access.sessions import Session
from ..access.turns import Turns
from ..delivery import frames
from ..delivery.chunks import Chunk, Shared, cut, encode_change
from ..delivery.connection import Connection
from ..delivery.pacing import Pacer
from ..delivery.snapshots import CHANGE_SECONDS, SnapshotSubscription
from ..events.history import History
from ..timing import Clock, Later
from .batch import Batch
from .registry import BatchRegistry, may_see


class BatchViews:
    """Who follows batches.

    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    """

    def __init__(self, *, book: BatchRegistry, history: History, later: Later, clock: Clock, turns: Turns) -> None:
        self.book = book
        self.turns = turns
        self._history = history
        self._later = later
        self._clock = clock
        self._followers: dict[BatchSubscription, None] = {}
        self._changed: dict[int, set[int]] = {}
        self._gone: set[int] = set()
        self._pacers: dict[int, Pacer] = {}
        book.on_change(self._batch_changed)

    @property
    def seq(self) -> int:
        """The number up to which the pictures are drawn."""
        return self._history.seq

    def follow(self, subscription: BatchSubscription) -> None:
        """Send changes to a subscription."""
        self._followers[subscription] = None

    def leave(self, subscription: BatchSubscription) -> None:
        """Send it nothing more."""
        self._followers.pop(subscription, None)

    def frame(self, subscription: BatchSubscription, batch: Batch, places: Iterable[int]) -> frames.Message:
        """Return a batch with these of its requests."""
        requests = [batch.request_shown(place) for place in places]
        return frames.batch(subscription.number, self.seq, batch.shown(), requests)

    def _batch_changed(self, batch: Batch, places: Collection[int], what: str) -> None:
        if what == "known":
            return
        if not any(follower.wants(batch) for follower in self._followers):
            self._forget(batch)
            return
        self._changed.setdefault(batch.id, set()).update(places)
        pacer = self._pacers.get(batch.id)
        if pacer is None:
            pacer = Pacer(CHANGE_SECONDS, lambda: self._flush(batch), self._later, self._clock)
            self._pacers[batch.id] = pacer
        if what == "destroy":
            self._gone.add(batch.id)
        pacer.poke()

    def _flush(self, batch: Batch) -> None:
        changed, gone = self._changed.pop(batch.id, set()), batch.id in self._gone
        made: dict[Any, Shared[bytes]] = {}
        for follower in list(self._followers):
            if not follower.wants(batch):
                continue
            if gone and follower.batch is not None:
                last = list(islice(follower.pieces(batch, changed), 2))
                follower.connection.send(*(last[0] if len(last) == 1 else [self.frame(follower, batch, ())]))
                follower.over(ApiError("not_found", "the batch was forgotten"))
                continue
            if follower.is_sending:
                follower.postponed.update((str(batch.id), place) for place in changed or (-1,))
                continue
            connection = follower.connection
            key = (follower.number, follower.collection, connection.wrap, connection.codec)
            if key not in made:
                made[key] = encode_change(connection, follower.pieces(batch, changed))
            follower.send_change(made[key])
        if batch.ended or gone:
            self._forget(batch)

    def _forget(self, batch: Batch) -> None:
        """Keep nothing of a batch that nobody follows, or that changes no more: each has one change more, its end."""
        self._changed.pop(batch.id, None)
        self._gone.discard(batch.id)
        pacer = self._pacers.pop(batch.id, None)
        if pacer is not None:
            pacer.end()


class BatchSubscription(SnapshotSubscription):
    """One client's view of a batch, or of all that may be seen.

    :param batch: None for all
    :param collection: whether the requests that changed come with it
    """

    def __init__(
        self,
        views: BatchViews,
        connection: Connection,
        number: int,
        session: Session,
        batch: Batch | None,
        *,
        collection: bool = True,
    ) -> None:
        super().__init__(views, connection, number, session)
        self.batch = batch
        self.collection = collection and batch is not None
        self._batches = views
        if batch is not None:
            views.book.hold(batch)

    def wants(self, batch: Batch) -> bool:
        """Tell whether it follows this batch."""
        return batch is self.batch or (self.batch is None and may_see(self.session.viewer, batch))

    def start(self) -> None:
        """Follow, and send the snapshot."""
        self._batches.follow(self)
        self.send_snapshot(self._snapshot())

    def regroup(self) -> None:
        """End when the batch may not be seen any more."""
        if self.batch is not None and not may_see(self.session.viewer, self.batch):
            self.over(ApiError("forbidden", "this batch may not be seen by you any more"))

    def over(self, fault: ApiError) -> None:
        """End, and say why."""
        self.connection.remove(self.number)
        self.connection.send(frames.ended(self.number, fault))

    def send_postponed(self, postponed: set[tuple[str, Any]]) -> None:
        """Send what changed while the snapshot was drawn."""
        self.send_snapshot(self._behind(postponed))

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._batches.leave(self)
        if self.batch is not None:
            self._batches.book.let_go(self.batch)

    def pieces(self, batch: Batch, places: Iterable[int]) -> Iterator[Chunk]:
        """Draw a batch with these of its requests, a frame's worth at a time."""
        wanted = sorted(places) if self.collection and batch.requests is not None else ()
        for piece in cut(wanted, batch.weigh, self.chunk_bytes):
            yield [self._batches.frame(self, batch, piece)]

    def _snapshot(self) -> Iterator[Chunk]:
        if self.batch is not None:
            yield from self.pieces(self.batch, range(self.batch.total))
            return
        for batch in list(self._batches.book.known()):
            if not batch.ended and self.wants(batch):
                yield from self.pieces(batch, ())

    def _behind(self, behind: set[tuple[str, Any]]) -> Iterator[Chunk]:
        places: dict[str, list[int]] = {}
        for id_, place in behind:
            changed = places.setdefault(id_, [])
            if place >= 0:
                changed.append(place)
        for id_, changed in places.items():
            batch = self._batches.book.get(int(id_))
            if batch is not None:
                yield from self.pieces(batch, changed)
