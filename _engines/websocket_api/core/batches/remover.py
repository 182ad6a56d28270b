"""Forgets batches: when a client asks for it, and when they are too old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .batch import Batch
from .reader import BatchReader, Store
from .registry import BatchRegistry
from .remote_cancel import RemoteCancel
from .request import ENDED
from .writer import BatchWriter

REMOVE_SECONDS = 10.0  # between two searches for batches that are too old


class BatchRemover:
    """Removes batches from store and memory.

    :param keep_seconds: how long batches that have ended are kept
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    """

    def __init__(
        self,
        *,
        store: Store,
        registry: BatchRegistry,
        reader: BatchReader,
        writer: BatchWriter,
        remote: RemoteCancel,
        keep_seconds: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._store = store
        self._registry = registry
        self._reader = reader
        self._writer = writer
        self._remote = remote
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._wall = wall
        self._last_removal = clock()
        self._lock = asyncio.Lock()
        """Two removals of the same files would fail."""

    async def remove(self, batch: Batch) -> None:
        """Forget a batch that has ended.

        :raises ApiError: master_unavailable
        """
        await self._writer.release(batch)
        async with self._lock:
            if self._reader.get(batch.id) is batch:
                await self._store.remove(batch.id)
                self._reader.forget(batch)

    async def remove_old(self) -> None:
        """Forget batches that are too old; called every second.

        :raises ApiError: master_unavailable
        """
        if self._clock() - self._last_removal < REMOVE_SECONDS:
            return
        self._last_removal, until = self._clock(), self._wall() - self._keep_seconds
        await self._handle_late_requests()
        for batch in self._registry.known():
            if batch.finished is not None and batch.finished <= until and batch.id not in self._reader.driven:
                await self.remove(batch)

    async def _handle_late_requests(self) -> None:
        """Handle cancel requests for batches that ended before their driver could read the request."""
        for id_, forget in (await self._remote.pending()).items():
            stored = await self._store.record(id_)
            if id_ in self._reader.driven or (stored is not None and stored["status"] not in ENDED):
                continue
            if forget:
                await self._store.remove(id_)
                if (batch := self._reader.get(id_)) is not None:
                    self._reader.forget(batch)
            await self._remote.remove(id_)
