"""Sends a batch's requests: who is next, in whose name, as few jobs, and nothing twice (design: batches).

Before a job is published its requests are stored as sent. So whoever goes on after a crash finds them there, and looks
what came of them instead of sending them again. The master makes the job's id when it publishes: a load that brings one
along would be put on the bus, token and all, if it were refused (docs/decisions.md). A job whose id was not stored in
time is found in the job cache by its metadata, which name batch and job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any

from ..errors import ApiError
from .batchbook import BatchBook
from .batches import Batch
from .batchkeeper import BatchKeeper, NotOurs
from .batchrequests import SentJob
from .jobbook import JobBook
from .lostjobs import LostJobs, Salt, mark
from .pacing import Later, Pacer
from .returns import Returns
from .sessions import Session, Sessions

log = logging.getLogger(__name__)

SEND_SECONDS = 0.2  # between two jobs of a batch at least: returns that come meanwhile make room for a larger one
AGAIN_SECONDS = 2.0  # after which is tried again what could not be sent
YOUNG_SECONDS = 1.0  # a job published just now may not have begun: nothing would be there to be stopped
STOPPED = {"error": "stopped", "message": "not sent: a request before it failed, and the batch stops at errors"}
CANCELED = {"error": "canceled", "message": "the batch was canceled"}
TIMEOUT = {"error": "timeout", "message": "the time of the batch was up; the function may still run"}


@dataclass
class _Driven:
    batch: Batch
    pacer: Pacer
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a job is being published."""
    session: Session | None = None
    waits: str = ""
    """Why nothing can be sent now, as the log was told."""


