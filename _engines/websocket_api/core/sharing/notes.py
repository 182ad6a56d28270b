"""What engines share in addition to events: minions, minions that never returned, and jobs that clients follow.

Only the master of a job can ask its minions whether they still run it, and it asks only while a client follows the job.
So an engine whose clients follow a job of another master writes that, and reads the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..events.encoding import decode, encode
from ..jobs.job import Job
from ..jobs.registry import JobRegistry
from ..minions.registry import MinionRegistry
from ..timing import Clock
from .minions import SharedMinions

FOLLOWED_SECONDS = 20.0
"""How long a job counts as followed elsewhere after its last note: it is written again every 5 s."""
MAX_FOLLOWED = 1000
"""Jobs that are followed elsewhere, and notes that wait to be written."""
STATES = ("missing", "canceled")


class Notes:
    """Collects notes for the log, and applies those of other masters.

    :param own: the own master's id
    :param clock: seconds, monotonic
    :param touch: is called if there is something to write
    """

    def __init__(
        self, own: str, jobs: JobRegistry, minions: MinionRegistry, clock: Clock, touch: Callable[[], None]
    ) -> None:
        self.minions = SharedMinions(minions, touch)
        self._own = own
        self._jobs = jobs
        self._clock = clock
        self._touch = touch
        self._ended: list[tuple[str, str, list[str]]] = []
        self._asked: dict[tuple[str, str], None] = {}
        self._followed: dict[str, float] = {}
        jobs.on_give_up(self._on_give_up)

    def ask(self, job: Job) -> None:
        """Have the master of a job find out which of its minions still run it."""
        if job.master is not None and len(self._asked) < MAX_FOLLOWED:
            self._asked[job.master, job.jid] = None
            self._touch()

    def followed(self) -> list[str]:
        """Return the jobs of the own master that clients of other masters follow."""
        now = self._clock()
        self._followed = {jid: end for jid, end in self._followed.items() if end > now}
        return list(self._followed)

    def take(self) -> bytes:
        """Return what is to be written; empty if there is nothing."""
        minions = self.minions.take()
        if not self._ended and not self._asked and not minions:
            return b""
        ended, self._ended = self._ended, []
        asked, self._asked = list(self._asked), {}
        return encode({"ended": ended, "asked": asked, **minions})

    def apply(self, master: str, notes: bytes) -> None:
        """Apply the notes of another master. What is not understood is left out.

        Notes may be read again: they change nothing then.
        """
        try:
            read = decode(notes)
            for jid, state, minions in read["ended"]:
                self._end(master, jid, state, minions)
            self.minions.apply(master, read.get("minions", []), bool(read.get("whole")))
            for asked, jid in read["asked"]:
                if asked == self._own and isinstance(jid, str) and len(self._followed) < MAX_FOLLOWED:
                    self._followed[jid] = self._clock() + FOLLOWED_SECONDS
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            return

    def _end(self, master: str, jid: Any, state: Any, minions: Any) -> None:
        job = self._jobs.get(jid) if isinstance(jid, str) else None
        if job is not None and job.elsewhere and job.master == master and state in STATES:
            self._jobs.give_up(job, [str(minion) for minion in minions], state)

    def _on_give_up(self, job: Job, minions: list[str], state: str) -> None:
        if not job.elsewhere and len(self._ended) < MAX_FOLLOWED:
            self._ended.append((job.jid, state, minions))
            self._touch()
