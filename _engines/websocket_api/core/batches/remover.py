"""Forgets batches: when a client asks for it, and when they are too old."""

from __future__ import annotations

import asyncio

from .batch import Batch
from .context import BatchContext
from .request import ENDED

REMOVE_SECONDS = 10.0  # between two searches for batches that are too old


class BatchRemover:
    """Removes batches from store and memory.

    :param keep_seconds: how long batches that have ended are kept
    """

    def __init__(self, context: BatchContext, *, keep_seconds: float) -> None:
        self._context = context
        self._keep_seconds = keep_seconds
        self._last_removal = context.clock()
        self._lock = asyncio.Lock()
        """Two removals of the same files would fail."""

    async def remove(self, batch: Batch) -> None:
        """Forget a batch that has ended.

        :raises ApiError: master_unavailable
        """
        await self._context.writer.release(batch)
        async with self._lock:
            if self._context.reader.get(batch.id) is batch:
                await self._context.store.remove(batch.id)
                await self._context.remote_pause.remove(batch.id)
                self._context.reader.forget(batch)

    async def remove_old(self) -> None:
        """Forget batches that are too old; called every second.

        :raises ApiError: master_unavailable
        """
        if self._context.clock() - self._last_removal < REMOVE_SECONDS:
            return
        self._last_removal, until = self._context.clock(), self._context.wall() - self._keep_seconds
        await self._handle_late_requests()
        for batch in self._context.registry.known():
            if batch.finished is not None and batch.finished <= until and batch.id not in self._context.reader.driven:
                await self.remove(batch)

    async def _handle_late_requests(self) -> None:
        """Handle cancel requests for batches that ended before their driver could read the request."""
        for id_, forget in (await self._context.remote.pending()).items():
            stored = await self._context.store.record(id_)
            if id_ in self._context.reader.driven or (stored is not None and stored["status"] not in ENDED):
                continue
            if forget:
                await self._context.store.remove(id_)
                if (batch := self._context.reader.get(id_)) is not None:
                    self._context.reader.forget(batch)
            await self._context.remote.remove(id_)
