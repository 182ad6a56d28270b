"""Periodic tasks: read the bus, and keep sessions, minions and jobs up to date."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from .core.access.session import Session
from .core.jobs.earlier_returns import apply_earlier_returns
from .core.jobs.job import Job
from .core.subscriptions.hub import SINGLE_SECONDS
from .errors import ApiError
from .heap import trim
from .operations.stored_jobs import apply_cancels, from_store, read_missed
from .wiring import Parts

log = logging.getLogger(__name__)

TICK_SECONDS = 0.9  # maximum delay of the end of an expired token; a lost bus is logged AWAY_SECONDS later
BUS_SECONDS = 1.0  # until the bus is read again after an unexpected error
MINIONS_SECONDS = 1.0  # maximum delay until changed grains and keys are read
BOOKMARK_SECONDS = 30.0  # so that a quiet subscription gets a bookmark at least every 60 s
POSITION_SECONDS = 10.0  # what changed in this time is sent again to a client that resumes a snapshot
RENEW_SECONDS = 5.0  # between two checks which target sets are due
FIRST_BUS_SECONDS = 15.0  # the publisher may take this long to start
HOLD_SECONDS = 5.0  # maximum delay until the bus is read, if the log has many events from before this start
AWAY_SECONDS = 1.0  # shorter outages of the bus are only reported as a gap
JOURNAL_SECONDS = 10.0  # maximum delay until the journal loses what is too old; it writes the time too
LAST_SECONDS = 0.5  # to write batches at the end: Salt kills the engine 5 s after SIGTERM
KEYS_SECONDS = 60.0  # between two readings of all keys: files on disk can change without an event
REFRESH_SECONDS = 10.0  # minimum between two lists of all minions for the other masters
HEAP_SECONDS = 60.0  # between two returns of freed memory to the system
DISK_SECONDS = 10.0  # between two checks of the disk
RECENT_JOBS = 200  # jobs read from the job cache at the start, and after a loss of the bus
MISSED_SECONDS = (2.0, 10.0)  # after a loss: the master stores returns later while its bus does not answer


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
        self._has_callers = has_callers
        self._services.sessions.on_end(self._session_ended)
        self._services.sessions.on_change(self._session_changed)
        self._services.minions.on_target_change(parts.targets.invalidate)
        self._bus_lost_at: float | None = parts.services.wall() + FIRST_BUS_SECONDS
        """When the bus was lost; 0 once that is logged. The engine starts before the publisher does."""
        self._missed_due: list[float] = []
        """When the job cache is read, because the bus was lost."""
        self._stopping = False
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all tasks."""
        settings = self._services.settings
        every = self._every
        tasks: list[Coroutine[Any, Any, None]] = [
            every(BUS_SECONDS, self._read_bus),
            every(TICK_SECONDS, self._tick),
            every(TICK_SECONDS, self._read_missed),
            every(TICK_SECONDS, self._services.job_watcher.tick),
            every(TICK_SECONDS, self._services.batches.tick),
            every(TICK_SECONDS, self._services.batches.maintenance.tick),
            every(settings.token_check, self._services.sessions.recheck),
            every(BOOKMARK_SECONDS, self._bookmark),
            every(POSITION_SECONDS, self._send_positions),
            every(RENEW_SECONDS, self._renew_targets),
            every(MINIONS_SECONDS, self._read_changes),
            every(KEYS_SECONDS, self._read_keys),
            every(HEAP_SECONDS, self._trim_heap),
            every(DISK_SECONDS, self._check_disk),
            every(DISK_SECONDS, self._check_tokens),
            every(JOURNAL_SECONDS, self._tick_journal),
            every(max(REFRESH_SECONDS, settings.history.seconds / 3), self._share_minions),
            self._once(self._read_recent_jobs),
        ]
        self._share()
        self._tasks = [asyncio.ensure_future(one) for one in tasks]

    def _share(self) -> None:
        """Begin to share events with other masters, if that is configured."""
        share, following, log_ = self._parts.share, self._parts.following, self._parts.master.event_log
        if share is None or following is None or log_ is None:
            return
        health = self._services.health.register("redis")
        if self._parts.notes is not None:
            self._parts.notes.minions.refresh()
        bus, loop = self._parts.master.bus, asyncio.get_running_loop()

        def go_on() -> None:
            following.start()
            bus.release()

        if share.is_behind:
            bus.hold()  # else clients get new events before older ones of this master
            loop.call_later(HOLD_SECONDS, go_on)

        def on_fault(fault: str | None) -> None:
            health.fault = fault
            if fault is not None:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(go_on)

        log_.start(following.deliver, share.writer.begin, on_fault, following.note_end, go_on)

    async def _trim_heap(self) -> None:
        await asyncio.to_thread(trim)

    async def _share_minions(self) -> None:
        if self._parts.notes is not None:
            self._parts.notes.minions.refresh()

    async def _stop_sharing(self) -> None:
        """Write the last events, and apply no more of the other masters."""
        share, following, log_ = self._parts.share, self._parts.following, self._parts.master.event_log
        if share is None or following is None or log_ is None:
            return
        following.stop()
        share.writer.flush()
        await log_.stop(LAST_SECONDS)

    def begin_shutdown(self) -> None:
        """Stop reporting a lost bus: the whole master is stopping, and clients get a close code to reconnect."""
        self._stopping = True

    def start_finishing(self) -> None:
        """After a reload, and after :meth:`stop`: do what requests in flight need; the next process does the rest."""
        apply, ignore, services = self._services.hub.apply, (lambda: None), self._services
        tasks: list[Coroutine[Any, Any, None]] = [
            self._every(BUS_SECONDS, lambda: self._parts.master.bus.read(apply, ignore, ignore, self.max_bus_delay)),
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
        last.append(self._stop_sharing())
        await asyncio.wait([asyncio.ensure_future(one) for one in last], timeout=LAST_SECONDS)

    async def _read_bus(self) -> None:
        """Read the bus. After an unexpected error the bus counts as lost, so that health checks fail."""
        try:
            publish = self._services.hub.publish
            await self._parts.master.bus.read(publish, self._on_lost, self._report_gap, self.max_bus_delay)
        except Exception:
            self._on_lost()
            raise

    def _on_lost(self) -> None:
        now = self._services.wall()
        # A bus that is lost again before the next tick counts from the first time.
        if self._bus_lost_at is None or self._bus_lost_at > now:
            self._bus_lost_at = now
        self._report_gap()

    def _report_gap(self) -> None:
        gap = self._services.hub.append_gap()
        for feed in (self._services.job_feed, self._services.minion_feed):
            feed.send_gap(gap)
        self._services.minions.keys_stale = True
        self._missed_due = [self._services.wall() + seconds for seconds in MISSED_SECONDS]

    async def _read_missed(self) -> None:
        """Read the jobs and returns that came while the bus was lost."""
        if self._missed_due and self._services.wall() >= self._missed_due[0]:
            del self._missed_due[0]
            await read_missed(self._services, RECENT_JOBS)
            await self._read_recent_jobs()

    def max_bus_delay(self, events: int) -> float:
        """Return the seconds for which events may wait on the bus, to be read together.

        :param events: how many the last read returned
        """
        services = self._services
        if services.job_watcher.has_waiters:
            return SINGLE_SECONDS
        return services.hub.max_delay(events, alone=not (self._has_callers() or len(services.batches.driven)))

    async def _tick(self) -> None:
        """Do what must happen on time. Nothing here may wait for the master, or ended tokens would stay valid."""
        self._check_bus()
        self._services.sessions.expire()
        self._services.jobs_in_flight.tick()
        self._services.runners_in_flight.tick()
        self._services.history.drop_old(self._services.wall())

    def _check_bus(self) -> None:
        """Log a lost bus once, at CRITICAL: Salt 3008 does not restart its publisher."""
        if self._stopping:
            return
        if self._parts.master.bus.connected:
            self._bus_lost_at = None
            self._services.history.end_absence(self._services.wall())
        elif self._bus_lost_at is None:
            self._bus_lost_at = self._services.wall()
        elif 0 < self._bus_lost_at <= self._services.wall() - AWAY_SECONDS:
            self._bus_lost_at = 0.0
            log.critical(
                "the master's event bus does not come back: commands are refused and no events arrive; "
                "restart the master if this lasts more than ten seconds"
            )

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

    async def _read_changes(self) -> None:
        minions = self._services.minions
        if minions.keys_stale:
            await self._read_keys()
        if minions.stale:
            stale = sorted(minions.stale)
            minions.stale.clear()
            try:
                minions.read_grains(await self._parts.master.minions.grains(stale))
            except Exception:
                minions.stale.update(stale)  # read them again next time
                raise
            self._parts.targets.invalidate()  # pillar may have changed too

    async def _read_keys(self) -> None:
        minions = self._services.minions
        before = set(minions.all())
        store = self._parts.master.minions
        minions.read_keys(
            await store.keys(), await store.syndics() if minions.has_syndics else (), await store.resources()
        )
        minions.stale |= set(minions.all()) - before

    async def _read_recent_jobs(self) -> None:
        """Register jobs from before this start. Jobs that the bus reported in the meantime are newer and stay."""
        jobs = self._services.jobs
        await apply_earlier_returns(self._services.history, jobs)
        cancels: list[Job] = []  # newer than the jobs that they canceled, so they are read first
        recent = {str(load["jid"]) for load in await self._parts.master.job_cache.recent(RECENT_JOBS)}
        for jid in sorted(recent | jobs.restored(), reverse=True):
            known = jobs.get(jid)
            if known is None or known.restored:
                stored = await self._parts.master.job_cache.job(jid)
                if stored is not None:
                    job = from_store(jid, stored)
                    apply_cancels(job, cancels)
                    cancels += [job] if job.cancels else []
                    jobs.add_cached(job)
                elif known is not None:
                    known.restored = False

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
