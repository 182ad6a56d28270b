"""Jobs of a master of masters: which minions below it are expected, and when all of them are known.

The upper master knows its direct minions only. A syndic passes a job on; the master below it publishes the job again
and names its own minions, and the syndic sends these names and the returns up.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...jids import made_at
from .job import Job

_WILDCARD = re.compile(r"[*?\[,]")


@dataclass(frozen=True)
class Below:
    """What a registry of jobs needs to know of the masters below."""

    name_seconds: float
    """How long the masters below have to name their minions (Salt's option ``syndic_wait``)."""
    answer_seconds: float
    """How much longer a job waits if no minion is known (Salt's option ``gather_job_timeout``)."""
    is_syndic: Callable[[str], bool]
    """Whether a direct minion is a syndic: it passes jobs on, and does not return."""
    is_direct: Callable[[str], bool]
    """Whether a minion has a key here and is no syndic: it returns by itself."""


class Gathering:
    """Jobs whose minions are not all known yet.

    :param clock: seconds since the epoch
    """

    def __init__(self, below: Below, clock: Callable[[], float]) -> None:
        self._below = below
        self._clock = clock
        self._since: dict[str, float] = {}
        """When each job was published, by jid."""

    def begin(self, job: Job, *, past: bool = False) -> None:
        """Wait for the masters below to name the minions of a job.

        :param past: it may be old: the time counts from its jid
        """
        if job.kind != "job" or job.gathering or job.gathered:
            return
        made = made_at(job.jid) if past else None
        self._since[job.jid] = self._clock() if made is None else made.timestamp()
        job.gathering = True

    def expect(self, job: Job, named: Iterable[str], missing: Iterable[str]) -> None:
        """Expect the minions that this master named, but not the syndics among them. Those of masters below follow."""
        self.begin(job)
        named = list(named)
        job.passing |= set(filter(self._below.is_syndic, named))
        direct = [name for name in named if name not in job.passing]
        listed = job.tgt if job.tgt_type == "list" and isinstance(job.tgt, list) else []
        unknown = [*missing, *(str(name) for name in listed if name not in job.parts and name not in direct)]
        job.expect(direct, unknown, self._clock())

    def restore(self, job: Job) -> None:
        """Expect nothing from the syndics that the job cache names for a job."""
        job.passing = frozenset(filter(self._below.is_syndic, job.parts))
        job.leave_out(job.passing)
        job.certain = not job.waiting
        self.begin(job, past=True)

    def is_complete(self, job: Job) -> bool:
        """Return whether no further minion can be named, because all ids of the target were."""
        if job.tgt_type == "glob" and isinstance(job.tgt, str) and not _WILDCARD.search(job.tgt):
            return job.gathering and job.tgt in job.parts
        return job.gathering and job.tgt_type == "list" and not job.unnamed

    def forget(self, job: Job) -> None:
        """Wait no longer."""
        self._since.pop(job.jid, None)

    def due(self, get: Callable[[str], Job | None]) -> list[Job]:
        """Return the jobs whose time is up, as Salt's own client counts it. A job without minions has more time.

        :param get: returns a job that is still known
        """
        now, found = self._clock(), []
        for jid, since in list(self._since.items()):
            job = get(jid)
            if job is None:
                del self._since[jid]
                continue
            known = bool(job.parts) and not job.unnamed
            if now >= since + self._below.name_seconds + (0 if known else self._below.answer_seconds):
                found.append(job)
        return found

    def is_passed_on(self, job: Job, minion: str, data: Mapping[str, Any]) -> bool:
        """Return whether a syndic passed on the return of a minion below, for a job that was announced here.

        Salt's master makes such an event of ``_syndic_return``: it has no ``cmd``.
        """
        if job.fun is None or "cmd" in data or "return" not in data or data.get("jid") != job.jid:
            return False
        return self.may_be_below(job, minion)

    def may_be_below(self, job: Job, minion: str) -> bool:
        """Return whether a master below may name a minion for this job, or pass on its return.

        Any minion can send what only a syndic should (docs/security.md). It must not speak for a direct minion, nor for
        one that the target excludes by its id.
        """
        return not self._below.is_direct(minion) and _may_match(job.tgt, job.tgt_type, minion)


def _may_match(tgt: Any, tgt_type: str | None, minion: str) -> bool:
    """Return False if a target certainly does not match an id. Other targets depend on data of the master below."""
    if tgt_type == "list" and isinstance(tgt, list):
        return minion in tgt
    if tgt_type == "glob" and isinstance(tgt, str) and "," not in tgt:  # Salt 3008 splits globs at commas
        return fnmatch.fnmatchcase(minion, tgt)
    return True
