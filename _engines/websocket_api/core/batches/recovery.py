"""Finds jobs of batches that an earlier driver published, or that may have been published without an answer."""

from __future__ import annotations

import logging
from typing import Any

from ...errors import ApiError
from .batch import Batch
from .context import BatchContext
from .driven import DrivenBatches
from .records import UNKNOWN
from .request import SentJob
from .returns import Returns

log = logging.getLogger(__name__)

SEARCH_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""Pauses before each search for a job. The master may still publish it: together they last about as long as the engine
waits for the answer to a publish."""


class JobRecovery:
    """Finds such jobs."""

    def __init__(self, context: BatchContext, *, returns: Returns, driven: DrivenBatches) -> None:
        self._context = context
        self._returns = returns
        self._driven = driven

    async def resume(self, batch: Batch, job: SentJob) -> None:
        """Follow a job that was published before this engine drove the batch."""
        jid = str(job.jid)
        known = self._context.jobs.get(jid)
        if known is None or known.fun is None:
            try:
                stored = await self._context.salt.job(jid)
            except ApiError as error:
                log.warning("cannot read job %s: %s", jid, error.message)
                stored = None
            known = None if stored is None else self._context.jobs.add_cached(stored)
        if known is None:
            # Only the job cache of another master has it. The minions are asked whether they still run it.
            load = batch.calls[job.call].load(job.indexes)
            known = self._context.jobs.add_started(jid, {**load, "minions": list(job.indexes)}, batch.user, batch.eauth)
        known.user, known.eauth = batch.user, batch.eauth
        self._returns.follow(batch, job, known)

    async def find(self, batch: Batch, job: SentJob) -> None:
        """Search once for a job that is unknown here, and follow it if it exists.

        :raises ApiError: the job cache cannot be read
        """
        if job.jid is None:
            jid = await self._context.salt.marked(mark(batch, job), job.at)
            if jid is None or job.jid is not None:
                return
            self._driven.apply_change(batch, batch.set_jid(job, jid))
        await self.resume(batch, job)

    async def search(self, batch: Batch, job: SentJob) -> None:
        """Find out whether a job was published that was only stored as about to be published."""
        for pause in SEARCH_SECONDS:
            await self._context.sleep(pause)
            if not self._context.writer.drives(batch) or not job.indexes:
                return
            try:
                await self.find(batch, job)
            except ApiError:
                continue
            if job.jid is not None:
                return
        indexes, now = list(job.indexes.values()), self._context.wall()
        for index in indexes:
            batch.end(index, "error", now, result=UNKNOWN)
        self._driven.apply_change(batch, indexes)


def mark(batch: Batch, job: SentJob) -> dict[str, Any]:
    """Return the metadata of a job. The engine and users find the jobs of a batch by them."""
    return {"batch": batch.id, "batch_job": job.number}
