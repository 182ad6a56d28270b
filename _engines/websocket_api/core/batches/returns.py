"""Matches what minions return to the requests of batches, by job and minion."""

from __future__ import annotations

from ...errors import ApiError
from ..jobs.job import Job
from ..jobs.part import RETURNED, Part
from .batch import RESULT_BYTES, Batch
from .context import BatchContext
from .driven import DrivenBatches
from .records import UNKNOWN
from .request import SentJob

MISSING = {
    "error": "missing",
    "message": "the minion did not answer, or it says that it does not run the job, and sent no return",
}
NO_KEY = {"error": "no_minions", "message": "this master has no key of the minion"}
CANCELED = {"error": "canceled", "message": "the job was canceled"}


class Returns:
    """Follows the jobs of batches."""

    def __init__(self, context: BatchContext, *, driven: DrivenBatches) -> None:
        self._context = context
        self._driven = driven
        self._followed: dict[str, tuple[Batch, SentJob]] = {}

    def watched(self) -> list[str]:
        """Return the ids of jobs that have not ended.

        Jobs of a canceled batch are included: if the master cannot stop them, they end by themselves.
        """
        return [jid for jid, (_, sent) in self._followed.items() if sent.indexes]

    def awaits(self, jid: str) -> bool:
        """Return whether requests wait for a job."""
        followed = self._followed.get(jid)
        return followed is not None and bool(followed[1].indexes)

    def follow(self, batch: Batch, sent: SentJob, job: Job) -> None:
        """Apply what a job has returned so far, and what it returns from now on."""
        self._followed[job.jid] = batch, sent
        for minion in [minion for minion in sent.indexes if minion not in job.parts]:
            job.expect((), [minion])
        self.apply_job(job, tuple(sent.indexes))

    def forget(self, batch: Batch) -> None:
        """Stop following the jobs of a batch."""
        for jid in [jid for jid, (of, _) in self._followed.items() if of is batch]:
            del self._followed[jid]

    def apply_job(self, job: Job, minions: tuple[str, ...]) -> None:
        """Apply the parts of these minions to the requests that the job carries."""
        followed = self._followed.get(job.jid)
        if followed is None:
            return
        batch, sent = followed
        indexes, silent = [], []
        for minion in minions:
            part, index = job.parts.get(minion), sent.indexes.get(minion)
            late = index is None
            index = sent.late.get(minion) if index is None else index
            if part is None or index is None:
                continue
            if part.state == "missing" and not late:
                silent.append(minion)
            elif self._apply_part(batch, index, part, late):
                indexes.append(index)
        if silent:
            self._driven.spawn(self._end_silent(batch, sent, job, silent))
        if indexes:
            self._driven.apply_change(batch, indexes)

    def _apply_part(self, batch: Batch, index: int, part: Part, late: bool) -> bool:
        if part.state in RETURNED:
            status = "resolved" if part.state == "returned" else "error"
            size, memory = part.size, max(part.size, part.memory)
            keep = size > RESULT_BYTES or self._context.results.fits(batch, memory)
            what = {"result": part.value, "retcode": part.retcode, "size": size, "memory": memory, "keep": keep}
            return batch.end(index, status, self._context.wall(), late=late, **what)
        if part.state == "canceled":
            return batch.end(index, "canceled", self._context.wall(), result=CANCELED)
        return batch.report(index, part.progress, part.message)

    async def _end_silent(self, batch: Batch, sent: SentJob, job: Job, minions: list[str]) -> None:
        """End the requests of silent minions, unless the job cache has their returns.

        It has them if they arrived while the engine or the bus was down.
        """
        unread = False
        try:
            stored = await self._context.salt.job(job.jid)
        except ApiError:
            stored, unread = None, True
        if stored is not None:
            self._context.jobs.add_returns(job, {name: stored.parts[name] for name in minions if name in stored.parts})
        indexes = []
        for minion in minions:
            index = sent.indexes.get(minion)
            if index is None:
                continue
            if batch.final == "canceled":
                # It was to be stopped, and it does not run.
                status, fault = "canceled", CANCELED
            else:
                status, fault = "error", UNKNOWN if sent.foreign or unread else MISSING
                sent.late[minion] = index
            if batch.end(index, status, self._context.wall(), result=fault):
                indexes.append(index)
        if indexes:
            self._driven.apply_change(batch, indexes)
