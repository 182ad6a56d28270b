"""Sends one job of a batch: in whose name, stored before it is published, and what becomes of it if that fails.

Before a job is published its requests are stored as sent. So whoever goes on after a crash finds them there, and looks
what came of them instead of sending them again. The master makes the job's id when it publishes: a load that brings one
along would be put on the bus, token and all, if it were refused (docs/decisions.md). A job whose id was not stored in
time is found in the job cache by its metadata, which name batch and job.

When the engine stops, requests that certainly did not reach the master are pending again and stored as such.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from ...errors import ApiError, NotSent
from ..access.in_flight import Place
from ..access.sessions import Session, Sessions
from ..delivery.pacing import Pacer
from ..jobs.registry import JobRegistry
from ..timing import Later
from .batch import Batch
from .recovery import JobRecovery, Salt, mark
from .request import SentJob
from .returns import Changed, Returns
from .writer import BatchWriter, NotOurs

log = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0  # after which is tried again what could not be sent


@dataclass
class Driven:
    """A batch that is being sent from here."""

    batch: Batch
    pacer: Pacer
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a job is being published."""
    session: Session | None = None
    waits: str = ""
    """Why nothing can be sent now, as the log was told."""
    sending: bool = False
    """Whether its jobs are being sent, or wait for a place."""
    poked: bool = False
    """Whether something changed meanwhile."""

    def hold(self, session: Session) -> None:
        """Send in the name of this session from now on."""
        session.hold()
        self.session = session

    def let_go(self) -> None:
        """Send in nobody's name any more."""
        if self.session is not None:
            self.session.release()
            self.session = None


class BatchPublisher:
    """Sends the jobs of batches.

    :param later: ``later(seconds, call)``
    :param wall: seconds since the epoch
    :param changed: called with the requests that changed
    :param spawn: runs something beside
    """

    def __init__(
        self,
        *,
        jobs: JobRegistry,
        keeper: BatchWriter,
        sessions: Sessions,
        salt: Salt,
        returns: Returns,
        lost: JobRecovery,
        later: Later,
        wall: Callable[[], float],
        changed: Changed,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._jobs = jobs
        self._keeper = keeper
        self._sessions = sessions
        self._salt = salt
        self._returns = returns
        self._lost = lost
        self._later = later
        self._wall = wall
        self._changed = changed
        self._spawn = spawn

    async def send(self, driven: Driven, place: Place) -> bool:
        """Send one job; return False where it is to be tried again later.

        :param place: the job keeps it until it ends
        """
        batch = driven.batch
        try:
            session = await self._session(driven)
        except ApiError as fault:
            if fault.retryable:
                return self.again(driven, fault)
            self.refuse(batch, fault)
            return True
        job = batch.send(batch.next(), self._wall())
        self._changed(batch, list(job.places.values()))
        try:
            await self._keeper.save(batch, confirm=True)
        except NotOurs:
            return False
        except asyncio.CancelledError:
            self._changed(batch, batch.unsend(job))  # the engine stops: whoever goes on sends it
            raise
        except ApiError as fault:
            self._changed(batch, batch.unsend(job))
            return self.again(driven, fault)
        stops = batch.final is not None or (batch.stop and batch.errors > 0)
        if stops or not job.places or not self._keeper.sure(batch):
            # It was canceled or stopped meanwhile; or the write took so long that somebody else may have taken over.
            self._changed(batch, batch.unsend(job))
            return self.again(driven, None)
        return await self._publish(driven, session, job, place)

    def again(self, driven: Driven, fault: ApiError | None) -> bool:
        """Try again later, and tell the log why, once; return False."""
        if fault is not None and fault.message != driven.waits:
            driven.waits = fault.message
            log.warning("batch %d waits until it can be sent: %s", driven.batch.id, fault.message)
        self._later(AGAIN_SECONDS, driven.pacer.poke)
        return False

    def refuse(self, batch: Batch, fault: ApiError) -> None:
        """End what was not sent, because its owner's token is no good any more."""
        result = {"error": fault.code, "message": f"not sent: {fault.message}"}
        self._changed(batch, batch.end_all({"pending"}, "error", self._wall(), result))

    async def save_soon(self, batch: Batch) -> None:
        """Write a job's id; should that fail, it is written with the next tick, and meanwhile its mark leads to it."""
        try:
            await self._keeper.save(batch)
        except (ApiError, NotOurs):
            log.debug("batch %d could not be written now", batch.id)

    async def _publish(self, driven: Driven, session: Session, job: SentJob, place: Place) -> bool:
        batch, call, places = driven.batch, driven.batch.calls[job.call], dict(job.places)
        try:
            started = await self._salt.publish(session, call, list(places), mark(batch, job))
        except NotSent:
            self._changed(batch, batch.unsend(job))  # the engine stops; any other way to be canceled leaves it open
            raise
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
        for number in places.values():
            batch.at(number).jid = job.jid
        load = {"fun": call.fun, "arg": [*call.arg], "tgt": list(places), "tgt_type": "list", **started}
        if call.kwarg:
            load["arg"].append({"__kwarg__": True, **call.kwarg})
        load["metadata"] = mark(batch, job)
        place.job = self._jobs.add_started(str(started["jid"]), load, batch.user, batch.eauth)
        self._returns.follow(batch, job, place.job)
        self._keeper.touch(batch, places.values())
        await self.save_soon(batch)
        return True

    def _not_started(self, driven: Driven, job: SentJob, fault: ApiError) -> bool:
        batch = driven.batch
        details = fault.details if isinstance(fault.details, dict) else {}
        if details.get("sent") is False or fault.code == "too_many":
            self._changed(batch, batch.unsend(job))
            return self.again(driven, fault)
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

    async def _session(self, driven: Driven) -> Session:
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
            driven.hold(session)
        assert driven.session is not None  # noqa: S101 - see above
        self._sessions.check(driven.session)
        return driven.session
