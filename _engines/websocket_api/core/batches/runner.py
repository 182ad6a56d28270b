"""Runs batches: chooses the next requests, sends them job by job, and ends batches that time out."""

from __future__ import annotations

import logging

from ...errors import ApiError
from ...fair_share import on_behalf_of
from ..access.in_flight import JobsInFlight
from ..access.session import Session
from ..delivery.pacing import Pacer
from .batch import Batch
from .context import BatchContext
from .driven import DrivenBatch, DrivenBatches
from .publisher import BatchPublisher
from .recovery import JobRecovery
from .request import SentJob

log = logging.getLogger(__name__)

SEND_SECONDS = 0.2  # minimum between two jobs of a batch: returns in between make room for a larger job
TIMEOUT = {"error": "timeout", "message": "the time of the batch was up; the function may still run"}


class BatchRunner:
    """Sends the requests of driven batches.

    :param in_flight: slots for the jobs of batches
    """

    def __init__(
        self,
        context: BatchContext,
        *,
        driven: DrivenBatches,
        publisher: BatchPublisher,
        recovery: JobRecovery,
        in_flight: JobsInFlight,
    ) -> None:
        self._context = context
        self._driven = driven
        self._publisher = publisher
        self._recovery = recovery
        self._in_flight = in_flight

    def start(self, batch: Batch, session: Session) -> None:
        """Send a new batch with its owner's session."""
        driven = self._drive(batch)
        driven.hold(session)
        self._driven.apply_change(batch, ())
        driven.pacer.request_flush()

    def resume(self, batch: Batch) -> None:
        """Continue a batch that was read from the store."""
        driven = self._drive(batch)
        jobs = list(batch.jobs.values())
        for job in jobs:
            if job.jid is None:
                self._driven.spawn(self._recovery.search(batch, job))
        # In a task: reading a thousand jobs takes longer than a lease lasts.
        self._driven.spawn(self._resume_jobs(driven, [job for job in jobs if job.jid is not None]))
        self._driven.apply_change(batch, ())
        driven.pacer.request_flush()

    async def tick(self) -> None:
        """End batches that have timed out; called every second."""
        now = self._context.wall()
        self._in_flight.tick()
        for driven in self._driven:
            batch = driven.batch
            if batch.timeout is not None and now >= batch.created + batch.timeout and not batch.ended:
                batch.final = "timeout"
                self._driven.apply_change(batch, batch.end_all({"pending", "sent"}, "timeout", now, TIMEOUT))

    def end_session(self, session: Session) -> None:
        """End the requests that a session did not send, because it has ended."""
        for driven in self._driven:
            if driven.session is session:
                error = session.ended or ApiError("token_expired", "the token has ended")
                self._publisher.end_unsent(driven.batch, error)

    def _drive(self, batch: Batch) -> DrivenBatch:
        def send() -> None:
            self._driven.spawn(self._pump(batch))

        return self._driven.add(batch, Pacer(SEND_SECONDS, send, self._context.later, self._context.clock))

    async def _pump(self, batch: Batch) -> None:
        """Send job after job until nothing more may go out now, unless this is already running."""
        driven = self._driven.get(batch)
        if driven is None:
            return
        if driven.sending:
            driven.poked = True
            return
        driven.sending, driven.poked = True, False
        try:
            with on_behalf_of(batch.share):
                while self._has_more(driven) and await self._send_one(driven):
                    pass
        except Exception:
            # An unexpected error must not leave a batch unfinished forever.
            log.exception("cannot send batch %d", batch.id)
            self._publisher.retry_later(driven, None)
        finally:
            driven.sending = False
        if driven.poked:
            driven.pacer.request_flush()

    def _has_more(self, driven: DrivenBatch) -> bool:
        batch = driven.batch
        return self._driven.get(batch) is driven and batch.final is None and not batch.ended and bool(batch.next())

    async def _send_one(self, driven: DrivenBatch) -> bool:
        """Send one job when a slot is free; return False if it has to be tried again later."""
        # The lock comes second: a batch that waits for a slot can be canceled, and then sends nothing.
        async with self._in_flight.slot() as slot, driven.lock:
            return self._has_more(driven) and await self._publisher.send(driven, slot)

    async def _resume_jobs(self, driven: DrivenBatch, jobs: list[SentJob]) -> None:
        for job in jobs:
            if self._driven.get(driven.batch) is not None:
                await self._recovery.resume(driven.batch, job)
