"""The jobs in memory: their number and size are limited, and listeners learn of their changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from .job import Job
from .retention import Needed, Retention

MAX_BYTES = 256 * 1024 * 1024
"""Bytes of memory for jobs, about; older ones are read from the job cache again."""
INTERNAL = frozenset({"saltutil.find_job"})
"""Functions that Salt's own clients run to ask about jobs; such jobs are not shown."""


class JobStore:
    """Jobs by jid, newest last. The registry adds and changes them (core/jobs/registry.py).

    :param max_jobs: jobs that are kept (core/jobs/retention.py)
    :param clock: seconds since the epoch
    """

    def __init__(self, max_jobs: int, clock: Callable[[], float]) -> None:
        self._retention = Retention(max_jobs, clock)
        self._jobs: dict[str, Job] = {}
        self._bytes = 0
        self._weights: dict[str, int] = {}
        """For how many of these bytes each job counts."""
        self._revision = 0
        self._listeners: list[Callable[[Job, tuple[str, ...]], None]] = []
        self._end_listeners: list[Callable[[Job], None]] = []
        self._return_listeners: list[Callable[[str, Mapping[str, Any]], None]] = []
        self._give_up_listeners: list[Callable[[Job, list[str], str], None]] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def on_change(self, call: Callable[[Job, tuple[str, ...]], None]) -> None:
        """Call ``call(job, minions)`` after each change, with the minions whose parts changed."""
        self._listeners.append(call)

    def on_end(self, call: Callable[[Job], None]) -> None:
        """Call ``call(job)`` once for every job that ends; a late return may still change the job."""
        self._end_listeners.append(call)

    def on_return(self, call: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Call ``call(minion, data)`` for every return on the bus that is believed."""
        self._return_listeners.append(call)

    def on_give_up(self, call: Callable[[Job, list[str], str], None]) -> None:
        """Call ``call(job, minions, state)`` for minions whose parts ended without a return."""
        self._give_up_listeners.append(call)

    def needed_by(self, call: Needed) -> None:
        """Keep a job while ``call(jid)`` returns True."""
        self._retention.needed_by(call)

    def get(self, jid: str | None) -> Job | None:
        """Return the job, if it is known."""
        return self._jobs.get(jid) if jid else None

    def newest_first(self) -> Iterator[Job]:
        """Yield all jobs, without Salt's internal ones."""
        newest_first = sorted(self._jobs.values(), key=lambda job: job.jid, reverse=True)
        return (job for job in newest_first if job.fun not in INTERNAL)

    def unfinished(self, limit: int) -> list[str]:
        """Return the newest jobs on minions that have not ended, without Salt's internal ones."""
        found = (job.jid for job in reversed(self._jobs.values()) if not job.ended and self.is_followed(job))
        return list(islice(found, limit))

    @staticmethod
    def is_followed(job: Job) -> bool:
        """Return whether a job was announced, and is not one that Salt's clients run to ask about another."""
        return job.fun is not None and job.fun not in INTERNAL

    def _on_change(self, job: Job) -> None:
        # A job without announcement can be read from the job cache, if at all; Salt's internal ones are not needed.
        self._retention.add(job, spent=job.ended or not self.is_followed(job))

    def _drop(self, spared: Job) -> None:
        while (jid := self._retention.choose(self._bytes, MAX_BYTES, spared.jid)) is not None:
            self._retention.remove(jid)
            del self._jobs[jid]
            self._bytes -= self._weights.pop(jid, 0)

    def _notify(self, job: Job, *minions: str) -> None:
        self._revision += 1
        job.revision = self._revision
        if self._jobs.get(job.jid) is job:
            self._on_change(job)
            self._bytes += job.memory - self._weights.get(job.jid, 0)
            self._weights[job.jid] = job.memory
        for call in self._listeners:
            call(job, minions)
        if job.ended and not job.end_reported:
            job.end_reported = True
            for call_end in self._end_listeners:
                call_end(job)
