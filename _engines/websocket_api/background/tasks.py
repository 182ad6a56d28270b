"""Starts and ends the tasks, and says how often each one runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..core.access.session import Session
from ..errors import ApiError
from ..heap import trim
from ..wiring import Parts
from .bus_reader import BusReader
from .master_caches import MasterCaches
from .sharing import share_minions, start_sharing, stop_sharing

log = logging.getLogger(__name__)

TICK_SECONDS = 0.9  # maximum delay of the end of an expired token; a lost bus is logged AWAY_SECONDS later
BUS_SECONDS = 1.0  # until the bus is read again after an unexpected error
MINIONS_SECONDS = 1.0  # maximum delay until changed grains and keys are read
BOOKMARK_SECONDS = 30.0  # so that a quiet subscription gets a bookmark at least every 60 s
POSITION_SECONDS = 10.0  # what changed in this time is sent again to a client that resumes a snapshot
RENEW_SECONDS = 5.0  # between two checks which target sets are due
JOURNAL_SECONDS = 10.0  # maximum delay until the journal loses what is too old; it writes the time too
KEYS_SECONDS = 60.0  # between two readings of all keys: files on disk can change without an event
REFRESH_SECONDS = 10.0  # minimum between two lists of all minions for the other masters
HEAP_SECONDS = 60.0  # between two returns of freed memory to the system
LAST_SECONDS = 0.5  # to write batches at the end: Salt kills the engine 5 s after SIGTERM
DISK_SECONDS = 10.0  # between two checks of the disk


class BackgroundTasks:
    """The engine's own tasks.

    :param connections: returns all open connections
    :param has_callers: returns whether there are clients, HTTP requests included
    """

    def __init__(
        self, parts: Parts, connections: Callable[[], list[Any]], has_callers: Callable[[], bool] = lambda: True
    ) -> None:
        self._parts = parts
        self._services = parts.services
        self._connections = connections
        self._caches = MasterCaches(parts)
        self.bus = BusReader(parts, self._caches, has_callers)
        """Reads the bus."""
        self._services.sessions.on_end(self._session_ended)
        self._services.sessions.on_change(self._session_changed)
        self._services.minions.on_target_change(parts.targets.invalidate)
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all tasks."""
        settings = self._services.settings
        every = self._every
        tasks: list[Coroutine[Any, Any, None]] = [
            every(BUS_SECONDS, self.bus.read_bus),
            every(TICK_SECONDS, self._tick),
            every(TICK_SECONDS, self.bus.read_missed),
            every(TICK_SECONDS, self._services.job_watcher.tick),
            every(TICK_SECONDS, self._services.batches.tick),
            every(TICK_SECONDS, self._services.batches.maintenance.tick),
            every(settings.token_check, self._services.sessions.recheck),
            every(BOOKMARK_SECONDS, self._bookmark),
            every(POSITION_SECONDS, self._send_positions),
            every(RENEW_SECONDS, self._renew_targets),
            every(MINIONS_SECONDS, self._caches.read_changes),
            every(KEYS_SECONDS, self._caches.read_keys),
            every(HEAP_SECONDS, _trim_heap),
            every(DISK_SECONDS, self._check_disk),
            every(DISK_SECONDS, self._check_tokens),
            every(JOURNAL_SECONDS, self._tick_journal),
            every(max(REFRESH_SECONDS, settings.history.seconds / 3), self._share_minions),
            self._once(self._caches.read_recent_jobs),
        ]
        start_sharing(self._parts)
        self._tasks = [asyncio.ensure_future(one) for one in tasks]

    def begin_shutdown(self) -> None:
        """Stop reporting a lost bus: the whole master is stopping, and clients get a close code to reconnect."""
        self.bus.begin_shutdown()

    def start_finishing(self) -> None:
        """After a reload, and after :meth:`stop`: do what requests in flight need; the next process does the rest."""
        services = self._services
        tasks: list[Coroutine[Any, Any, None]] = [
            self._every(BUS_SECONDS, self.bus.read_on),
            self._every(TICK_SECONDS, self._tick),
            self._every(TICK_SECONDS, services.job_watcher.tick),
            self._every(services.settings.token_check, services.sessions.recheck),
        ]
        self._tasks = [asyncio.ensure_future(one) for one in tasks]

    async def stop(self) -> None:
        """End all tasks; at a reload this is done before the state is passed on, and again at the end."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._stopped:
            return
        self._stopped = True
        # What is not written in this time is recovered from the job cache at the next start, or is a gap.
        last = [self._services.batches.stop()]
        if self._services.journal is not None:
            last.append(self._services.journal.stop())
        last.append(stop_sharing(self._parts, LAST_SECONDS))
        await asyncio.wait([asyncio.ensure_future(one) for one in last], timeout=LAST_SECONDS)

    async def _tick(self) -> None:
        """Do what must happen on time. Nothing here may wait for the master, or ended tokens would stay valid."""
        self.bus.check_bus()
        self._services.sessions.expire()
        self._services.jobs_in_flight.tick()
        self._services.runners_in_flight.tick()
        self._services.history.drop_old(self._services.wall())

    async def _check_disk(self) -> None:
        """Log a full or failing disk once: Salt itself logs each failed write without saying what is lost."""
        disk = self._services.health.register("disk")
        before, disk.fault = disk.fault, await self._parts.master.disk.fault()
        if disk.fault is not None and before is None:
            log.error("%s: logins, jobs and batches may fail; look at the master's cachedir", disk.fault)
        elif disk.fault is None and before is not None:
            log.warning("the disk of the master's caches works again")

    async def _check_tokens(self) -> None:
        """Notice that a failing token store works again, even if nobody logs in."""
        await self._parts.master.auth.check_store()

    async def _share_minions(self) -> None:
        share_minions(self._parts)

    async def _tick_journal(self) -> None:
        if self._services.journal is not None:
            self._services.journal.tick()

    async def _bookmark(self) -> None:
        self._services.hub.bookmark()

    async def _send_positions(self) -> None:
        for feed in self._services.feeds.values():
            feed.tick()

    async def _renew_targets(self) -> None:
        for session in self._services.sessions.all():
            self._parts.targets.mark_used(session.permissions.expressions)
        if await self._parts.targets.renew():
            # Users whose permissions depend on targets may see more or less now.
            for connection in self._connections():
                for subscription in list(connection.subscriptions.values()):
                    if subscription.session.permissions.expressions:
                        subscription.regroup()

    def _session_ended(self, session: Session) -> None:
        for connection in self._connections():
            connection.end_session(session)

    def _session_changed(self, session: Session) -> None:
        for connection in self._connections():
            for subscription in list(connection.subscriptions.values()):
                if subscription.session is session:
                    subscription.regroup()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await self._once(work)
            await asyncio.sleep(seconds)

    @staticmethod
    async def _once(work: Callable[[], Awaitable[Any]]) -> None:
        try:
            await work()
        except ApiError as error:
            log.warning("%s: %s", getattr(work, "__name__", "a background task"), error.message)
        except Exception:
            # Each task runs again later. An error in one must not end the others.
            log.exception("a background task failed")


async def _trim_heap() -> None:
    await asyncio.to_thread(trim)
