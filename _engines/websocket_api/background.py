"""What the engine does by itself while it runs: follow the bus, keep sessions and pictures true."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from .core.access.sessions import Session
from .errors import ApiError
from .operations.jobs import from_store
from .wiring import Parts

log = logging.getLogger(__name__)

TICK_SECONDS = 0.9  # expired tokens end within this, and a lost bus is told this and AWAY_SECONDS later at the latest
BUS_SECONDS = 1.0  # after which the bus is read again, should reading it ever fail in a way that nobody foresaw
FLEET_SECONDS = 1.0  # a changed grain or key is read at most this late
BOOKMARK_SECONDS = 30.0  # so that a quiet subscription gets one at least every 60 s
RENEW_SECONDS = 5.0  # how often is looked which target sets are due
FIRST_BUS_SECONDS = 15.0  # for the publisher to come up
AWAY_SECONDS = 1.0  # a bus that is back sooner was no trouble for anybody but who was told of a gap
LAST_SECONDS = 0.5  # for writing batches at the end: Salt kills 5 s after it asked to stop
KEYS_SECONDS = 60.0  # keys that were changed behind Salt's back, by a hand on the disk
RECENT_JOBS = 200  # read from the job cache at the start


class BackgroundTasks:
    """The engine's own tasks.

    :param connections: all connections that there are
    """

    def __init__(self, parts: Parts, connections: Callable[[], list[Any]]) -> None:
        self._parts = parts
        self._services = parts.services
        self._connections = connections
        self._services.sessions.on_end(self._session_ended)
        self._services.sessions.on_change(self._session_changed)
        self._services.minions.on_change(lambda minion: parts.targets.invalidate())
        self._bus_lost_at: float | None = parts.services.wall() + FIRST_BUS_SECONDS
        """Since when the bus is missed; 0 once that was said. An engine starts before the publisher does."""
        self._leaving = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin all tasks."""
        settings = self._services.settings
        every = self._every
        work: list[Coroutine[Any, Any, None]] = [
            every(BUS_SECONDS, self._read_bus),
            every(TICK_SECONDS, self._tick),
            every(TICK_SECONDS, self._services.job_watcher.tick),
            every(TICK_SECONDS, self._services.batches.tick),
            every(TICK_SECONDS, self._services.batches.maintenance.tick),
            every(settings.token_check, self._services.sessions.look_again),
            every(BOOKMARK_SECONDS, self._bookmark),
            every(RENEW_SECONDS, self._renew_targets),
            every(FLEET_SECONDS, self._read_changes),
            every(KEYS_SECONDS, self._read_keys),
            self._once(self._read_recent_jobs),
        ]
        self._tasks = [asyncio.ensure_future(one) for one in work]

    def leave(self) -> None:
        """Take it as said that the bus goes: the whole master is being stopped, while clients are told."""
        self._leaving = True

    async def stop(self) -> None:
        """End all tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Whatever is not written within this is found out when the engine is back, from the job cache.
        await asyncio.wait([asyncio.ensure_future(self._services.batches.stop())], timeout=LAST_SECONDS)

    async def _read_bus(self) -> None:
        """Follow the bus; this returns only by a fault, and an engine that reads no more must not look healthy."""
        try:
            await self._parts.bus.read(self._services.hub.publish, self._lost, self._broke)
        except Exception:
            self._lost()
            raise

    def _lost(self) -> None:
        now = self._services.wall()
        # Not when it goes again right after it came: that is the same trouble still.
        if self._bus_lost_at is None or self._bus_lost_at > now:
            self._bus_lost_at = now
        self._broke()

    def _broke(self) -> None:
        gap = self._services.hub.append_gap()
        for feed in (self._services.job_feed, self._services.minion_feed):
            feed.send_gap(gap)
        self._services.minions.keys_stale = True

    async def _tick(self) -> None:
        """Do what must happen in time: nothing here may wait for the master, or ended tokens would live on."""
        self._look_at_bus()
        self._services.sessions.expire()
        self._services.jobs_in_flight.tick()
        self._services.runners_in_flight.tick()
        self._services.history.drop_old(self._services.wall())

    def _look_at_bus(self) -> None:
        """Say at CRITICAL, once, that the bus stays away: Salt 3008 does not start its publisher again."""
        if self._leaving:
            return
        if self._parts.bus.connected:
            self._bus_lost_at = None
        elif self._bus_lost_at is None:
            self._bus_lost_at = self._services.wall()
        elif 0 < self._bus_lost_at <= self._services.wall() - AWAY_SECONDS:
            self._bus_lost_at = 0.0
            log.critical(
                "the master's event bus does not come back: commands are refused and no event is seen; "
                "if this stays for more than ten seconds, restart the master"
            )

    async def _bookmark(self) -> None:
        self._services.hub.bookmark()

    async def _renew_targets(self) -> None:
        for session in self._services.sessions.all():
            self._parts.targets.want(session.permissions.expressions)
        if await self._parts.targets.renew():
            # Who sees by a target may see more or less now.
            for connection in self._connections():
                for subscription in list(connection.subscriptions.values()):
                    if subscription.session.permissions.expressions:
                        subscription.regroup()

    async def _read_changes(self) -> None:
        fleet = self._services.minions
        if fleet.keys_stale:
            await self._read_keys()
        if fleet.stale:
            stale = sorted(fleet.stale)
            fleet.stale.clear()
            try:
                fleet.read_grains(await self._parts.minions.grains(stale))
            except Exception:
                fleet.stale.update(stale)  # they are as old as before
                raise

    async def _read_keys(self) -> None:
        fleet = self._services.minions
        before = set(fleet.all())
        fleet.read_keys(await self._parts.minions.keys())
        fleet.stale |= set(fleet.all()) - before

    async def _read_recent_jobs(self) -> None:
        """Fill the book with what ran before this start; what the bus tells meanwhile is newer and stays."""
        for load in await self._parts.store.recent(RECENT_JOBS):
            jid = load["jid"]
            if self._services.jobs.get(jid) is None:
                stored = await self._parts.store.job(jid)
                if stored is not None:
                    self._services.jobs.add_cached(from_store(jid, stored))

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
            log.warning("%s: %s", getattr(work, "__name__", "upkeep"), error.message)
        except Exception:
            # Each of these is tried again; a fault in one must not end the others.
            log.exception("upkeep failed")
