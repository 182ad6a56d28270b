"""How many jobs have ended, by function and outcome.

Any user can send any name of a function. So only functions that are used often have a label of their own, and their
number is limited. Counts never move from one label to another, because Prometheus expects counters to increase.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from ..jobs.job import Job
from ..jobs.registry import JobRegistry

MAX_FUNCTIONS = 50
"""Functions with a label of their own."""
OFTEN = 5
"""Jobs after which a function gets a label of its own."""
MAX_CANDIDATES = 1000
"""Functions whose jobs are counted until they get a label. Beyond that, counting starts again."""
ALWAYS = frozenset({"state.apply", "state.highstate", "state.sls", "test.ping"})
"""Functions that have a label from their first job."""
OTHER = "other"
OUTCOMES = ("complete", "failed", "partial", "canceled")
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}(\.[A-Za-z0-9_]{1,64}){1,3}")


class Outcome(NamedTuple):
    """What a job is counted by."""

    kind: str
    """``job``, ``runner`` or ``wheel``."""
    function: str
    outcome: str
    """One of :data:`OUTCOMES`."""


class JobCounts:
    """Counts of jobs that have ended."""

    def __init__(self) -> None:
        # Zeros from the start: Prometheus sees no increase in a counter that appears with its first count.
        always = (Outcome("job", name, outcome) for name in (*sorted(ALWAYS), OTHER) for outcome in OUTCOMES)
        self.ended: Counter[Outcome] = Counter(dict.fromkeys(always, 0))
        self._named: set[str] = set()
        self._candidates: Counter[str] = Counter()

    def add(self, job: Job) -> None:
        """Count a job that has ended; jobs that Salt's clients start to ask about another are left out."""
        if JobRegistry.is_followed(job) and job.fun is not None:
            self.ended[Outcome(job.kind, self._label(job.fun), job.state)] += 1

    def _label(self, fun: str) -> str:
        if fun in ALWAYS or fun in self._named:
            return fun
        if len(self._named) >= MAX_FUNCTIONS - len(ALWAYS) or not _NAME.fullmatch(fun):
            return OTHER
        if len(self._candidates) >= MAX_CANDIDATES and fun not in self._candidates:
            self._candidates.clear()
        self._candidates[fun] += 1
        if self._candidates[fun] < OFTEN:
            return OTHER
        del self._candidates[fun]
        self._named.add(fun)
        return fun
