"""What subscriptions to jobs, minions and batches share: a snapshot in chunks, then ``live``, then changes.

A snapshot can be larger than all that may wait for a client. So each chunk is made when the client has room for it, and
holds the state of that moment. Changes wait until the snapshot is complete. A change that is too large for one frame is
sent the same way. So a client that reads gets a snapshot of any size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import Any, Generic, NamedTuple

from ...errors import ApiError
from ..access.memory import OUTBOXES, Taken
from ..access.session import Session
from ..access.turns import Turns
from ..events.history import Gap, History
from ..timing import Later
from . import frames
from .chunks import Chunk, ChunkSender, Shared, max_chunk_bytes
from .connection import Connection
from .positions import ChangeLog, Key, Position, Revisions

MAX_KEPT = 8
"""Snapshots, and changes after a position, that are kept encoded for up to two ticks: many clients come at once."""
MAX_SHARED_BYTES = 16 * 1024 * 1024
"""Approximate bytes of a snapshot, or of changes, kept to be shared; each client gets larger ones for itself."""
MAX_REST = 500
"""Parts that may have changed since changes were encoded; with more, they are encoded again."""
POSTPONED_BYTES = 150
"""Bytes of memory for a change that is postponed."""
CHANGE_SECONDS = 0.1
"""Minimum time between two frames about the same job or batch, or about minions."""


class _Made(NamedTuple):
    """Encoded chunks that subscriptions share."""

    number: int
    """The newest change when they were begun."""
    chunks: Shared[bytes]
    owner: int
    """The id of the subscription that encodes them."""


class Feed(ABC, Generic[Key]):
    """Source of snapshots of jobs, minions or batches, which also knows when each part last changed.

    :param later: ``later(seconds, call)``
    """

    def __init__(self, *, history: History, revisions: Revisions, later: Later, turns: Turns) -> None:
        self._history = history
        self.revisions = revisions
        self.turns = turns
        self.log: ChangeLog[Key] = ChangeLog(revisions)
        self._later = later
        self._made: dict[Hashable, _Made] = {}
        """Snapshots, and changes since a position, by position, view and form."""
        self._aged: set[int] = set()
        """The numbers of those that are dropped at the next tick."""
        self._unsent: dict[Hashable, int] = {}
        """The number of the first change that is not sent yet, by the frame that it waits for."""

    @property
    def epoch(self) -> str:
        """The numbering of events."""
        return self._history.epoch

    @property
    def seq(self) -> int:
        """The number of the newest event that the snapshots include."""
        return self._history.seq

    @property
    def sent(self) -> int:
        """The number of the newest change that every follower has, unless more is on its way to it."""
        return min(self._unsent.values()) - 1 if self._unsent else self.revisions.newest

    def number_of(self, subscription: Any, position: Mapping[str, Any]) -> int | None:
        """Return the number of a client's position; None if what changed since is not known."""
        number = self.revisions.number_of(position, subscription.view)
        return number if number is not None and self.log.reaches(number) else None

    def steps_since(self, subscription: Any, number: int | None) -> Iterator[bytes]:
        """Yield what changed after a number, in short steps. Clients that come together share the bytes.

        :param number: None for the whole snapshot
        """
        key = (number, subscription.view, subscription.form)
        made = self._made.get(key)
        rest: Collection[Key] = () if made is None else self.after(subscription, made.number)
        if made is None or len(rest) > MAX_REST:
            parts = None if number is None else self.after(subscription, number)
            if self.weigh(subscription, parts) > MAX_SHARED_BYTES:
                yield from self._steps(subscription, parts)
                return
            rest, made = (), self._make(key, subscription, parts)
        yield from made.chunks
        if rest:
            yield from self.encode_parts(subscription, rest)

    def steps_after(self, subscription: Any, number: int) -> tuple[Iterator[bytes], int]:
        """Return the steps of what changed after a number, and the number up to which they have all changes.

        Subscriptions that fell behind together share the bytes, which lack what changed since they were made.
        """
        key = (number, subscription.view, subscription.form)
        made = self._made.get(key)
        if made is None or made.number <= number:
            parts = self.after(subscription, number)
            if self.weigh(subscription, parts) > MAX_SHARED_BYTES:
                return self._steps(subscription, parts), self.revisions.newest
            made = self._make(key, subscription, parts)
        return iter(made.chunks), made.number

    def forget(self, subscription: SnapshotSubscription) -> None:
        """Drop the chunks that a stopped subscription encodes. Subscriptions that share them go on."""
        for key in [key for key, made in self._made.items() if made.owner == id(subscription)]:
            del self._made[key]

    def tick(self) -> None:
        """Send all followers their positions, if these changed; called every ten seconds."""
        # No timer for each: clients that come and leave would leave many.
        self._made = {key: made for key, made in self._made.items() if made.number not in self._aged}
        self._aged = {made.number for made in self._made.values()}
        self.bookmark()

    def bookmark(self) -> None:
        """Send all followers their positions, if these changed."""
        made: dict[Hashable, bytes] = {}
        for follower in list(self.followers()):
            follower.bookmark(made)

    def pass_on(self) -> dict[str, Any]:
        """Return the newest changes for the process that takes over."""
        return self.log.pass_on()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue with the changes of the last process."""
        self.log.restore(state)

    @abstractmethod
    def followers(self) -> Collection[SnapshotSubscription]:
        """Return all subscriptions."""

    @abstractmethod
    def after(self, subscription: Any, number: int) -> Collection[Key]:
        """Return the parts that a subscription wants and that changed after a number."""

    @abstractmethod
    def encode_parts(self, subscription: Any, parts: Collection[Key]) -> Iterator[bytes]:
        """Yield parts as all subscriptions of this view and form get them, in short steps."""

    @abstractmethod
    def encode_all(self, subscription: Any) -> Iterator[bytes]:
        """Yield the snapshot as all subscriptions of this view and form get it, in short steps."""

    @abstractmethod
    def weigh(self, subscription: Any, parts: Collection[Key] | None) -> int:
        """Return the approximate bytes of parts; of the whole snapshot for None."""

    def _steps(self, subscription: Any, parts: Collection[Key] | None) -> Iterator[bytes]:
        """Return the encoded steps of parts; of the whole snapshot for None."""
        if parts is None:
            return self.encode_all(subscription)
        return self.encode_parts(subscription, parts) if parts else iter(())

    def _make(self, key: Hashable, subscription: Any, parts: Collection[Key] | None) -> _Made:
        made = _Made(self.revisions.newest, Shared(self._steps(subscription, parts)), id(subscription))
        self._made.pop(key, None)
        if len(self._made) >= MAX_KEPT:
            del self._made[next(iter(self._made))]
        self._made[key] = made
        return made


class SnapshotSubscription(ABC):
    """A subscription that starts with a snapshot.

    :param only: minions to send; empty for all
    """

    def __init__(
        self, feed: Feed[Any], connection: Connection, number: int, session: Session, only: Iterable[str] = ()
    ) -> None:
        self.number = number
        self.session = session
        self.connection = connection
        self.only = frozenset(only)
        self.chunk_bytes = max_chunk_bytes(connection.outbox)
        self.view = ""
        """What shapes its snapshot (core/delivery/positions.py)."""
        self.postponed: set[tuple[str, Any]] = set()
        """Changes since the snapshot started: ("", minion), or (batch, index of a request)."""
        self._taken = Taken(session.holdings.memory, OUTBOXES)
        self._source = feed
        self._sender: ChunkSender | None = None
        self._live = False
        self._stopped = False
        self._resumes_after: int | None = None
        """The number after which the client lacks changes, until they are sent; None for a whole snapshot."""
        self._began_at = 0
        """The number of the newest change that the snapshot surely has."""
        self._position: Position | None = None
        """The last one that was sent."""

    @property
    def is_sending(self) -> bool:
        """Whether chunks wait for room, or for the start: changes then wait until all are sent."""
        return self._sender is not None or self._resumes_after is not None

    @property
    def is_behind(self) -> bool:
        """Whether changes wait until the present chunks are sent."""
        return bool(self.postponed)

    def resume(self, position: Mapping[str, Any]) -> bool:
        """Prepare to send only what changed after a position; return False if that is not known."""
        self.read_permissions()
        self._resumes_after = self._source.number_of(self, position)
        return self._resumes_after is not None

    def forget_position(self) -> bool:
        """Do not resume, but send a whole snapshot; return whether :meth:`start` will do that."""
        waits = self._resumes_after is not None and self._sender is None
        self._resumes_after = None
        return waits

    @property
    @abstractmethod
    def shape(self) -> tuple[Any, ...]:
        """The kind of the snapshot and its filters."""

    @property
    def form(self) -> Hashable:
        """Subscriptions of the same form and view get the same bytes."""
        return self.number, self.connection.codec, self.connection.wrap

    def bookmark(self, made: dict[Hashable, bytes]) -> None:
        """Send the position, unless chunks or changes still wait to be sent.

        :param made: encoded bookmarks, by view and form
        """
        if not self._live or self.is_sending or self.is_behind:
            return  # a later call sends it
        position = self._source.revisions.position(self._source.sent, self.view)
        if position is not None and position != self._position:
            self._position, key = position, (self.view, self.form)
            if key not in made:
                bookmark = frames.bookmark(self.number, self._source.epoch, self._source.seq, position=position)
                made[key] = self.connection.frame(bookmark)
            self.connection.outbox.put(made[key])

    def postpone(self, changes: Iterable[tuple[str, Any]]) -> None:
        """Send changes after the snapshot. They wait like frames: a client that reads too slowly is closed."""
        before = len(self.postponed)
        self.postponed.update(changes)
        if len(self.postponed) == before:
            return
        self._taken.add(POSTPONED_BYTES * (len(self.postponed) - before))
        if not self.connection.outbox.make_room(0):
            self.connection.outbox.overflow()

    def send_snapshot(self, chunks: Iterator[Chunk]) -> None:
        """Send a snapshot; it replaces one that is not complete yet."""
        self._send_chunks(step for chunk in chunks for step in self.connection.steps(*chunk))

    def read_permissions(self) -> None:
        """Note that what is sent from now on is shaped by the present permissions."""
        self.view = self._source.revisions.view(self.session.viewer, self.shape)

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
        self._source.forget(self)
        self.postponed.clear()
        self._taken.release()

    def send_postponed(self, postponed: set[tuple[str, Any]]) -> None:
        """Send changes that were postponed, if the subscription postpones any."""
        raise NotImplementedError

    def _send_chunks(self, chunks: Iterator[bytes]) -> None:
        if self._stopped:
            return  # its connection closed while others of the same connection were sent the same
        if self._sender is not None:
            self._sender.stop()
        if not self._live:
            self._began_at = self._source.sent
        self._sender = ChunkSender(
            self.connection.outbox, chunks, self._on_sent, self._source.turns, self.session.share
        )
        self._sender.start()

    def _on_sent(self) -> None:
        self._sender = self._resumes_after = None
        if not self._live:
            self._live = True
            # Changes that were postponed follow, so this is the position before them.
            self._position = self._source.revisions.position(self._began_at, self.view)
            self.connection.send(frames.live(self.number, self._source.seq, self._position))
        self.on_all_sent()

    def on_all_sent(self) -> None:
        """Send what changed while the chunks were sent."""
        postponed, self.postponed = self.postponed, set()
        self._taken.release()
        if postponed:
            self.send_postponed(postponed)
