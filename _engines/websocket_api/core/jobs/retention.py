"""Which jobs are forgotten when there are too many, or when what they returned is too much.

A change and a choice cost the same however many jobs there are: jobs stand in the order of their last changes, and
those that must stay go to the end of it when a choice comes upon them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from .job import Job

QUIET_SECONDS = 3600.0
"""Without news for so long, a job that has not ended is taken for one that never will: its minions are gone."""
ENDED_SHARE = 4
"""One part in so many of the jobs may be ended ones, however many never end: what has just ended is looked for."""
MOST_LOOKS = 100  # at jobs that must stay, in one choice

Needed = Callable[[str], bool]
"""Tell whether somebody still needs a job."""


class Retention:
    """The order in which jobs are forgotten.

    :param most: so many jobs are kept; twice as many while jobs have not ended
    :param clock: seconds since the epoch
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._spent: OrderedDict[str, float] = OrderedDict()
        self._running: OrderedDict[str, float] = OrderedDict()
        self._needed: list[Needed] = []

    def needed_by(self, call: Needed) -> None:
        """Forget no job of which ``call(jid)`` says that it is needed: it is followed, or its news are not told yet."""
        self._needed.append(call)

    def changed(self, job: Job, *, spent: bool) -> None:
        """Note that a job is new or changed.

        :param spent: it has ended, or nobody looks for it
        """
        self.forgot(job.jid)
        (self._spent if spent else self._running)[job.jid] = self._clock()

    def forgot(self, jid: str) -> None:
        """Note that a job is not there any more."""
        self._spent.pop(jid, None)
        self._running.pop(jid, None)

    def choose(self, size: int, most_size: int, spared: str) -> str | None:
        """Return the job to forget next, or None when all may stay.

        :param size: of all that the jobs returned
        :param spared: the job that is being handled
        """
        number = len(self._spent) + len(self._running)
        if number <= self._most and size <= most_size:
            return None
        if size > most_size or len(self._spent) > self._most // ENDED_SHARE:
            chosen = self._oldest(self._spent, spared)
            if chosen is not None:
                return chosen
        chosen = self._oldest(self._running, spared, self._clock() - QUIET_SECONDS)
        if chosen is None and (number > 2 * self._most or size > 2 * most_size):
            chosen = self._oldest(self._running, spared) or self._oldest(self._spent, spared)
        return chosen

    def _oldest(self, jobs: OrderedDict[str, float], spared: str, before: float | None = None) -> str | None:
        for _ in range(min(len(jobs), MOST_LOOKS)):
            jid, changed = next(iter(jobs.items()))
            if before is not None and changed > before:
                return None
            if jid != spared and not any(needed(jid) for needed in self._needed):
                return jid
            jobs.move_to_end(jid)
        return None
