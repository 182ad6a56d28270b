"""Cancels batches, and continues until all their jobs have stopped, also after a restart.

The store has the cancellation before the master is asked to stop the jobs. So the next driver finds it there and asks
again; stopping a job twice is harmless.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from ...errors import ApiError
from .batch import Batch
from .context import BatchContext
from .driven import DrivenBatch, DrivenBatches
from .publisher import RETRY_SECONDS
from .recovery import JobRecovery
from .remover import BatchRemover

log = logging.getLogger(__name__)

YOUNG_SECONDS = 1.0  # a job that was just published may not have started: there would be nothing to stop yet
CANCELED = {"error": "canceled", "message": "the batch was canceled"}


class BatchCanceler:
    """Cancels batches."""

    def __init__(
        self, context: BatchContext, *, remover: BatchRemover, recovery: JobRecovery, driven: DrivenBatches
    ) -> None:
        self._context = context
        self._remover = remover
        self._recovery = recovery
        self._driven = driven
        self._stopping: dict[int, asyncio.Task[None]] = {}
        self._retry_at: dict[int, float] = {}
        """When to try again what could not be stopped."""
        self._remote_tasks: dict[int, asyncio.Task[None]] = {}
        self._waiting: set[int] = set()
        """Batches whose remote cancel cannot be carried out now, as the log says."""

    async def cancel(self, batch: Batch, *, forget: bool = False) -> None:
        """Stop a batch, and forget it if wanted. If another master drives it, ask that one through the store.

        A second caller waits for the same stop.

        :raises ApiError: master_unavailable. The canceler tries again; until then the jobs continue to run
        """
        if not batch.ended and not self._context.writer.drives(batch):
            await self._context.remote.write(batch, forget=forget)
            if not self._context.writer.drives(batch):
                if forget:
                    self._context.reader.hide(batch)
                return
        driven = self._driven.get(batch)
        if driven is not None and not batch.ended:
            self._mark_canceled(batch)
            task = self._stopping.get(batch.id) or self._track(batch, asyncio.ensure_future(self._stop_jobs(driven)))
            # Not awaited directly: if the caller goes away, the batch must be stopped all the same.
            await asyncio.wait({task})
            if task.cancelled():
                raise ApiError("master_unavailable", "the engine stops: it cancels the batch after its restart")
            task.result()
        if forget:
            await self._remover.remove(batch)
        await self._context.remote.remove(batch.id)

    def retry(self) -> None:
        """Continue with canceled batches that still have jobs; called every second."""
        for driven in self._driven:
            batch = driven.batch
            due = self._context.clock() >= self._retry_at.get(batch.id, 0.0)
            if batch.final == "canceled" and batch.id not in self._stopping and due:
                self._mark_canceled(batch)
                task = self._track(batch, asyncio.ensure_future(self._stop_jobs(driven)))
                task.add_done_callback(partial(self._log_failure, driven))

    async def handle_remote(self) -> None:
        """Cancel the driven batches for which the store has a request; called every second.

        :raises ApiError: master_unavailable
        """
        for id_, forget in (await self._context.remote.pending()).items():
            batch = self._context.reader.get(id_)
            if batch is not None and id_ in self._context.reader.driven and id_ not in self._remote_tasks:
                # In a task: jobs that do not stop at once must not delay the renewal of leases.
                self._remote_tasks[id_] = asyncio.ensure_future(self._cancel_for_remote(batch, forget))

    def forget(self, batch: Batch) -> None:
        """Stop retrying for a batch."""
        self._retry_at.pop(batch.id, None)

    def close(self) -> None:
        """Ask the master nothing more: the next driver continues."""
        for task in [*self._stopping.values(), *self._remote_tasks.values()]:
            task.cancel()

    def _mark_canceled(self, batch: Batch) -> None:
        batch.final = "canceled"
        self._driven.apply_change(batch, batch.end_all({"pending"}, "canceled", self._context.wall(), CANCELED))

    def _track(self, batch: Batch, task: asyncio.Task[None]) -> asyncio.Task[None]:
        """Remember the task that stops the jobs of a batch until it ends."""
        self._stopping[batch.id] = task
        task.add_done_callback(lambda task: self._stopped(batch, task))
        return task

    async def _stop_jobs(self, driven: DrivenBatch) -> None:
        batch = driven.batch
        async with driven.lock:
            # One after the other: each costs the master about as much as the job itself. Several at once would delay
            # each other for longer than the engine waits for an answer.
            for job in list(batch.jobs.values()):
                if self._context.jobs.get(job.jid) is None:
                    await self._recovery.find(batch, job)
                known = self._context.jobs.get(job.jid)
                if known is None or not job.indexes:
                    continue
                young = job.at + YOUNG_SECONDS - self._context.wall()
                if young > 0:
                    await self._context.sleep(young)
                try:
                    await self._context.salt.stop(known, list(job.indexes))
                except ApiError as error:
                    if not error.retryable:
                        raise
                    await self._context.salt.stop(known, list(job.indexes))  # stopping a job twice is harmless
        if self._context.writer.drives(batch) and not batch.ended:
            ended = batch.end_all({"pending", "sent"}, "canceled", self._context.wall(), CANCELED)
            self._driven.apply_change(batch, ended)

    def _stopped(self, batch: Batch, task: asyncio.Task[None]) -> None:
        self._stopping.pop(batch.id, None)
        # exception() also marks it as retrieved: the caller may have gone away.
        if task.cancelled() or task.exception() is None:
            self.forget(batch)
        else:
            self._retry_at[batch.id] = self._context.clock() + RETRY_SECONDS

    @staticmethod
    def _log_failure(driven: DrivenBatch, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None or str(error) == driven.blocked_by:
            return
        driven.blocked_by = str(error)
        if isinstance(error, ApiError):
            log.warning("batch %d waits until it can be stopped: %s", driven.batch.id, error.message)
        else:
            log.error("cannot stop batch %d", driven.batch.id, exc_info=error)

    async def _cancel_for_remote(self, batch: Batch, forget: bool) -> None:
        try:
            await self.cancel(batch, forget=forget)
            self._waiting.discard(batch.id)
        except ApiError as error:
            if batch.id not in self._waiting:
                log.warning("the remote cancel of batch %d waits: %s", batch.id, error.message)
            self._waiting.add(batch.id)
        except Exception:
            log.exception("cannot carry out the remote cancel of batch %d", batch.id)
        finally:
            del self._remote_tasks[batch.id]