class Dispatch:
    """Drives batches.

    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    """

    def __init__(
        self,
        *,
        jobs: JobBook,
        batches: BatchBook,
        keeper: BatchKeeper,
        sessions: Sessions,
        salt: Salt,
        later: Later,
        clock: Callable[[], float],
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._jobs = jobs
        self._batches = batches
        self._keeper = keeper
        self._sessions = sessions
        self._salt = salt
        self._later = later
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self._driven: dict[int, _Driven] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._returns = Returns(jobs=jobs, wall=wall, stored=salt.job, changed=self._changed, spawn=self._spawn)
        self._lost = LostJobs(
            jobs=jobs, keeper=keeper, salt=salt, returns=self._returns, wall=wall, sleep=sleep, changed=self._changed
        )
        keeper.driver = self
        sessions.on_end(self._session_ended)

    def watched(self) -> list[str]:
        """Return the ids of the jobs whose end must be found out."""
        return self._returns.watched()

    def start(self, batch: Batch, session: Session) -> None:
        """Drive a new batch, of whose owner this is the session."""
        driven = self._drive(batch)
        self._hold(driven, session)
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
        if driven is not None and driven.session is not None:
            driven.session.held -= 1
            driven.session = None

    async def cancel(self, batch: Batch) -> None:
        """Stop a batch: nothing more is sent, and what runs is ended on the minions.

        :raises ApiError: the master cannot be asked; then what runs goes on
        """
        driven = self._driven.get(batch.id)
        if driven is None or batch.ended:
            return
        batch.final = "canceled"
        self._changed(batch, batch.end_all({"pending"}, "canceled", self._wall(), CANCELED))
        async with driven.lock:
            # One after the other: each costs the master about as much as the job itself, and several at once would
            # keep one another waiting for longer than an answer is waited for.
            for job in list(batch.jobs.values()):
                await self._stop(batch, job)
        self._changed(batch, batch.end_all({"pending", "sent"}, "canceled", self._wall(), CANCELED))

    async def tick(self) -> None:
        """End what is out of time; called every second."""
        now = self._wall()
        for batch in [driven.batch for driven in self._driven.values()]:
            if batch.timeout is not None and now >= batch.created + batch.timeout and not batch.ended:
                batch.final = "timeout"
                self._changed(batch, batch.end_all({"pending", "sent"}, "timeout", now, TIMEOUT))

    # Sending

    def _drive(self, batch: Batch) -> _Driven:
        pacer = Pacer(SEND_SECONDS, lambda: self._spawn(self._pump(batch)), self._later, self._clock)
        driven = self._driven[batch.id] = _Driven(batch, pacer)
        return driven

    async def _pump(self, batch: Batch) -> None:
        """Send all that may go now, job after job."""
        driven = self._driven.get(batch.id)
        if driven is None:
            return
        async with driven.lock:
            try:
                while self._driven.get(batch.id) is driven and not batch.ended and batch.next():
                    if not await self._send(driven):
                        return
            except Exception:
                # Whatever nobody foresaw must not leave a batch standing for ever.
                log.exception("batch %d could not be sent", batch.id)
                self._again(driven, None)

    async def _send(self, driven: _Driven) -> bool:
        """Send one job; return False where it is to be tried again later."""
        batch = driven.batch
        try:
            session = await self._session(driven)
        except ApiError as fault:
            if fault.retryable:
                return self._again(driven, fault)
            self._refuse(batch, fault)
            return True
        job = batch.send(batch.next(), self._wall())
        self._changed(batch, list(job.places.values()))
        try:
            await self._keeper.save(batch, confirm=True)
        except NotOurs:
            return False
        except ApiError as fault:
            self._changed(batch, batch.unsend(job))
            return self._again(driven, fault)
        stops = batch.final is not None or (batch.stop and batch.errors > 0)
        if stops or not job.places or not self._keeper.sure(batch):
            # It was canceled or stopped meanwhile; or the write took so long that somebody else may have taken over.
            self._changed(batch, batch.unsend(job))
            return self._again(driven, None)
        return await self._publish(driven, session, job)

    async def _publish(self, driven: _Driven, session: Session, job: SentJob) -> bool:
        batch, call, places = driven.batch, driven.batch.calls[job.call], dict(job.places)
        try:
            started = await self._salt.publish(session, call, list(places), mark(batch, job))
        except ApiError as fault:
            return self._not_started(driven, job, fault)
        except Exception:
            log.exception("whether batch %d's job was published is not known: it is looked for", batch.id)
            self._spawn(self._lost.look_for(batch, job))
            return True
        driven.waits = ""
        if batch.ended:
            return False  # its time was up meanwhile
        batch.told(job, str(started["jid"]))
        for place in places.values():
            batch.at(place).jid = job.jid
        load = {"fun": call.fun, "arg": [*call.arg], "tgt": list(places), "tgt_type": "list", **started}
        if call.kwarg:
            load["arg"].append({"__kwarg__": True, **call.kwarg})
        load["metadata"] = mark(batch, job)
        self._returns.follow(batch, job, self._jobs.started(str(started["jid"]), load, batch.user, batch.eauth))
        self._keeper.touch(batch, places.values())
        await self._save_soon(batch)
        return True

    def _not_started(self, driven: _Driven, job: SentJob, fault: ApiError) -> bool:
        batch = driven.batch
        details = fault.details if isinstance(fault.details, dict) else {}
        if details.get("sent") is False or fault.code == "too_many":
            self._changed(batch, batch.unsend(job))
            return self._again(driven, fault)
        if fault.retryable:
            # It may have been published all the same.
            self._spawn(self._lost.look_for(batch, job))
            return True
        result = {"error": fault.code, "message": fault.message}
        now, places = self._wall(), list(job.places.values())
        for place in places:
            batch.end(place, "error", now, result=result)
        self._changed(batch, places)
        return True

    def _again(self, driven: _Driven, fault: ApiError | None) -> bool:
        if fault is not None and fault.message != driven.waits:
            driven.waits = fault.message
            log.warning("batch %d waits until it can be sent: %s", driven.batch.id, fault.message)
        self._later(AGAIN_SECONDS, driven.pacer.poke)
        return False

    def _refuse(self, batch: Batch, fault: ApiError) -> None:
        """End what was not sent, because its owner's token is no good any more."""
        result = {"error": fault.code, "message": f"not sent: {fault.message}"}
        self._changed(batch, batch.end_all({"pending"}, "error", self._wall(), result))

    async def _session(self, driven: _Driven) -> Session:
        """Return the session in whose name the batch is sent.

        :raises ApiError: the token has ended, or cannot be looked up now
        """
        batch = driven.batch
        if driven.session is None:
            if batch.token is None:
                raise ApiError("unauthenticated", "the token of the batch is gone")
            session = await self._sessions.of(batch.token)
            if (session.user, session.eauth) != (batch.user, batch.eauth):
                raise ApiError("unauthenticated", "the token is not its owner's")
            self._hold(driven, session)
        assert driven.session is not None  # noqa: S101 - see above
        self._sessions.check(driven.session)
        return driven.session

    @staticmethod
    def _hold(driven: _Driven, session: Session) -> None:
        session.held += 1
        driven.session = session

    def _session_ended(self, session: Session) -> None:
        for driven in list(self._driven.values()):
            if driven.session is session:
                self._refuse(driven.batch, session.ended or ApiError("token_expired", "the token has ended"))

    # After it was sent

    async def _take_up(self, batch: Batch, jobs: list[SentJob]) -> None:
        for job in jobs:
            if batch.id in self._driven:
                await self._lost.take_up(batch, job)

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

    async def _save_soon(self, batch: Batch) -> None:
        """Write a job's id; should that fail, it is written with the next tick, and meanwhile its mark leads to it."""
        try:
            await self._keeper.save(batch)
        except (ApiError, NotOurs):
            log.debug("batch %d could not be written now", batch.id)

    def _changed(self, batch: Batch, places: Collection[int]) -> None:
        """Do what follows from a change: stop at errors, see the end, go on."""
        now = self._wall()
        if batch.stop and batch.errors and not batch.ended:
            places = [*places, *batch.end_all({"pending"}, "canceled", now, STOPPED)]
        ended = batch.look_whether_ended(now)
        self._keeper.touch(batch, places)
        self._batches.tell(batch, places, "save" if ended else "update")
        driven = self._driven.get(batch.id)
        if ended:
            self.drop(batch)
            self._spawn(self._save_soon(batch))
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

    def close(self) -> None:
        """Send nothing more."""
        for task in list(self._tasks):
            task.cancel()
