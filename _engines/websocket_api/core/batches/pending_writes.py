"""The changes of a batch that are not written yet, and how they are written (writer.py decides when)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from . import records
from .batch import Batch
from .lease import Driver
from .reader import Store


@dataclass
class PendingWrites:
    """A batch that this engine drives, and its changes that are not written yet."""

    batch: Batch
    confirmed: float
    """When the record was last read and named this engine."""
    written: float
    chunks: set[int] = field(default_factory=set)
    dirty: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    whole: bool = False
    """Whether the store has nothing of the batch, not even its calls."""
    rev: int = 0
    revs: list[int] = field(default_factory=list)
    """For each chunk the write that changed it last: other masters read only the chunks that changed."""

    @classmethod
    def new(cls, batch: Batch, now: float) -> PendingWrites:
        """Return the pending writes of a batch that is not stored yet."""
        chunks = records.chunks_of(range(batch.total))
        return cls(batch, now, now, chunks=chunks, whole=True, revs=[0] * len(chunks))

    def mark(self, indexes: Iterable[int]) -> None:
        """Mark the batch and these requests as changed."""
        self.dirty = True
        self.chunks |= records.chunks_of(indexes)

    def mark_all(self) -> None:
        """Mark everything as changed, because the store lost the batch."""
        self.chunks |= records.chunks_of(range(self.batch.total))
        self.whole = True

    async def write(self, store: Store, driver: Driver, clock: Callable[[], float]) -> None:
        """Write the changes; if that fails they stay pending.

        :param driver: the driver that the record names
        :param clock: seconds, monotonic
        :raises ApiError: master_unavailable
        """
        batch, numbers = self.batch, self.chunks
        self.chunks, self.dirty = set(), False
        self.rev += 1
        for number in numbers:
            self.revs[number] = self.rev
        chunks = {number: records.chunk(batch, number) for number in sorted(numbers)}
        more = {"driver": driver, "rev": self.rev, "chunks": self.revs}
        calls = records.calls(batch) if self.whole else None
        try:
            await store.write(batch.id, {**records.record(batch), **more}, chunks, calls)
            self.whole = False
        except BaseException:
            self.chunks |= numbers
            self.dirty = True
            raise
        self.written = clock()
