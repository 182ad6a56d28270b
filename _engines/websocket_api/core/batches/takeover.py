"""Finds batches whose driver is gone, and takes them over (core/batches/lease.py tells by which rule)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...errors import ApiError
from .batch import Batch
from .lease import QUICK_SECONDS, SETTLE_SECONDS, Lease
from .reader import BatchReader, Store
from .registry import BatchRegistry
from .request import ENDED

log = logging.getLogger(__name__)

AROUND_SECONDS = 5.0  # between two looks at what other masters have stored
AT_ONCE = 32
"""Batches that are read or written at once: thousands may be left by a master, and others want to use the store too."""

Then = Callable[[Batch, Mapping[str, Any], float, bool], Awaitable[None]]
"""``await then(batch, record, when the record was read, whether it was ordered to be stopped)``."""


class Takeover:
    """Looks after the batches that others drive.

    :param then: called with a batch that is this engine's now
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        *,
        store: Store,
        book: BatchRegistry,
        reader: BatchReader,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[Any]],
        then: Then,
    ) -> None:
        self._store = store
        self._book = book
        self._reader = reader
        self._clock = clock
        self._sleep = sleep
        self._then = then
        self._around = clock() - AROUND_SECONDS
        self._room = asyncio.Semaphore(AT_ONCE)

    async def look(self, lease: Lease) -> None:
        """Follow those that somebody watches, and now and then look at all; called every second.

        :raises ApiError: master_unavailable
        """
        others = self._reader.unended()
        for batch in others:
            if self._book.held(batch):
                await self._reader.refresh(batch)
        # After a start at once: what an earlier run of this very master drove waits for nobody.
        if self._clock() - self._around < AROUND_SECONDS and all(map(self._reader.was_read, others)):
            return
        self._around = self._clock()
        await self._reader.look_around()
        others = self._reader.unended()
        # All are waited for, whatever one of them comes to: what would go on beside the next look would be tried twice.
        ends = await asyncio.gather(*(self._try(batch, lease) for batch in others), return_exceptions=True)
        faults = [(batch, end) for batch, end in zip(others, ends, strict=True) if end is not None]
        for batch, fault in faults:
            if not isinstance(fault, ApiError):
                log.error("batch %d could not be taken over", batch.id, exc_info=fault)
        for _, fault in faults:
            if isinstance(fault, ApiError):
                raise fault

    async def _try(self, batch: Batch, lease: Lease) -> None:
        async with self._room:
            if not await self._claim(batch, lease):
                return
        await self._sleep(SETTLE_SECONDS)
        async with self._room:
            await self._go_on(batch, lease)

    async def _claim(self, batch: Batch, lease: Lease) -> bool:
        """Write this engine's name into the record of a batch whose driver is gone; tell whether that was done."""
        began = self._clock()
        stored = await self._store.record(batch.id)
        if stored is None:
            self._reader.forget(batch)
            lease.forget(batch.id)
            return False
        if stored["status"] in ENDED or not (lease.ours(stored) or lease.void(batch.id, stored)):
            await self._reader.follow(batch, stored)
            return False
        was = stored["driver"]["master"]
        jobs = [[*row[:4], row[4] or was != lease.master] for row in stored["jobs"]]
        await self._store.write(batch.id, {**stored, "jobs": jobs, "driver": lease.driver()}, {})
        return self._clock() - began <= QUICK_SECONDS

    async def _go_on(self, batch: Batch, lease: Lease) -> None:
        """Hand a batch on whose record still names this engine."""
        began, settled = self._clock(), await self._store.record(batch.id)
        if settled is None or not lease.ours(settled) or batch.id in self._reader.driven:
            return
        lease.forget(batch.id)
        try:
            order = await self._store.ordering(batch.id)
            await self._reader.take(batch, settled)
        except ApiError as fault:
            if fault.code != "not_found":
                raise
            log.error("batch %d cannot go on, and is shown no more: %s", batch.id, fault.message)
            self._reader.hidden.add(batch.id)
            self._reader.forget(batch)
            return
        if self._reader.get(batch.id) is batch:  # else another master removed it meanwhile
            await self._then(batch, settled, began, order is not None)
