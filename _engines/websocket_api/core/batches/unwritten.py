"""What of a batch is not written yet, and the writing of it (core/batches/writer.py tells when)."""

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
    """A batch that this engine drives, and what of it is not written yet."""

    batch: Batch
    confirmed: float
    """When the record was last seen to name this engine."""
    written: float
    chunks: set[int] = field(default_factory=set)
    dirty: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    whole: bool = False
    """Whether the store has nothing of it, not even what its requests ask for."""
    rev: int = 0
    revs: list[int] = field(default_factory=list)
    """In which write each chunk was written last: so that others read only what changed."""

    @classmethod
    def new(cls, batch: Batch, now: float) -> PendingWrites:
        """Return a batch of which the store has nothing yet."""
        chunks = records.chunks_of(range(batch.total))
        return cls(batch, now, now, chunks=chunks, whole=True, revs=[0] * len(chunks))

    def touch(self, places: Iterable[int]) -> None:
        """Note that the batch changed, and these of its requests."""
        self.dirty = True
        self.chunks |= records.chunks_of(places)

    def lost(self) -> None:
        """Note that the store has nothing of it any more."""
        self.chunks |= records.chunks_of(range(self.batch.total))
        self.whole = True

    async def write(self, store: Store, driver: Driver, clock: Callable[[], float]) -> None:
        """Write what changed; should that fail, it stays to be written.

        :param driver: who stands in the record as the batch's driver
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
