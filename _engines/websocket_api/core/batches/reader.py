"""Reads batches that this engine does not drive from the store: old ones, and those of other masters."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from ...errors import ApiError
from . import records
from .batch import Batch
from .registry import BatchRegistry

log = logging.getLogger(__name__)

MAX_ROUNDS = 3
"""How often the requests of a running batch are read again if it changed in the meantime."""


class Store(Protocol):
    """The store of batches (salt_master/batch_store.py). Every method raises ``master_unavailable`` if it fails."""

    @property
    def shared(self) -> bool:
        """Whether other masters may write to it."""
        ...

    async def identity(self) -> str: ...
    async def ids(self) -> list[int]: ...
    async def record(self, id_: int) -> dict[str, Any] | None: ...
    async def records(self, ids: list[int]) -> dict[int, dict[str, Any]]: ...
    async def requests(self, id_: int, numbers: list[int]) -> list[list[Any]]: ...
    async def calls(self, id_: int) -> list[dict[str, Any]]: ...
    async def write(
        self,
        id_: int,
        record: Mapping[str, Any],
        chunks: Mapping[int, list[Any]],
        calls: list[dict[str, Any]] | None = None,
    ) -> None: ...
    async def remove(self, id_: int) -> None: ...
    async def write_cancel(self, id_: int, fields: Mapping[str, Any]) -> None: ...
    async def cancels(self) -> dict[int, dict[str, Any]]: ...
    async def cancel(self, id_: int) -> dict[str, Any] | None: ...
    async def remove_cancel(self, id_: int) -> None: ...
    async def write_pause(self, id_: int, fields: Mapping[str, Any]) -> None: ...
    async def pauses(self) -> dict[int, dict[str, Any]]: ...
    async def pause(self, id_: int) -> dict[str, Any] | None: ...
    async def remove_pause(self, id_: int) -> None: ...
    async def claim_number(self, identity: str, maximum: int) -> tuple[int, int]: ...
    async def write_last(self, identity: str, number: int, last: int) -> None: ...


class _Rows:
    """The requests of a batch, read while its driver may continue to write.

    A driver writes chunks before the record that counts them. So chunks read after a record are as new as it, or newer.
    """

    def __init__(self) -> None:
        self._rows: dict[int, list[Any]] = {}
        self._revs: list[int] = []
        self._rounds = 0

    @property
    def all(self) -> list[list[Any]]:
        """All chunks, in order."""
        return [self._rows[number] for number in range(len(self._revs))]

    async def read(self, store: Store, stored: Mapping[str, Any]) -> int:
        """Read the chunks that changed up to this record; return how many rounds were read."""
        new = _changed(stored, self._revs)
        self._rows.update(zip(new, await store.requests(stored["id"], new), strict=True))
        self._revs, self._rounds = stored["chunks"], self._rounds + 1
        return self._rounds


def _changed(stored: Mapping[str, Any], revs: list[int]) -> list[int]:
    """Return the chunks that were written since ``revs``."""
    return [number for number, at in enumerate(stored["chunks"]) if number >= len(revs) or at != revs[number]]


def _incomplete(batch: Batch) -> ApiError:
    return ApiError("not_found", f"the store no longer has all requests of batch {batch.id}")


class BatchReader:
    """Batches as the store has them.

    A batch that this engine drives (writer.py) is never overwritten from the store: memory is newer.
    """

    def __init__(self, store: Store, registry: BatchRegistry) -> None:
        self._store = store
        self._registry = registry
        self.driven: set[int] = set()
        """Batches that this engine drives."""
        self.hidden: set[int] = set()
        """Batches that are to be forgotten, or that lost a part. Clients never see them again."""
        self.removing: dict[int, Batch] = {}
        """Batches that are to be forgotten and are still stored. Their driver must stop them first."""
        self.is_complete = False
        """Whether all batches were read that the store had at the start."""
        self._revs: dict[int, tuple[int, list[int]]] = {}
        """The last version read of each batch: the number of the write, and the write that changed each chunk."""

    def get(self, id_: int) -> Batch | None:
        """Return a batch, including one that is hidden but still has to be stopped."""
        return self._registry.get(id_) or self.removing.get(id_)

    def unended(self) -> list[Batch]:
        """Return the batches that have not ended and that this engine does not drive."""
        batches = [*self._registry.known(), *self.removing.values()]
        return [batch for batch in batches if not batch.ended and batch.id not in self.driven]

    def was_read(self, batch: Batch) -> bool:
        """Return whether a batch was read since it was discovered."""
        return batch.id in self._revs

    def set_version(self, batch: Batch, rev: int, revs: list[int]) -> None:
        """Set which version of a batch is in memory."""
        self._revs[batch.id] = rev, list(revs)

    async def load_requests(self, batch: Batch) -> None:
        """Load the requests of a batch, and the state that belongs to them.

        :raises ApiError: not_found if some of them are missing
        """
        calls, rows = await self._store.calls(batch.id), _Rows()
        while True:
            stored = await self._store.record(batch.id)
            if stored is None:
                raise _incomplete(batch)
            rounds = await rows.read(self._store, stored)
            if batch.requests is not None or batch.id in self.driven:
                return
            known = self._revs.get(batch.id, (-1, []))[0]
            # If a newer version was applied in the meantime, these requests do not belong to it. For a running batch
            # the next refresh repairs that; for one that has ended there is no next refresh.
            if stored["rev"] >= known or (rounds >= MAX_ROUNDS and not batch.ended):
                break
        if not records.complete(batch, calls, rows.all):
            raise _incomplete(batch)
        before = batch.ended
        records.update(batch, stored)
        records.fill(batch, calls, rows.all)
        self.set_version(batch, stored["rev"], stored["chunks"])
        if stored["rev"] != known:
            self._registry.notify(batch, (), "save" if batch.ended and not before else "update")

    async def load(self, batch: Batch, stored: Mapping[str, Any]) -> None:
        """Load a whole batch that this engine is about to drive, whatever is in memory.

        :param stored: its record, which names this engine: no other master writes it
        :raises ApiError: not_found if some of its requests are missing
        """
        calls, rows = await self._store.calls(batch.id), _Rows()
        await rows.read(self._store, stored)
        if not records.complete(batch, calls, rows.all):
            raise _incomplete(batch)
        records.update(batch, stored)
        records.fill(batch, calls, rows.all)

    def unload(self, batch: Batch) -> None:
        """Keep only the head of a batch in memory, unless its requests are needed."""
        if batch.id not in self.driven and not self._registry.is_held(batch):
            batch.requests, batch.calls, batch.result_room = None, [], 0

    @property
    def _may_miss_some(self) -> bool:
        """Whether the store may have batches that are not in memory."""
        return self._store.shared or not self.is_complete

    async def find(self, id_: int) -> None:
        """Add a batch that another master may have created, or an earlier run of this engine."""
        if self._may_miss_some and id_ not in self.hidden:
            stored = await self._store.record(id_)
            if stored is not None:
                self.add(stored)

    async def refresh(self, batch: Batch) -> None:
        """Update a batch that another master drives."""
        if batch.id in self.driven or not self._store.shared:
            return
        stored = await self._store.record(batch.id)
        if batch.id in self.driven:
            return
        if stored is None:
            self.forget(batch)
        else:
            await self.apply(batch, stored)

    async def discover(self) -> None:
        """Add the batches that other masters created, and forget those that they removed."""
        if not self._may_miss_some:
            return
        known = list(self._registry.known())
        ids = set(await self._store.ids()) - self.hidden
        for batch in known:
            if batch.id not in ids and batch.id not in self.driven:
                self.forget(batch)
        new = await self._store.records([id_ for id_ in ids if self._registry.get(id_) is None])
        for stored in new.values():
            self.add(stored)

    def add(self, stored: Mapping[str, Any]) -> None:
        """Add the head of a stored batch, unless another release wrote it in another form."""
        if stored.get("form") == records.FORM and self.get(stored["id"]) is None:
            self._registry.add(records.head(stored), "known")

    async def apply(self, batch: Batch, stored: Mapping[str, Any]) -> None:
        """Apply a record that another master wrote; of the requests, read only those that changed."""
        known = self._revs.get(batch.id)
        rev, revs = known or (-1, [])
        if stored["rev"] == rev or batch.id in self.driven:
            return
        indexes: list[int] = []
        if batch.requests is not None:
            new = _changed(stored, revs)
            chunks = await self._store.requests(batch.id, new)
            if batch.id in self.driven or self._revs.get(batch.id) is not known:
                return  # another call was faster, and may have read a newer version
            for number, rows in zip(new, chunks, strict=True):
                indexes += records.apply_rows(batch, number, rows)
        self.set_version(batch, stored["rev"], stored["chunks"])
        before = batch.ended
        records.update(batch, stored)
        self._registry.notify(batch, indexes, "save" if batch.ended and not before else "update")

    def hide(self, batch: Batch) -> None:
        """Hide a batch that is to be forgotten from clients."""
        self.forget(batch)
        self.hidden.add(batch.id)
        self.removing[batch.id] = batch

    def forget(self, batch: Batch) -> None:
        """Forget a batch that is no longer stored."""
        self._registry.remove(batch)
        self._revs.pop(batch.id, None)
        self.removing.pop(batch.id, None)
