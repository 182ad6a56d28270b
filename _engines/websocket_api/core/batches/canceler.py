"""Ends what runs of canceled batches, and goes on with it until it has ended, also after a restart.

That a batch is canceled is stored before the master is asked to stop its jobs. So whoever drives it next finds that and
asks again; to stop a job twice harms nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from ...errors import ApiError
from ..jobs.registry import JobRegistry
from .batch import Batch
from .publisher import AGAIN_SECONDS, Driven
from .recovery import JobRecovery, Salt
from .request import SentJob
from .returns import Changed
from .writer import BatchWriter

log = logging.getLogger(__name__)

YOUNG_SECONDS = 1.0  # a job published just now may not have begun: nothing would be there to be stopped
CANCELED = {"error": "canceled", "message": "the batch was canceled"}


class BatchCanceler:
    """Stops batches.

    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    :param changed: called with the requests that changed
    """

    def __init__(
        self,
        *,
        jobs: JobRegistry,
        keeper: BatchWriter,
        salt: Salt,
        lost: JobRecovery,
        clock: Callable[[], float],
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[Any]],
        changed: Changed,
    ) -> None:
        self._jobs = jobs
        self._keeper = keeper
        self._salt = salt
        self._lost = lost
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self._changed = changed
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._due: dict[int, float] = {}
        """When is tried again what could not be stopped."""

    async def stop(self, driven: Driven) -> None:
        """Stop a batch; who asks while that is being done waits for the same.

        :raises ApiError: the master cannot be asked; it is tried again, and meanwhile what runs goes on
        """
        task = self._begin(driven)
        # Not awaited itself: whoever asked may go away, and the batch is to be stopped all the same.
        await asyncio.wait({task})
        if task.cancelled():
            raise ApiError("master_unavailable", "the engine is stopping: the batch is stopped when it is back")
        task.result()

    def tick(self, driven: Driven) -> None:
        """Go on with a canceled batch that nobody is stopping now; called every second."""
        batch = driven.batch
        if batch.final == "canceled" and batch.id not in self._tasks and self._clock() >= self._due.get(batch.id, 0.0):
            self._begin(driven).add_done_callback(lambda task: self._tell(driven, task))

    def forget(self, batch: Batch) -> None:
        """Look after a batch no more."""
        self._due.pop(batch.id, None)

    def close(self) -> None:
        """Ask the master nothing more: whoever goes on does."""
        for task in list(self._tasks.values()):
            task.cancel()

    def _begin(self, driven: Driven) -> asyncio.Task[None]:
        batch = driven.batch
        batch.final = "canceled"
        self._changed(batch, batch.end_all({"pending"}, "canceled", self._wall(), CANCELED))
        task = self._tasks.get(batch.id)
        if task is None:
            task = self._tasks[batch.id] = asyncio.ensure_future(self._stop_all(driven))
            task.add_done_callback(lambda task: self._done(batch, task))
        return task

    def _done(self, batch: Batch, task: asyncio.Task[None]) -> None:
        self._tasks.pop(batch.id, None)
        # The exception is taken notice of: whoever asked may have gone away.
        if task.cancelled() or task.exception() is None:
            self.forget(batch)
        else:
            self._due[batch.id] = self._clock() + AGAIN_SECONDS

    @staticmethod
    def _tell(driven: Driven, task: asyncio.Task[None]) -> None:
        fault = None if task.cancelled() else task.exception()
        if fault is None or str(fault) == driven.waits:
            return
        driven.waits = str(fault)
        if isinstance(fault, ApiError):
            log.warning("batch %d waits until it can be stopped: %s", driven.batch.id, fault.message)
        else:
            log.error("batch %d could not be stopped", driven.batch.id, exc_info=fault)

    async def _stop_all(self, driven: Driven) -> None:
        batch = driven.batch
        async with driven.lock:
            # One after the other: each costs the master about as much as the job itself, and several at once would
            # keep one another waiting for longer than an answer is waited for.
            for job in list(batch.jobs.values()):
                await self._stop(batch, job)
        if self._keeper.drives(batch) and not batch.ended:
            self._changed(batch, batch.end_all({"pending", "sent"}, "canceled", self._wall(), CANCELED))

    async def _stop(self, batch: Batch, job: SentJob) -> None:
        if self._jobs.get(job.jid) is None:
            await self._lost.find(batch, job)
        known = self._jobs.get(job.jid)
        if known is None or not job.places:
            return
        young = job.at + YOUNG_SECONDS - self._wall()
        if young > 0:
            await self._sleep(young)
        try:
            await self._salt.stop(known, list(job.places))
        except ApiError as fault:
            if not fault.retryable:
                raise
            await self._salt.stop(known, list(job.places))  # to stop it twice harms nothing
