"""Jobs of batches that were published by an engine that is gone, or of which nobody knows whether they were."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from ...errors import ApiError
from ..access.sessions import Session
from ..jobs.job import Job
from ..jobs.registry import JobRegistry
from .batch import Batch
from .records import UNKNOWN
from .request import Call, SentJob
from .returns import Changed, Returns
from .writer import BatchWriter

log = logging.getLogger(__name__)

LOOKS = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each look for a job. The master may still be publishing it: an answer is waited for about as long."""


class Salt(Protocol):
    """The master, as far as batches need it (wiring.py)."""

    async def publish(
        self, session: Session, call: Call, minions: list[str], metadata: dict[str, Any]
    ) -> Mapping[str, Any]:
        """Start a job in the owner's name; return ``{jid, minions, missing}``.

        Canceled before the master was asked, it is ``NotSent``.
        """
        ...

    async def stop(self, job: Job, minions: list[str]) -> None:
        """End a job on these minions, in its owner's stead."""
        ...

    async def job(self, jid: str) -> Job | None:
        """Return a job as the job cache has it."""
        ...

    async def marked(self, metadata: Mapping[str, Any], at: float) -> str | None:
        """Return the id of the job with these metadata that was published at about this time."""
        ...


class JobRecovery:
    """Finds what became of such jobs.

    :param changed: called with the requests that changed
    :param wall: seconds since the epoch
    """

    def __init__(
        self,
        *,
        jobs: JobRegistry,
        keeper: BatchWriter,
        salt: Salt,
        returns: Returns,
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[Any]],
        changed: Changed,
    ) -> None:
        self._jobs = jobs
        self._keeper = keeper
        self._salt = salt
        self._returns = returns
        self._wall = wall
        self._sleep = sleep
        self._changed = changed

    async def take_up(self, batch: Batch, job: SentJob) -> None:
        """Go on waiting for a job that was published before this engine drove the batch."""
        jid = str(job.jid)
        known = self._jobs.get(jid)
        if known is None or known.fun is None:
            try:
                stored = await self._salt.job(jid)
            except ApiError as fault:
                log.warning("job %s could not be read: %s", jid, fault.message)
                stored = None
            known = None if stored is None else self._jobs.add_cached(stored)
        if known is None:
            # Of another master's job cache: the minions are asked who runs it.
            call = batch.calls[job.call]
            load = {"fun": call.fun, "arg": call.arg, "tgt": list(job.places), "tgt_type": "list"}
            known = self._jobs.add_started(jid, {**load, "minions": list(job.places)}, batch.user, batch.eauth)
        known.user, known.eauth = batch.user, batch.eauth
        self._returns.follow(batch, job, known)

    async def find(self, batch: Batch, job: SentJob) -> None:
        """Look once for a job that is not known here, and take it up if it is there.

        :raises ApiError: the job cache cannot be read
        """
        if job.jid is None:
            jid = await self._salt.marked(mark(batch, job), job.at)
            if jid is None or job.jid is not None:
                return
            self._keeper.touch(batch, batch.told(job, jid))
        await self.take_up(batch, job)

    async def look_for(self, batch: Batch, job: SentJob) -> None:
        """Find out whether a job was published, of which only that it was about to be is known."""
        for pause in LOOKS:
            await self._sleep(pause)
            if not self._keeper.drives(batch) or not job.places:
                return
            try:
                await self.find(batch, job)
            except ApiError:
                continue
            if job.jid is not None:
                return
        places, now = list(job.places.values()), self._wall()
        for place in places:
            batch.end(place, "error", now, result=UNKNOWN)
        self._changed(batch, places)


def mark(batch: Batch, job: SentJob) -> dict[str, Any]:
    """Return the metadata of a job: by them it is found again, here and by whoever looks for a batch's jobs."""
    return {"batch": batch.id, "batch_job": job.number}
