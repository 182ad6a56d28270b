"""All jobs at once: who follows them, and what changed since they were told last.

A change costs as much as it is large, whatever the number of jobs: what changed within a pace is worded once for all
who see the same in the same format, and nothing else is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from . import frames
from .connection import Connection
from .jobbook import JobBook
from .jobs import Job
from .pacing import Later, Pacer
from .pictures import CHANGE_SECONDS, PIECE, JobSubscription, Piece
from .sessions import Session

if TYPE_CHECKING:
    from .views import Views

PIECE_JOBS = 100  # that leave together
PIECE_BYTES = 256 * 1024  # of what they returned; a single job may have more
MOST_WATCHED = 20  # of unfinished jobs: to ask minions about each of thousands would cost the master more than it tells


class AllJobs:
    """Who follows all jobs; ``views`` words a job for each of them."""

    def __init__(self, views: Views, book: JobBook, later: Later, clock: Callable[[], float]) -> None:
        self._views = views
        self._book = book
        self._pacer = Pacer(CHANGE_SECONDS, self._flush, later, clock)
        self._changed: dict[str, set[str]] = {}
        self.followers: dict[AllJobsSubscription, None] = {}
        book.on_change(self._note)

    def watched(self) -> list[str]:
        """The jobs whose end is looked for: the newest that have not ended, while somebody follows."""
        return self._book.unfinished(MOST_WATCHED) if self.followers else []

    def draw(self, subscription: AllJobsSubscription) -> Iterator[Piece]:
        """Yield all jobs that may be seen, newest first, each as it is when it is asked for."""
        jids = [job.jid for job in self._book.newest_first() if job.fun is not None]
        yield from self._pieces(message for jid in jids for message in self._views.whole_job(jid, subscription))

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
        made: dict[tuple[object, ...], list[bytes]] = {}
        for subscription in list(self.followers):
            if subscription.drawing:
                subscription.behind.update((jid, name) for jid, names in changed.items() for name in (names or {""}))
                continue
            key = (subscription.session.viewer, subscription.form)
            if key not in made:
                made[key] = self._news(subscription, changed)
            for frame in made[key]:
                subscription.connection.outbox.put(frame)

    def catch_up(self, subscription: AllJobsSubscription, behind: set[tuple[str, str]]) -> None:
        """Tell one subscription what changed while its snapshot was drawn."""
        changed: dict[str, set[str]] = {}
        for jid, name in behind:
            changed.setdefault(jid, set()).add(name)
        for frame in self._news(subscription, changed):
            subscription.connection.outbox.put(frame)

    def _note(self, job: Job, minions: tuple[str, ...]) -> None:
        if self.followers and self._book.is_followed(job):
            self._changed.setdefault(job.jid, set()).update(minions or job.parts)
            self._pacer.poke()

    def _news(self, subscription: AllJobsSubscription, changed: dict[str, set[str]]) -> list[bytes]:
        """Return jobs with those of their parts that changed, as they travel."""
        found = (self._views.job_frame(jid, subscription, names) for jid, names in changed.items())
        pieces = self._pieces(message for message in found if message is not None)
        return [subscription.connection.frame(*piece) for piece in pieces]

    def _pieces(self, messages: Iterable[frames.Message]) -> Iterator[Piece]:
        """Gather messages until they are enough for one piece."""
        piece: list[frames.Message] = []
        parts = size = 0
        for message in messages:
            more, job = len(message["minions"]), self._book.get(message["jid"])
            weight = 0 if job is None else sum(job.parts[name].size for name in message["minions"] if name in job.parts)
            full = len(piece) == PIECE_JOBS or parts + more > PIECE or size + weight > PIECE_BYTES
            if piece and full:
                yield piece
                piece, parts, size = [], 0, 0
            piece.append(message)
            parts, size = parts + more, size + weight
        if piece:
            yield piece


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
        self._views.all_jobs.catch_up(self, behind)

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._views.all_jobs.leave(self)
