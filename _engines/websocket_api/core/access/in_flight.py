"""Limit the users' jobs that have not ended. Each job holds a slot, and users have fair shares of the slots.

A job without a slot is not published, so no user can keep the minions busy for minutes, and canceling is cheap.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ...errors import ApiError
from ...fair_share import FairTurns, RecentUsers, Share, current_share
from ..jobs.job import Job
from ..jobs.registry import JobRegistry
from ..timing import Clock, Later

MAX_QUEUE = 1_000_000  # the maximum of requests that wait, of all batches


class Slot:
    """A slot for one job."""

    def __init__(self) -> None:
        self.job: Job | None = None
        """The job that holds the slot until it ends."""


class JobsInFlight:
    """Slots for jobs.

    :param size: the slots of all users together
    :param seconds: the maximum time that a job holds its slot; a longer job is no load, or its minions are silent
    :param limit: the name of the option for ``size``
    :param jobs: reports when jobs end
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        size: int,
        *,
        seconds: float,
        limit: str,
        recent_users: RecentUsers,
        jobs: JobRegistry,
        clock: Clock,
        later: Later,
    ) -> None:
        self.turns = FairTurns(size, MAX_QUEUE, recent_users)
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._later = later
        self._planned = False
        """Whether the slots of the oldest jobs will be released on time."""
        self._jobs: dict[str, tuple[Share, float]] = {}
        """The user of each job and the time when its slot is released, the oldest first."""
        jobs.on_end(self._ended)

    @asynccontextmanager
    async def slot(self, seconds: float | None = None) -> AsyncIterator[Slot]:
        """Wait for a slot. If no job was assigned to it, it is released at the end of the block.

        :param seconds: the maximum time to wait
        :raises ApiError: ``too_many`` if no slot was free in time
        """
        share, slot = current_share(), Slot()
        self._plan()
        if not await self.turns.enter(share, seconds):
            raise ApiError("too_many", "too many of your jobs have not ended", {"limit": self._limit})
        try:
            yield slot
        finally:
            job = slot.job
            if job is None or job.ended or job.jid in self._jobs:
                self.turns.leave(share)
            else:
                self._jobs[job.jid] = share, self._clock() + self._seconds

    def tick(self) -> None:
        """Release the slots of jobs that run too long. Called every second."""
        now = self._clock()
        while self._jobs and (oldest := next(iter(self._jobs.items())))[1][1] <= now:
            self._leave(oldest[0])

    def _plan(self) -> None:
        """Release slots on time while requests come or wait: all of them would wait for the next second."""
        if self._jobs and not self._planned:
            self._planned = True
            _, until = next(iter(self._jobs.values()))
            self._later(max(0.0, until - self._clock()), self._release)

    def _release(self) -> None:
        self._planned = False
        self.tick()
        if len(self.turns.shares.waiting):
            self._plan()

    def _ended(self, job: Job) -> None:
        if job.jid in self._jobs:
            self._leave(job.jid)

    def _leave(self, jid: str) -> None:
        share, _ = self._jobs.pop(jid)
        self.turns.leave(share)
