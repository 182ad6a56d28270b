"""Finds batches whose driver is gone, and takes them over (lease.py has the rules)."""

from __future__ import annotations

import asyncio
import logging

from ...errors import ApiError
from .batch import Batch
from .context import BatchContext
from .lease import QUICK_SECONDS, SETTLE_SECONDS, Lease
from .request import ENDED
from .runner import BatchRunner

log = logging.getLogger(__name__)

DISCOVER_SECONDS = 5.0  # between two reads of what other masters have stored
MAX_AT_ONCE = 32
"""Batches read or written at the same time. A master may leave thousands, and other work needs the store too."""


class Takeover:
    """Watches the batches that others drive."""

    def __init__(self, context: BatchContext, *, runner: BatchRunner) -> None:
        self._context = context
        self._runner = runner
        self._discovered = context.clock() - DISCOVER_SECONDS
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def tick(self, lease: Lease) -> None:
        """Refresh the batches that clients follow, and sometimes check all; called every second.

        :raises ApiError: master_unavailable
        """
        others = self._context.reader.unended()
        for batch in others:
            if self._context.registry.is_held(batch):
                await self._context.reader.refresh(batch)
        # Right after a start: the batches of an earlier run of this master have no other driver.
        now = self._context.clock()
        if now - self._discovered < DISCOVER_SECONDS and all(map(self._context.reader.was_read, others)):
            return
        self._discovered = now
        await self._context.reader.discover()
        others = self._context.reader.unended()
        # Wait for all, whatever happens to one: an attempt that outlives this tick would be started twice.
        ends = await asyncio.gather(*(self._try(batch, lease) for batch in others), return_exceptions=True)
        errors = [(batch, end) for batch, end in zip(others, ends, strict=True) if end is not None]
        for batch, error in errors:
            if not isinstance(error, ApiError):
                log.error("cannot take over batch %d", batch.id, exc_info=error)
        for _, error in errors:
            if isinstance(error, ApiError):
                raise error

    async def _try(self, batch: Batch, lease: Lease) -> None:
        async with self._slots:
            if not await self._claim(batch, lease):
                return
        await self._context.sleep(SETTLE_SECONDS)
        async with self._slots:
            await self._start(batch, lease)

    async def _claim(self, batch: Batch, lease: Lease) -> bool:
        """Write this engine's name into the record of a batch whose driver is gone; return whether it did."""
        started = self._context.clock()
        stored = await self._context.store.record(batch.id)
        if stored is None:
            self._context.reader.forget(batch)
            lease.forget(batch.id)
            return False
        if stored["status"] in ENDED or not (lease.is_ours(stored) or lease.is_expired(batch.id, stored)):
            await self._context.reader.apply(batch, stored)
            return False
        before = stored["driver"]["master"]
        jobs = [[*row[:4], row[4] or before != lease.master] for row in stored["jobs"]]
        await self._context.store.write(batch.id, {**stored, "jobs": jobs, "driver": lease.driver()}, {})
        return self._context.clock() - started <= QUICK_SECONDS

    async def _start(self, batch: Batch, lease: Lease) -> None:
        """Drive a batch if its record still names this engine."""
        started, settled = self._context.clock(), await self._context.store.record(batch.id)
        if settled is None or not lease.is_ours(settled) or batch.id in self._context.reader.driven:
            return
        lease.forget(batch.id)
        try:
            cancel = await self._context.store.cancel(batch.id)
            await self._context.reader.load(batch, settled)
            await self._context.remote_pause.apply(batch)
        except ApiError as error:
            if error.code != "not_found":
                raise
            log.error("batch %d cannot go on, and is hidden: %s", batch.id, error.message)
            self._context.reader.hidden.add(batch.id)
            self._context.reader.forget(batch)
            return
        if self._context.reader.get(batch.id) is not batch:
            return  # another master removed it in the meantime
        self._context.writer.take_over(batch, settled, started)
        if cancel is not None or self._context.remote.has_written(batch):
            # Set before anything is sent. The next tick handles the rest of the cancel request.
            batch.final = batch.final or "canceled"
        log.info("batch %d goes on here", batch.id)
        self._runner.resume(batch)
