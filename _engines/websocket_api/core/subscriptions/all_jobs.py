"""All jobs at once: who follows them, and what changed since they were told last.

A change costs as much as it is large, whatever the number of jobs: what changed within a pace is worded once for all
who see the same in the same format, and nothing else is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from ..access.sessions import Session
from ..delivery import frames
from ..delivery.chunks import PART_BYTES, PIECE, Piece, Shared, change
from ..delivery.connection import Connection
from ..delivery.pacing import Pacer
from ..jobs.job import Job
from ..jobs.registry import JobRegistry
from ..timing import Later
from .snapshots import CHANGE_SECONDS, JobSubscription, by_job

if TYPE_CHECKING:
    from .snapshot_feeds import Views

PIECE_JOBS = 100  # that leave together
PIECE_BYTES = 256 * 1024  # of what they returned; a single job may have more
MOST_WATCHED = 20  # of unfinished jobs: to ask minions about each of thousands would cost the master more than it tells


class AllJobs:
    """Who follows all jobs; ``views`` words a job for each of them."""

    def __init__(self, views: Views, book: JobRegistry, later: Later, clock: Callable[[], float]) -> None:
        self._views = views
        self._book = book
        self._pacer = Pacer(CHANGE_SECONDS, self._flush, later, clock)
        self._changed: dict[str, set[str]] = {}
        self.followers: dict[AllJobsSubscription, None] = {}
        book.on_change(self._note)
        book.needed_by(lambda jid: jid in self._changed)

    def watched(self) -> list[str]:
        """The jobs whose end is looked for: the newest that have not ended, while somebody follows."""
        return self._book.unfinished(MOST_WATCHED) if self.followers else []

    def draw(self, subscription: AllJobsSubscription) -> Iterator[Piece]:
        """Yield all jobs that may be seen, newest first, each as it is when it is asked for."""
        jids = [job.jid for job in self._book.newest_first() if job.fun is not None]
        viewer, frames_of = subscription.session.viewer, self._views.job_frames
        messages = (message for jid in jids for message in frames_of(jid, subscription, viewer))
        yield from self._pieces(messages, subscription)

    def draw_changed(self, subscription: AllJobsSubscription, changed: Mapping[str, set[str]]) -> Iterator[Piece]:
        """Yield jobs, by jid, with those of their parts that changed."""
        # The viewer of now: who shares it must not get what this one may see later.
        viewer, frames_of = subscription.session.viewer, self._views.job_frames
        found = (frames_of(jid, subscription, viewer, names) for jid, names in changed.items())
        yield from self._pieces(chain.from_iterable(found), subscription)

    def follow(self, subscription: AllJobsSubscription) -> None:
        """Send changes of all jobs to a subscription."""
        self.followers[subscription] = None

    def leave(self, subscription: AllJobsSubscription) -> None:
        """Send it nothing more."""
        self.followers.pop(subscription, None)
        if not self.followers:
            self._changed.clear()

    def _flush(self) -> None:
        """Tell what changed."""
        changed, self._changed = self._changed, {}
        made: dict[tuple[object, ...], Shared[bytes]] = {}
        for subscription in list(self.followers):
            if subscription.drawing:
                subscription.behind.update((jid, name) for jid, names in changed.items() for name in (names or {""}))
                continue
            key = (subscription.session.viewer, subscription.form)
            if key not in made:
                made[key] = change(subscription.connection, self.draw_changed(subscription, changed))
            subscription.tell(made[key])

    def _note(self, job: Job, minions: tuple[str, ...]) -> None:
        if self.followers and self._book.is_followed(job):
            self._changed.setdefault(job.jid, set()).update(minions or job.parts)
            self._pacer.poke()

    def _pieces(self, messages: Iterable[frames.Message], subscription: AllJobsSubscription) -> Iterator[Piece]:
        """Gather messages until they are enough for one piece."""
        piece: list[frames.Message] = []
        parts = size = 0
        for message in messages:
            more, weight = len(message["minions"]), self._weigh(message, subscription)
            full = len(piece) == PIECE_JOBS or parts + more > PIECE or size + weight > PIECE_BYTES
            if piece and full:
                yield piece
                piece, parts, size = [], 0, 0
            piece.append(message)
            parts, size = parts + more, size + weight
        if piece:
            yield piece

    def _weigh(self, message: frames.Message, subscription: AllJobsSubscription) -> int:
        job = self._book.get(message["jid"])
        if job is None:
            return 0
        # What a runner returned stands in the job itself.
        whole = job.size if job.kind != "job" and not subscription.without_return else 0
        return whole + sum(PART_BYTES + subscription.weigh(job.parts.get(name)) for name in message["minions"])


class AllJobsSubscription(JobSubscription):
    """One client's view of all jobs that it may see: those that are known, and those that come."""

    def __init__(
        self,
        views: Views,
        connection: Connection,
        number: int,
        session: Session,
        *,
        only: Iterable[str] = (),
        without_return: bool = False,
    ) -> None:
        super().__init__(views, connection, number, session, (), only=only, without_return=without_return)

    def start(self) -> None:
        """Follow, and send the snapshot."""
        self._views.all_jobs.follow(self)
        self.draw(self._views.all_jobs.draw(self))

    def regroup(self) -> None:
        """Draw the picture anew, after the permissions changed."""
        self.draw(self._views.all_jobs.draw(self))

    def catch_up(self, behind: set[tuple[str, str]]) -> None:
        """Send what changed meanwhile."""
        self.draw(self._views.all_jobs.draw_changed(self, by_job(behind)))

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._views.all_jobs.leave(self)
