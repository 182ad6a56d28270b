"""Jobs that were started for users and have not ended: each takes a place, of which users have fair shares.

So nobody keeps the minions busy for minutes ahead: what has no place is not published, and a cancellation drops it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ...errors import ApiError
from ...fair_share import Askers, FairTurns, Share, asker
from ..jobs.job import Job
from ..jobs.registry import JobRegistry

LONGEST_QUEUE = 1_000_000  # requests of batches that may be under way: more cannot wait


class Place:
    """A place for one job."""

    def __init__(self) -> None:
        self.job: Job | None = None
        """The job that keeps the place until it ends."""


class JobsInFlight:
    """Places for jobs.

    :param size: places of all users together
    :param seconds: for which a job keeps a place at most: what runs for longer is no load, or its minions are silent
    :param limit: the option that says how many
    :param book: says when jobs end
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        size: int,
        *,
        seconds: float,
        limit: str,
        askers: Askers,
        book: JobRegistry,
        clock: Callable[[], float],
    ) -> None:
        self.turns = FairTurns(size, LONGEST_QUEUE, askers)
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._jobs: dict[str, tuple[Share, float]] = {}
        """Who started each job and until when it keeps its place, the oldest first."""
        book.on_end(self._ended)

    @asynccontextmanager
    async def place(self, seconds: float | None = None) -> AsyncIterator[Place]:
        """Wait for a place; without a job it is given back at the end.

        :param seconds: to wait at most
        :raises ApiError: too_many where none came in time
        """
        share, place = asker(), Place()
        if not await self.turns.enter(share, seconds):
            raise ApiError("too_many", "too many of your jobs have not ended", {"limit": self._limit})
        try:
            yield place
        finally:
            job = place.job
            if job is None or job.ended or job.jid in self._jobs:
                self.turns.leave(share)
            else:
                self._jobs[job.jid] = share, self._clock() + self._seconds

    def tick(self) -> None:
        """Give back the places of jobs that run for long; called every second."""
        now = self._clock()
        for jid in [jid for jid, (_, until) in self._jobs.items() if until <= now]:
            self._leave(jid)

    def _ended(self, job: Job) -> None:
        if job.jid in self._jobs:
            self._leave(job.jid)

    def _leave(self, jid: str) -> None:
        share, _ = self._jobs.pop(jid)
        self.turns.leave(share)
