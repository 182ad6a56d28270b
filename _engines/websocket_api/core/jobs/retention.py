"""Choose which jobs are dropped if there are too many, or their returns are too large.

Jobs are ordered by their last change. A change and a choice cost the same for any number of jobs: a choice moves jobs
that must stay to the end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from .job import Job

QUIET_SECONDS = 3600.0
"""Seconds without a change after which a job that has not ended may be dropped: its minions are probably gone."""
ENDED_SHARE = 4
"""At least 1/4 of the jobs may be ended ones, however many never end: clients look for jobs that have just ended."""
MAX_TRIES = 100
"""Jobs that are tried in one choice."""

Needed = Callable[[str], bool]
"""``needed(jid)`` returns whether a job must stay."""


class Retention:
    """The order in which jobs are dropped.

    :param max_jobs: jobs that are kept; twice as many while jobs have not ended
    :param clock: seconds since the epoch
    """

    def __init__(self, max_jobs: int, clock: Callable[[], float]) -> None:
        self._max_jobs = max_jobs
        self._clock = clock
        self._spent: OrderedDict[str, float] = OrderedDict()
        self._running: OrderedDict[str, float] = OrderedDict()
        self._needed: list[Needed] = []

    def needed_by(self, call: Needed) -> None:
        """Keep a job while ``call(jid)`` returns True: it is followed, or its changes were not sent yet."""
        self._needed.append(call)

    def add(self, job: Job, *, spent: bool) -> None:
        """Add a job, or move it to the end because it changed.

        :param spent: it has ended, or is not shown
        """
        self.remove(job.jid)
        (self._spent if spent else self._running)[job.jid] = self._clock()

    def remove(self, jid: str) -> None:
        """Remove a job."""
        self._spent.pop(jid, None)
        self._running.pop(jid, None)

    def choose(self, size: int, max_size: int, spared: str) -> str | None:
        """Return the job to drop next, or None if all may stay.

        :param size: bytes of all returns
        :param max_size: most bytes of returns
        :param spared: the job that is being handled
        """
        number = len(self._spent) + len(self._running)
        if number <= self._max_jobs and size <= max_size:
            return None
        if size > max_size or len(self._spent) > self._max_jobs // ENDED_SHARE:
            chosen = self._oldest(self._spent, spared)
            if chosen is not None:
                return chosen
        chosen = self._oldest(self._running, spared, self._clock() - QUIET_SECONDS)
        if chosen is None and (number > 2 * self._max_jobs or size > 2 * max_size):
            chosen = self._oldest(self._running, spared) or self._oldest(self._spent, spared)
        return chosen

    def _oldest(self, jobs: OrderedDict[str, float], spared: str, before: float | None = None) -> str | None:
        for _ in range(min(len(jobs), MAX_TRIES)):
            jid, changed = next(iter(jobs.items()))
            if before is not None and changed > before:
                return None
            if jid != spared and not any(needed(jid) for needed in self._needed):
                return jid
            jobs.move_to_end(jid)
        return None
