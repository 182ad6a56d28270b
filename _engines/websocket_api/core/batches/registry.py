"""All batches that this engine knows, and who wants to hear of their changes.

Of batches that have ended, and of those that another master drives, only the head is kept in memory; their requests
are read from the store when somebody asks, and kept while somebody follows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

from ...errors import ApiError
from ..access.visibility import Viewer
from .batch import Batch
from .ids import place_of

Listener = Callable[[Batch, Collection[int], str], None]
"""``call(batch, places of the requests that changed, what)``; ``what`` is create, update, save (it ended), destroy."""


class Reader(Protocol):
    """Reads what is not in memory (core/batches/writer.py)."""

    async def fill(self, batch: Batch) -> None:
        """Give a batch its requests."""
        ...

    def unload(self, batch: Batch) -> None:
        """Keep only the head of a batch, unless it is needed whole."""
        ...

    async def find(self, id_: int) -> None:
        """Look for a batch that another master may have made."""
        ...

    async def refresh(self, batch: Batch) -> None:
        """Bring a batch that another master drives up to date."""
        ...

    async def look_around(self) -> None:
        """Learn of the batches that other masters made."""
        ...


class BatchRegistry:
    """Batches by id."""

    def __init__(self) -> None:
        self._batches: dict[int, Batch] = {}
        self._listeners: list[Listener] = []
        self._held: dict[int, int] = {}
        self.reader: Reader | None = None

    def __len__(self) -> int:
        return len(self._batches)

    def on_change(self, call: Listener) -> None:
        """Call after each change of a batch."""
        self._listeners.append(call)

    def known(self) -> Iterator[Batch]:
        """Yield all batches."""
        yield from list(self._batches.values())

    def get(self, id_: int) -> Batch | None:
        """Return a batch that is known."""
        return self._batches.get(id_)

    def add(self, batch: Batch, what: str = "create") -> None:
        """Keep a batch."""
        self._batches[batch.id] = batch
        self.tell(batch, (), what)

    def remove(self, batch: Batch) -> None:
        """Forget a batch."""
        if self._batches.pop(batch.id, None) is not None:
            self._say(batch, (), "destroy")

    def tell(self, batch: Batch, places: Collection[int], what: str = "update") -> None:
        """Say what changed; of one that was forgotten nothing is said any more."""
        if self._batches.get(batch.id) is batch:
            self._say(batch, places, what)

    def _say(self, batch: Batch, places: Collection[int], what: str) -> None:
        for call in self._listeners:
            call(batch, places, what)

    # For who asks

    async def visible(self, id_: int, viewer: Viewer) -> Batch:
        """Return a batch as it is now; one that may not be seen is none.

        :raises ApiError: not_found, master_unavailable
        """
        batch = self._batches.get(id_)
        if batch is None and self.reader is not None:
            await self.reader.find(id_)
            batch = self._batches.get(id_)
        if batch is None or not may_see(viewer, batch):
            raise no_batch(id_)
        if self.reader is not None and not batch.ended:
            await self.reader.refresh(batch)
            if self._batches.get(id_) is None:
                raise no_batch(id_)
        return batch

    async def whole(self, batch: Batch) -> Batch:
        """Return a batch with its requests, which the caller may keep for as long as it needs (:meth:`hold`).

        :raises ApiError: master_unavailable
        """
        if batch.requests is None and self.reader is not None:
            await self.reader.fill(batch)
        return batch

    async def request(self, id_: int, viewer: Viewer) -> tuple[Batch, int]:
        """Return the batch that a request belongs to, and its place there.

        :raises ApiError: not_found, master_unavailable
        """
        for _ in range(2):
            for batch in self.known():
                place = place_of(batch.id, id_)
                if place is not None and place < batch.total and may_see(viewer, batch):
                    return await self.visible(batch.id, viewer), place
            if self.reader is not None:
                await self.reader.look_around()
        raise ApiError("not_found", f"Can't find request id: {id_}")

    async def listed(self, viewer: Viewer) -> list[Batch]:
        """Return the batches that may be seen, newest first."""
        if self.reader is not None:
            await self.reader.look_around()
        found = [batch for batch in self._batches.values() if may_see(viewer, batch)]
        return sorted(found, key=lambda batch: (batch.created, batch.id), reverse=True)

    # What is kept in memory

    @contextmanager
    def holding(self, batch: Batch) -> Iterator[None]:
        """Keep the requests in memory for a while."""
        self.hold(batch)
        try:
            yield
        finally:
            self.let_go(batch)

    def hold(self, batch: Batch) -> None:
        """Keep the requests in memory: somebody follows."""
        self._held[batch.id] = self._held.get(batch.id, 0) + 1

    def let_go(self, batch: Batch) -> None:
        """Keep them no longer for this one."""
        held = self._held.get(batch.id, 0) - 1
        if held > 0:
            self._held[batch.id] = held
        else:
            self._held.pop(batch.id, None)
            if self.reader is not None:
                self.reader.unload(batch)

    def held(self, batch: Batch) -> bool:
        """Tell whether somebody follows."""
        return batch.id in self._held


def may_see(viewer: Viewer, batch: Batch) -> bool:
    """Tell whether somebody may see a batch: its owner, and who may run anything anywhere."""
    return (viewer.user, viewer.eauth) == (batch.user, batch.eauth) or viewer.permissions.everything


def no_batch(id_: int) -> ApiError:
    """Return the answer for a batch that is not there, or is somebody else's."""
    return ApiError("not_found", f"Can't find batch id: {id_}")
