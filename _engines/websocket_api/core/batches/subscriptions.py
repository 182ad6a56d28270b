"""Subscriptions to batches: which client follows which batch, and frames whose size depends on what changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from ...errors import ApiError
from ..access.session import Session
from ..access.turns import Turns
from ..delivery import frames
from ..delivery.chunks import ITEM_BYTES, Chunk, Shared, cut, encode_change
from ..delivery.connection import Connection
from ..delivery.pacing import Pacer
from ..delivery.positions import Revisions
from ..delivery.snapshots import CHANGE_SECONDS, Feed, SnapshotSubscription
from ..events.history import History
from ..timing import Clock, Later
from .batch import Batch
from .lookup import BatchLookup
from .registry import BatchRegistry, may_see

BatchPart = tuple[int, "int | None"]
"""A batch and the index of one of its requests, or :data:`HEAD`; None for all of it."""
HEAD = -1


class BatchFeed(Feed[BatchPart]):
    """Sends changes of batches to the subscriptions that follow them.

    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    :param revisions: numbers the changes
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
        revisions: Revisions,
    ) -> None:
        self.registry = registry
        self.lookup = lookup
        self._followers: dict[BatchSubscription, None] = {}
        super().__init__(history=history, revisions=revisions, later=later, turns=turns)
        self._clock = clock
        self._fills: dict[int, int] = {}
        """How often the requests of a batch had been loaded at its last change."""
        self._changed: dict[int, set[int]] = {}
        self._removed: set[int] = set()
        self._pacers: dict[int, Pacer] = {}

    def followers(self) -> Collection[BatchSubscription]:
        """Return all subscriptions."""
        return self._followers

    def number_of(self, subscription: BatchSubscription, position: Mapping[str, Any]) -> int | None:
        """Return the number of a client's position; None if what changed since is not known."""
        batch = subscription.batch
        if batch is not None and not batch.ended and self._fills.get(batch.id) != batch.fills:
            return None  # its requests changed while only its head was in memory
        number = super().number_of(subscription, position)
        if number is not None and batch is None:
            changed = {id_ for id_, _ in self.after(subscription, number)}
            if any(self.registry.get(id_) is None for id_ in changed):
                return None  # the client has an old state of a batch that was forgotten
        return number

    def after(self, subscription: BatchSubscription, number: int) -> Collection[BatchPart]:
        """Return the parts that a subscription wants and that changed after a number."""
        found = self.log.after(number)
        if found is None:  # more changed since the reply to the client than the log keeps
            found = [(batch.id, None) for batch in self.registry.known()]
        if subscription.batch is not None:
            return [part for part in found if part[0] == subscription.batch.id]
        return found

    def encode_parts(self, subscription: BatchSubscription, parts: Collection[BatchPart]) -> Iterator[bytes]:
        """Yield parts as all subscriptions of this view and form get them, in short steps."""
        changed: dict[int, set[int] | None] = {}
        for id_, index in parts:
            indexes = changed.setdefault(id_, set())
            if index is None or indexes is None:
                changed[id_] = None
            elif index != HEAD:
                indexes.add(index)
        found = [(batch, indexes) for id_, indexes in changed.items() if (batch := self.registry.get(id_)) is not None]
        chunks = chain.from_iterable(
            subscription.chunks(batch, range(batch.total) if indexes is None else indexes)
            for batch, indexes in found
            if subscription.wants(batch)
        )
        return chain.from_iterable(subscription.connection.steps(*chunk) for chunk in chunks)

    def encode_all(self, subscription: BatchSubscription) -> Iterator[bytes]:
        """Yield the snapshot as all subscriptions of this view and form get it, in short steps."""
        return chain.from_iterable(subscription.connection.steps(*chunk) for chunk in subscription.snapshot())

    def weigh(self, subscription: BatchSubscription, parts: Collection[BatchPart] | None) -> int:
        """Return the approximate bytes of parts; of the whole snapshot for None."""
        batch = subscription.batch
        if batch is None:
            return ITEM_BYTES * len(self.registry if parts is None else parts)
        if parts is None or batch.requests is None or any(index is None for _, index in parts):
            return ITEM_BYTES * batch.total + batch.result_bytes
        indexes = [index for _, index in parts if index is not None and index != HEAD]
        return ITEM_BYTES * len(parts) + sum(map(batch.request_bytes, indexes))

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
        first = self.revisions.newest + 1
        self._note(batch, indexes, what)
        if what == "known":
            return
        if not any(follower.wants(batch) for follower in self._followers):
            self._forget(batch)
            return
        self._unsent.setdefault(batch.id, first)
        self._changed.setdefault(batch.id, set()).update(indexes)
        pacer = self._pacers.get(batch.id)
        if pacer is None:
            pacer = Pacer(CHANGE_SECONDS, lambda: self._flush(batch), self._later, self._clock)
            self._pacers[batch.id] = pacer
        if what == "destroy":
            self._removed.add(batch.id)
        pacer.request_flush()

    def _note(self, batch: Batch, indexes: Collection[int], what: str) -> None:
        """Give a change its number. If only the head of the batch is in memory, any request may have changed."""
        whole = what == "known" or batch.requests is None
        whole = whole or self._fills.get(batch.id, batch.fills) != batch.fills
        self._fills[batch.id] = batch.fills
        for index in (None,) if whole else indexes or (HEAD,):
            self.log.note((batch.id, index))
        if what == "destroy":
            del self._fills[batch.id]

    def _flush(self, batch: Batch) -> None:
        self._unsent.pop(batch.id, None)
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
        self._unsent.pop(batch.id, None)
        self._removed.discard(batch.id)
        pacer = self._pacers.pop(batch.id, None)
        if pacer is not None:
            pacer.end()


class BatchSubscription(SnapshotSubscription):
    """One client's subscription to a batch, or to all batches that it may see.

    :param batch: None for all
    :param masters: of all batches, only those that these drive or have driven; empty for all
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
        masters: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(feed, connection, number, session)
        self.batch = batch
        self.masters = masters
        self.collection = collection and batch is not None
        self._feed = feed
        if batch is not None:
            feed.lookup.hold(batch)

    def wants(self, batch: Batch) -> bool:
        """Return whether it follows this batch."""
        if self.batch is not None:
            return batch is self.batch
        return batch.is_of(self.masters) and may_see(self.session.viewer, batch)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The kind of the snapshot and its filters."""
        return "batch", None if self.batch is None else self.batch.id, self.collection, *sorted(self.masters)

    def resume(self, position: Mapping[str, Any]) -> bool:
        """Prepare to send only what changed after a position; return False if that is not known."""
        resumes = super().resume(position)
        if resumes:
            self._feed.follow(self)
        return resumes

    def start(self) -> None:
        """Follow, and send the snapshot or what changed."""
        if self._resumes_after is not None:
            self._send_chunks(self._feed.steps_since(self, self._resumes_after))
            return
        self.read_permissions()
        self._feed.follow(self)
        self._send_chunks(self._feed.steps_since(self, None))

    def regroup(self) -> None:
        """Send a new snapshot of all batches, after the permissions changed; end if one may not be seen any more."""
        self.read_permissions()
        if self.batch is None:
            if not self.forget_position():
                self.send_snapshot(self.snapshot())
        elif not may_see(self.session.viewer, self.batch):
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

    def snapshot(self) -> Iterator[Chunk]:
        """Yield the batch with its requests, or all batches that have not ended."""
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
