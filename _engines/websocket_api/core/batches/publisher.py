"""Publishes the jobs of a batch with its owner's session, and handles failures.

Before a job is published its requests are stored as sent. After a crash the next driver finds them there, and searches
for the job instead of sending it again. The master creates the job's id when it publishes. The engine cannot choose
it: if a load that has one is refused, Salt puts it on the bus with its token (docs/decisions.md). If the id could not
be stored in time, the job is found in the job cache by its metadata, which name batch and job.

When the engine stops, requests that certainly did not reach the master become pending again, and are stored as such.
"""

from __future__ import annotations

import asyncio
import logging

from ...errors import ApiError, NotSent
from ...tracing import INTERNAL
from ..access.in_flight import Slot
from ..access.session import Session
from ..access.sessions import Sessions
from .batch import Batch
from .context import BatchContext
from .driven import DrivenBatch, DrivenBatches
from .recovery import JobRecovery, mark
from .request import SentJob
from .returns import Returns
from .writer import NotDriven

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0  # between two attempts to send


class BatchPublisher:
    """Publishes jobs."""

    def __init__(
        self,
        context: BatchContext,
        *,
        sessions: Sessions,
        returns: Returns,
        recovery: JobRecovery,
        driven: DrivenBatches,
    ) -> None:
        self._context = context
        self._sessions = sessions
        self._returns = returns
        self._recovery = recovery
        self._driven = driven

    async def send(self, driven: DrivenBatch, slot: Slot) -> bool:
        """Send one job; return False if it has to be tried again later.

        :param slot: the slot that the job holds until it ends
        """
        batch = driven.batch
        try:
            session = await self._session(driven)
        except ApiError as error:
            if error.retryable:
                return self.retry_later(driven, error)
            self.end_unsent(batch, error)
            return True
        job = batch.send(batch.next(), self._context.wall())
        self._driven.apply_change(batch, list(job.indexes.values()))
        try:
            await self._context.writer.save(batch, confirm=True)
        except NotDriven:
            return False
        except asyncio.CancelledError:
            self._driven.apply_change(batch, batch.unsend(job))  # the engine stops: the next driver sends it
            raise
        except ApiError as error:
            self._driven.apply_change(batch, batch.unsend(job))
            return self.retry_later(driven, error)
        stops = batch.final is not None or batch.paused or (batch.stop and batch.errors > 0)
        if stops or not job.indexes or not self._context.writer.is_confirmed(batch):
            # The batch was canceled, paused or stopped, or the write was so slow that another master may drive it now.
            self._driven.apply_change(batch, batch.unsend(job))
            return self.retry_later(driven, None)
        return await self._publish(driven, session, job, slot)

    def retry_later(self, driven: DrivenBatch, error: ApiError | None) -> bool:
        """Try again later, and log the reason once; return False."""
        if error is not None and error.message != driven.blocked_by:
            driven.blocked_by = error.message
            log.warning("batch %d waits until it can be sent: %s", driven.batch.id, error.message)
        self._context.later(RETRY_SECONDS, driven.pacer.request_flush)
        return False

    def end_unsent(self, batch: Batch, error: ApiError) -> None:
        """End the requests that were not sent, because the owner's token is no longer valid."""
        result = {"error": error.code, "message": f"not sent: {error.message}"}
        self._driven.apply_change(batch, batch.end_all({"pending"}, "error", self._context.wall(), result))

    async def _publish(self, driven: DrivenBatch, session: Session, job: SentJob, slot: Slot) -> bool:
        batch, call, indexes = driven.batch, driven.batch.calls[job.call], dict(job.indexes)
        try:
            numbers = {"websocket_api.batch": batch.id, "websocket_api.requests": len(indexes)}
            with self._context.tracing.span("websocket_api.batch_job", batch.trace, INTERNAL, **numbers) as span:
                started = await self._context.salt.publish(session, call, list(indexes), mark(batch, job))
                span.set_attribute("salt.jid", str(started["jid"]))
        except NotSent:
            # The engine stops. Any other kind of cancellation leaves open whether the master received it.
            self._driven.apply_change(batch, batch.unsend(job))
            raise
        except ApiError as error:
            return self._not_started(driven, job, error)
        except Exception:
            log.exception("it is unknown whether the job of batch %d was published: searching for it", batch.id)
            self._driven.spawn(self._recovery.search(batch, job))
            return True
        driven.blocked_by = ""
        if batch.ended:
            return False  # it timed out in the meantime
        batch.set_jid(job, str(started["jid"]))
        for number in indexes.values():
            batch.at(number).jid = job.jid
        load = {**call.load(indexes), **started, "metadata": mark(batch, job)}
        slot.job = self._context.jobs.add_started(str(started["jid"]), load, batch.user, batch.eauth)
        self._driven.apply_change(batch, list(indexes.values()))  # clients can open the job while it runs
        self._returns.follow(batch, job, slot.job)
        await self._context.writer.try_save(batch)  # until the id is stored, the job is found by its metadata
        return True

    def _not_started(self, driven: DrivenBatch, job: SentJob, error: ApiError) -> bool:
        batch = driven.batch
        details = error.details if isinstance(error.details, dict) else {}
        if details.get("sent") is False or error.code == "too_many":
            self._driven.apply_change(batch, batch.unsend(job))
            return self.retry_later(driven, error)
        if error.retryable:
            # The master may have published it without an answer.
            self._driven.spawn(self._recovery.search(batch, job))
            return True
        result = {"error": error.code, "message": error.message}
        now, indexes = self._context.wall(), list(job.indexes.values())
        for index in indexes:
            batch.end(index, "error", now, result=result)
        self._driven.apply_change(batch, indexes)
        return True

    async def _session(self, driven: DrivenBatch) -> Session:
        """Return the session that sends the batch.

        :raises ApiError: the token has ended, or cannot be looked up now
        """
        batch = driven.batch
        if driven.session is None:
            if batch.token is None:
                raise ApiError("unauthenticated", "the token of the batch is gone")
            session = await self._sessions.by_token(batch.token)
            if (session.user, session.eauth) != (batch.user, batch.eauth):
                raise ApiError("unauthenticated", "the token is not its owner's")
            driven.hold(session)
        assert driven.session is not None  # noqa: S101 - set above
        self._sessions.check(driven.session)
        return driven.session
