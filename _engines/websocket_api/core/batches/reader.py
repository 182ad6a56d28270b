"""Reads from the store what this engine does not drive itself: old batches, and those of other masters."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from ...errors import ApiError
from . import records
from .batch import Batch
from .registry import BatchRegistry

log = logging.getLogger(__name__)

ROUNDS = 3
"""How often the requests of a running batch are read again because it went on meanwhile."""


class Store(Protocol):
    """Where batches are kept (salt_master/batch_store.py); every method raises ``master_unavailable`` when it fails."""

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
    async def order(self, id_: int, what: Mapping[str, Any]) -> None: ...
    async def orders(self) -> dict[int, dict[str, Any]]: ...
    async def ordering(self, id_: int) -> dict[str, Any] | None: ...
    async def ordered(self, id_: int) -> None: ...
    async def number(self, identity: str, most: int) -> tuple[int, int]: ...
    async def given(self, identity: str, number: int, last: int) -> None: ...


class _Rows:
    """The requests of a batch that is being read, while its driver may go on writing.

    Chunks are written before the record that tells of them, so what is read after a record is as new as that, or newer.
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
        """Read what changed until this record was written; return how often that was done."""
        new = _changed(stored, self._revs)
        self._rows.update(zip(new, await store.requests(stored["id"], new), strict=True))
        self._revs, self._rounds = stored["chunks"], self._rounds + 1
        return self._rounds


def _changed(stored: Mapping[str, Any], revs: list[int]) -> list[int]:
    """Return the chunks that were written since ``revs``."""
    return [number for number, at in enumerate(stored["chunks"]) if number >= len(revs) or at != revs[number]]


def _incomplete(batch: Batch) -> ApiError:
    return ApiError("not_found", f"the requests of batch {batch.id} are not in the store any more")


class BatchReader:
    """Batches as the store has them.

    What the keeper drives (core/batches/writer.py) is never read over: memory is newer.
    """

    def __init__(self, store: Store, book: BatchRegistry) -> None:
        self._store = store
        self._book = book
        self.driven: set[int] = set()
        """Batches that this engine drives."""
        self.hidden: set[int] = set()
        """Ordered to be forgotten, or lost in part: nobody is shown them any more."""
        self.leaving: dict[int, Batch] = {}
        """Ordered to be forgotten, and still there: whoever drives them has to stop them first."""
        self._revs: dict[int, tuple[int, list[int]]] = {}
        """What was read last of each: the number of the write, and for each chunk that in which it was written."""
        book.reader = self

    def get(self, id_: int) -> Batch | None:
        """Return a batch, also one that is shown no more but has to be stopped still."""
        return self._book.get(id_) or self.leaving.get(id_)

    def unended(self) -> list[Batch]:
        """Return the batches that have not ended and that this engine does not drive."""
        there = [*self._book.known(), *self.leaving.values()]
        return [batch for batch in there if not batch.ended and batch.id not in self.driven]

    def was_read(self, batch: Batch) -> bool:
        """Tell whether a batch was read since it was learned of."""
        return batch.id in self._revs

    def note(self, batch: Batch, rev: int, revs: list[int]) -> None:
        """Note which writing of a batch is known."""
        self._revs[batch.id] = rev, list(revs)

    async def fill(self, batch: Batch) -> None:
        """Give a batch its requests, and the state that belongs to them.

        :raises ApiError: not_found where some are not there any more
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
            # A newer state was noted meanwhile: these requests are not its. While the batch runs, what is missed here
            # comes with the next look; of one that has ended nothing comes any more.
            if stored["rev"] >= known or (rounds >= ROUNDS and not batch.ended):
                break
        if not records.complete(batch, calls, rows.all):
            raise _incomplete(batch)
        before = batch.ended
        records.update(batch, stored)
        records.fill(batch, calls, rows.all)
        self.note(batch, stored["rev"], stored["chunks"])
        if stored["rev"] != known:
            self._book.tell(batch, (), "save" if batch.ended and not before else "update")

    async def take(self, batch: Batch, stored: Mapping[str, Any]) -> None:
        """Read a batch whole that this engine is about to drive, whatever of it is in memory.

        :param stored: its record, which names this engine: nobody else writes any more
        :raises ApiError: not_found where some of its requests are not there any more
        """
        calls, rows = await self._store.calls(batch.id), _Rows()
        await rows.read(self._store, stored)
        if not records.complete(batch, calls, rows.all):
            raise _incomplete(batch)
        records.update(batch, stored)
        records.fill(batch, calls, rows.all)

    def unload(self, batch: Batch) -> None:
        """Keep only the head of a batch, unless it is needed whole."""
        if batch.id not in self.driven and not self._book.held(batch):
            batch.requests, batch.calls = None, []

    async def find(self, id_: int) -> None:
        """Look for a batch that another master may have made."""
        if self._store.shared and id_ not in self.hidden:
            stored = await self._store.record(id_)
            if stored is not None:
                self.learn(stored)

    async def refresh(self, batch: Batch) -> None:
        """Bring a batch that another master drives up to date."""
        if batch.id in self.driven or not self._store.shared:
            return
        stored = await self._store.record(batch.id)
        if batch.id in self.driven:
            return
        if stored is None:
            self.forget(batch)
        else:
            await self.follow(batch, stored)

    async def look_around(self) -> None:
        """Learn of the batches that other masters made, and of those that they removed."""
        if not self._store.shared:
            return
        known = list(self._book.known())
        there = set(await self._store.ids()) - self.hidden
        for batch in known:
            if batch.id not in there and batch.id not in self.driven:
                self.forget(batch)
        new = await self._store.records([id_ for id_ in there if self._book.get(id_) is None])
        for stored in new.values():
            self.learn(stored)

    def learn(self, stored: Mapping[str, Any]) -> None:
        """Keep the head of a batch; one of another release's form is left alone."""
        if stored.get("form") == records.FORM and self.get(stored["id"]) is None:
            self._book.add(records.head(stored), "known")

    async def follow(self, batch: Batch, stored: Mapping[str, Any]) -> None:
        """Take what another master wrote; of the requests only what changed since."""
        known = self._revs.get(batch.id)
        rev, revs = known or (-1, [])
        if stored["rev"] == rev or batch.id in self.driven:
            return
        places: list[int] = []
        if batch.requests is not None:
            new = _changed(stored, revs)
            chunks = await self._store.requests(batch.id, new)
            if batch.id in self.driven or self._revs.get(batch.id) is not known:
                return  # somebody else was quicker, and may have read something newer
            for number, rows in zip(new, chunks, strict=True):
                places += records.take_rows(batch, number, rows)
        self.note(batch, stored["rev"], stored["chunks"])
        before = batch.ended
        records.update(batch, stored)
        self._book.tell(batch, places, "save" if batch.ended and not before else "update")

    def hide(self, batch: Batch) -> None:
        """Show a batch no more that was ordered to be forgotten."""
        self.forget(batch)
        self.hidden.add(batch.id)
        self.leaving[batch.id] = batch

    def forget(self, batch: Batch) -> None:
        """Forget a batch that is not there any more."""
        self._book.remove(batch)
        self._revs.pop(batch.id, None)
        self.leaving.pop(batch.id, None)
