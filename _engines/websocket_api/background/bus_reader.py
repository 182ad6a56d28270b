"""Reads the bus, reports its losses, and recovers what was missed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..core.subscriptions.hub import SINGLE_SECONDS
from ..operations.stored_jobs import read_missed
from ..wiring import Parts
from .master_caches import RECENT_JOBS, MasterCaches

log = logging.getLogger(__name__)

FIRST_BUS_SECONDS = 15.0  # the publisher may take this long to start
AWAY_SECONDS = 1.0  # shorter outages of the bus are only reported as a gap
MISSED_SECONDS = (2.0, 10.0)  # after a loss: the master stores returns later while its bus does not answer


class BusReader:
    """Reads the bus for the hub.

    :param caches: read after a loss
    :param has_callers: returns whether there are clients, HTTP requests included
    """

    def __init__(self, parts: Parts, caches: MasterCaches, has_callers: Callable[[], bool]) -> None:
        self._bus = parts.master.bus
        self._services = parts.services
        self._caches = caches
        self._has_callers = has_callers
        self._lost_at: float | None = parts.services.wall() + FIRST_BUS_SECONDS
        """When the bus was lost; 0 once that is logged. The engine starts before the publisher does."""
        self._missed_due: list[float] = []
        """When the job cache is read, because the bus was lost."""
        self._stopping = False

    def begin_shutdown(self) -> None:
        """Stop reporting a lost bus: the whole master is stopping."""
        self._stopping = True

    async def read_bus(self) -> None:
        """Read the bus. After an unexpected error the bus counts as lost, so that health checks fail."""
        try:
            publish = self._services.hub.publish
            await self._bus.read(publish, self._on_lost, self._report_gap, self.max_delay)
        except Exception:
            self._on_lost()
            raise

    async def read_on(self) -> None:
        """Read the bus after a reload, for requests in flight. The next process numbers events and reports losses."""
        await self._bus.read(self._services.hub.apply, _ignore, _ignore, self.max_delay)

    def _on_lost(self) -> None:
        now = self._services.wall()
        # A bus that is lost again before the next tick counts from the first time.
        if self._lost_at is None or self._lost_at > now:
            self._lost_at = now
        self._report_gap()

    def _report_gap(self) -> None:
        gap = self._services.hub.append_gap()
        for feed in (self._services.job_feed, self._services.minion_feed):
            feed.send_gap(gap)
        self._services.minions.keys_stale = True
        self._missed_due = [self._services.wall() + seconds for seconds in MISSED_SECONDS]

    async def read_missed(self) -> None:
        """Read the jobs and returns that were missed while the bus was lost, once the master has stored them."""
        if self._missed_due and self._services.wall() >= self._missed_due[0]:
            del self._missed_due[0]
            await read_missed(self._services, RECENT_JOBS)
            await self._caches.read_recent_jobs()

    def max_delay(self, events: int) -> float:
        """Return the seconds for which events may wait on the bus, to be read together.

        :param events: how many the last read returned
        """
        services = self._services
        if services.job_watcher.has_waiters:
            return SINGLE_SECONDS
        return services.hub.max_delay(events, alone=not (self._has_callers() or len(services.batches.driven)))

    def check_bus(self) -> None:
        """Log a lost bus once, at CRITICAL: Salt 3008 does not restart its publisher."""
        if self._stopping:
            return
        if self._bus.connected:
            self._lost_at = None
            self._services.history.end_absence(self._services.wall())
        elif self._lost_at is None:
            self._lost_at = self._services.wall()
        elif 0 < self._lost_at <= self._services.wall() - AWAY_SECONDS:
            self._lost_at = 0.0
            log.critical(
                "the master's event bus does not come back: commands are refused and no events arrive; "
                "restart the master if this lasts more than ten seconds"
            )


def _ignore() -> None:
    pass
