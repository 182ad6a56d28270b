"""Finds batches and requests for clients, and keeps requests in memory while a client needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import ApiError
from ..access.visibility import Viewer
from .batch import Batch
from .ids import index_of
from .reader import BatchReader
from .registry import BatchRegistry, may_see
from .result_memory import ResultMemory


class BatchNotFound(ApiError):
    """There is no batch or request with this id, or the user may not see it.

    :param kind: batch or request
    """

    def __init__(self, kind: str, id_: int) -> None:
        super().__init__("not_found", f"there is no {kind} with the id {id_}, or you may not see it")


class BatchLookup:
    """Batches as clients ask for them."""

    def __init__(self, registry: BatchRegistry, reader: BatchReader, results: ResultMemory | None = None) -> None:
        self._results = results or ResultMemory(registry)
        self._registry = registry
        self._reader = reader

    async def visible(self, id_: int, viewer: Viewer) -> Batch:
        """Return a batch, up to date.

        :raises BatchNotFound: it does not exist, or the user may not see it
        :raises ApiError: master_unavailable
        """
        batch = self._registry.get(id_)
        if batch is None:
            await self._reader.find(id_)
            batch = self._registry.get(id_)
        if batch is None or not may_see(viewer, batch):
            raise BatchNotFound("batch", id_)
        if not batch.ended:
            await self._reader.refresh(batch)
            if self._registry.get(id_) is None:
                raise BatchNotFound("batch", id_)
        return batch

    async def load(self, batch: Batch) -> Batch:
        """Load the requests of a batch that the caller holds, and return it.

        :raises ApiError: master_unavailable; too_many if results take too much memory
        """
        if batch.requests is None:
            with self._results.loading(batch):
                await self._reader.load_requests(batch)
        return batch

    async def request(self, id_: int, viewer: Viewer) -> tuple[Batch, int]:
        """Return the batch of a request, and the index of the request in it.

        :raises BatchNotFound: it does not exist, or the user may not see it
        :raises ApiError: master_unavailable
        """
        for _ in range(2):
            for batch in self._registry.known():
                index = index_of(batch.id, id_)
                if index is not None and index < batch.total and may_see(viewer, batch):
                    return await self.visible(batch.id, viewer), index
            await self._reader.discover()
        raise BatchNotFound("request", id_)

    async def all_visible(self, viewer: Viewer) -> list[Batch]:
        """Return the batches that a user may see, newest first.

        :raises ApiError: master_unavailable
        """
        await self._reader.discover()
        found = [batch for batch in self._registry.known() if may_see(viewer, batch)]
        return sorted(found, key=lambda batch: (batch.created, batch.id), reverse=True)

    @contextmanager
    def holding(self, batch: Batch) -> Iterator[None]:
        """Keep the requests of a batch in memory inside a ``with`` block."""
        self.hold(batch)
        try:
            yield
        finally:
            self.release(batch)

    def hold(self, batch: Batch) -> None:
        """Keep the requests of a batch in memory until :meth:`release`."""
        self._registry.hold(batch)

    def release(self, batch: Batch) -> None:
        """Undo one :meth:`hold`, and unload the requests after the last one."""
        if self._registry.release(batch):
            self._reader.unload(batch)
