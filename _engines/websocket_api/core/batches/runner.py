"""Run batches: choose the next requests, react to changes, end batches. publisher.py sends each job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from ...errors import ApiError
from ...fair_share import on_behalf_of
from ..access.in_flight import JobsInFlight
from ..access.sessions import Session, Sessions
from ..delivery.pacing import Pacer
from ..jobs.registry import JobRegistry
from ..timing import Later
from .batch import Batch
from .canceler import BatchCanceler
from .publisher import BatchPublisher, Driven
from .recovery import JobRecovery, Salt
from .registry import BatchRegistry
from .request import SentJob
from .returns import Returns
from .writer import BatchWriter

log = logging.getLogger(__name__)

SEND_SECONDS = 0.2  # between two jobs of a batch at least: returns that come meanwhile make room for a larger one
STOPPED = {"error": "stopped", "message": "not sent: a request before it failed, and the batch stops at errors"}
TIMEOUT = {"error": "timeout", "message": "the time of the batch was up; the function may still run"}


class BatchRunner:
    """Drives batches.

    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    :param in_flight: places for the jobs of batches
    """

    def __init__(
        self,
        *,
        jobs: JobRegistry,
        batches: BatchRegistry,
        keeper: BatchWriter,
        sessions: Sessions,
        salt: Salt,
        later: Later,
        clock: Callable[[], float],
        wall: Callable[[], float],
        in_flight: JobsInFlight,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._jobs = jobs
        self._batches = batches
        self._in_flight = in_flight
        self._keeper = keeper
        self._sessions = sessions
        self._later = later
        self._clock = clock
        self._wall = wall
        self._driven: dict[int, Driven] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._returns = Returns(jobs=jobs, wall=wall, stored=salt.job, changed=self._changed, spawn=self._spawn)
        self._lost = JobRecovery(
            jobs=jobs, keeper=keeper, salt=salt, returns=self._returns, wall=wall, sleep=sleep, changed=self._changed
        )
        self._sending = BatchPublisher(
            jobs=jobs,
            keeper=keeper,
            sessions=sessions,
            salt=salt,
            returns=self._returns,
            lost=self._lost,
            later=later,
            wall=wall,
            changed=self._changed,
            spawn=self._spawn,
        )
        self._stopping = BatchCanceler(
            jobs=jobs,
            keeper=keeper,
            salt=salt,
            lost=self._lost,
            clock=clock,
            wall=wall,
            sleep=sleep,
            changed=self._changed,
        )
        keeper.driver = self
        sessions.on_end(self._session_ended)

    def watched(self) -> list[str]:
        """Return the ids of the jobs whose end must be found out."""
        return self._returns.watched()

    def start(self, batch: Batch, session: Session) -> None:
        """Drive a new batch, of whose owner this is the session."""
        driven = self._drive(batch)
        driven.hold(session)
        self._changed(batch, ())
        driven.pacer.poke()

    async def adopt(self, batch: Batch) -> None:
        """Go on with a batch that was read from the store."""
        driven = self._drive(batch)
        jobs = list(batch.jobs.values())
        for job in jobs:
            if job.jid is None:
                self._spawn(self._lost.look_for(batch, job))
        # Beside what is done every second: to read a thousand jobs takes longer than a lease is good for.
        self._spawn(self._take_up(batch, [job for job in jobs if job.jid is not None]))
        self._changed(batch, ())
        driven.pacer.poke()

    def drop(self, batch: Batch) -> None:
        """Leave a batch to another master, or to nobody: it has ended."""
        driven = self._driven.pop(batch.id, None)
        self._returns.forget(batch)
        self._stopping.forget(batch)
        if driven is not None:
            driven.let_go()

    async def cancel(self, batch: Batch) -> None:
        """Stop a batch: nothing more is sent, and what runs is ended on the minions.

        :raises ApiError: the master cannot be asked; it is tried again, and meanwhile what runs goes on
        """
        driven = self._driven.get(batch.id)
        if driven is None or batch.ended:
            return
        await self._stopping.stop(driven)

    async def tick(self) -> None:
        """End what is out of time, go on with what is being stopped; called every second."""
        now = self._wall()
        self._in_flight.tick()
        for driven in list(self._driven.values()):
            batch = driven.batch
            self._stopping.tick(driven)
            if batch.timeout is not None and now >= batch.created + batch.timeout and not batch.ended:
                batch.final = "timeout"
                self._changed(batch, batch.end_all({"pending", "sent"}, "timeout", now, TIMEOUT))

    # Sending

    def _drive(self, batch: Batch) -> Driven:
        pacer = Pacer(SEND_SECONDS, lambda: self._spawn(self._pump(batch)), self._later, self._clock)
        driven = self._driven[batch.id] = Driven(batch, pacer)
        return driven

    async def _pump(self, batch: Batch) -> None:
        """Send all that may go now, job after job, unless that is being done."""
        driven = self._driven.get(batch.id)
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
            # Whatever nobody foresaw must not leave a batch standing for ever.
            log.exception("batch %d could not be sent", batch.id)
            self._sending.again(driven, None)
        finally:
            driven.sending = False
        if driven.poked:
            driven.pacer.poke()

    def _has_more(self, driven: Driven) -> bool:
        batch = driven.batch
        return self._driven.get(batch.id) is driven and batch.final is None and not batch.ended and bool(batch.next())

    async def _send_one(self, driven: Driven) -> bool:
        """Send one job when there is a place for it; return False where it is to be tried again later."""
        # Without the lock: while a batch waits for a place it can be canceled, and drops what was not published yet.
        async with self._in_flight.place() as place, driven.lock:
            return self._has_more(driven) and await self._sending.send(driven, place)

    def _session_ended(self, session: Session) -> None:
        for driven in list(self._driven.values()):
            if driven.session is session:
                self._sending.refuse(driven.batch, session.ended or ApiError("token_expired", "the token has ended"))

    # After it was sent

    async def _take_up(self, batch: Batch, jobs: list[SentJob]) -> None:
        for job in jobs:
            if batch.id in self._driven:
                await self._lost.take_up(batch, job)

    def _changed(self, batch: Batch, places: Collection[int]) -> None:
        """Do what follows from a change: stop at errors, see the end, go on."""
        now = self._wall()
        if batch.stop and batch.errors and batch.waiting and not batch.ended:
            places = [*places, *batch.end_all({"pending"}, "canceled", now, STOPPED)]
        ended = batch.look_whether_ended(now)
        self._keeper.touch(batch, places)
        self._batches.tell(batch, places, "save" if ended else "update")
        driven = self._driven.get(batch.id)
        if ended:
            self.drop(batch)
            self._spawn(self._sending.save_soon(batch))
        elif driven is not None and batch.concurrency:
            driven.pacer.poke()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("driving a batch failed", exc_info=fault)

    async def stop(self) -> None:
        """Send and stop nothing more; then what was not sent is pending again."""
        tasks = list(self._tasks)
        self.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Send and stop nothing more."""
        self._stopping.close()
        for task in list(self._tasks):
            task.cancel()
