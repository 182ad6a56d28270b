"""One client's subscription to some jobs or to all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Any

from ...errors import ApiError
from ..access.session import Session
from ..delivery.chunks import Chunk
from ..delivery.connection import Connection
from ..delivery.snapshots import Feed, SnapshotSubscription
from ..jobs.job import Job
from ..jobs.job_object import part_objects
from ..jobs.part import Part
from ..jobs.short_targets import with_short_target

JobPart = tuple[str, "str | None"]
"""A job and one of its minions; None for the whole job."""


class JobSource(Feed[JobPart]):
    """What a subscription needs of the feed of jobs (core/subscriptions/jobs.py)."""

    @abstractmethod
    def follow(self, subscription: JobSubscription) -> None:
        """Send changes of its jobs to a subscription from now on."""

    @abstractmethod
    def unfollow(self, subscription: JobSubscription) -> None:
        """Send nothing more to a subscription."""

    @abstractmethod
    def snapshot(self, subscription: JobSubscription) -> Iterator[Chunk]:
        """Yield all jobs of a subscription in chunks, each with the state at the time it is requested."""

    @abstractmethod
    def sees_any(self, subscription: JobSubscription) -> bool:
        """Return whether any job of a subscription is visible. Forgotten jobs count as visible: nobody can tell."""


class JobSubscription(SnapshotSubscription):
    """One client's subscription to jobs.

    :param jobs: None for all jobs, those that are known and those that start later
    :param masters: only jobs that these announced; empty for all
    :param without_return: leave out what the minions returned
    :param short_targets: send the beginning of long targets only
    """

    def __init__(
        self,
        feed: JobSource,
        connection: Connection,
        number: int,
        session: Session,
        jobs: Iterable[Job] | None,
        *,
        only: Iterable[str] = (),
        masters: frozenset[str] = frozenset(),
        without_return: bool = False,
        short_targets: bool = False,
    ) -> None:
        super().__init__(feed, connection, number, session, only)
        self._feed = feed
        self.masters = masters
        self.without_return = without_return
        self.short_targets = short_targets
        self.jids = None if jobs is None else [job.jid for job in jobs]
        self._waits_for_client = False
        """Whether the client has not read what was sent before the changes that it misses."""
        self._missing_after: int | None = None
        """The client misses the changes after this number, apart from the chunks being sent; None if it misses none."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """The kind of the snapshot and its filters."""
        jids = None if self.jids is None else sorted(self.jids)
        shape = "job", jids, sorted(self.only), self.without_return, sorted(self.masters)
        # Positions that clients of earlier releases have, without this filter, stay valid over an update.
        return (*shape, "short_targets") if self.short_targets else shape

    def resume(self, position: Mapping[str, Any]) -> bool:
        """Prepare to send only what changed after a position; return False if that is not known."""
        resumes = super().resume(position)
        if resumes:
            self._feed.follow(self)
        return resumes

    def start(self) -> None:
        """Follow the jobs, and send the snapshot or what changed."""
        if self._resumes_after is not None:
            self._send_chunks(self._feed.steps_since(self, self._resumes_after))
            return
        self.read_permissions()
        self._feed.follow(self)
        self._send_chunks(self._feed.steps_since(self, None))

    def regroup(self) -> None:
        """Send a new snapshot, after the permissions changed; end if none of the jobs is visible any more."""
        self.read_permissions()
        if self._feed.sees_any(self):
            if not self.forget_position():
                self.send_snapshot(self._feed.snapshot(self))
            return
        self.end(ApiError("forbidden", "you may no longer see these jobs"))

    def end(self, error: ApiError) -> None:
        """End, and send the reason."""
        self.connection.remove(self.number)
        self.send_ended(error)

    @property
    def is_behind(self) -> bool:
        """Whether changes wait until the present chunks are sent. They take no memory: the feed's log has them."""
        return self._missing_after is not None

    def must_wait(self) -> bool:
        """Return whether changes must wait until the client has got what was sent before."""
        if self.is_sending or self._waits_for_client:
            return True
        outbox = self.connection.outbox
        if outbox.idle:
            return False
        # A client that does not read costs no more than this, and nothing is kept for it.
        self._waits_for_client = True
        outbox.when_reached(self._on_read)
        return True

    def _on_read(self) -> None:
        self._waits_for_client = False
        if not self._stopped and not self.is_sending:
            self.on_all_sent()

    def fall_behind(self, number: int) -> None:
        """Note that the client misses the changes after a number: they follow what is being sent."""
        self._missing_after = number if self._missing_after is None else min(number, self._missing_after)

    def on_all_sent(self) -> None:
        """Send what changed while the chunks were sent, in bytes that all clients which miss the same changes share."""
        number, self._missing_after = self._missing_after, None
        if number is None:
            return
        steps, reached = self._feed.steps_after(self, number)
        if reached < self._feed.revisions.newest:
            self._missing_after = reached  # the bytes are older than the last changes
        self._send_chunks(steps)

    def has(self, job: Job) -> bool:
        """Return whether one of the wanted masters announced a job."""
        return not self.masters or job.master in self.masters

    def wanted(self, job: Job, seen: Container[str] | None, names: Container[str] | None) -> list[str]:
        """Return those minions of a job that are visible, are named, and that this client subscribed to.

        :param seen: the visible minions; None for all
        :param names: None for all
        """
        narrow = [one for one in (seen, names, self.only or None) if one is not None]
        few = min((one for one in narrow if isinstance(one, Collection)), key=len, default=job.parts)
        is_few = len(few) < len(job.parts)
        found = [name for name in few if name in job.parts] if is_few else list(job.parts)
        for one in narrow:
            if not (is_few and one is few):
                found = [name for name in found if name in one]
        return found

    def summary(self, view: dict[str, Any]) -> dict[str, Any]:
        """Return a job object without minions as this client gets it."""
        if self.without_return:
            view.pop("return", None)
        return with_short_target(view) if self.short_targets else view

    def objects(self, parts: dict[str, Part]) -> dict[str, Any]:
        """Return parts of jobs as this client gets them."""
        return part_objects(parts, without_return=self.without_return)

    def weigh(self, part: Part | None) -> int:
        """Return the approximate bytes of a part that this client gets, in addition to ``ITEM_BYTES``."""
        if part is None:
            return 0
        return len(part.message or "") + (0 if self.without_return else part.size)

    def weigh_call(self, job: Job) -> int:
        """Return the approximate bytes of what was asked for that this client gets."""
        return job.call_size - (job.call_size_cut if self.short_targets else 0)

    @property
    def form(self) -> tuple[Any, ...]:
        """Subscriptions with the same form and viewer get the same bytes."""
        filters = self.only, self.masters, self.without_return, self.short_targets
        return self.number, *filters, self.connection.codec, self.connection.wrap

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._feed.unfollow(self)
