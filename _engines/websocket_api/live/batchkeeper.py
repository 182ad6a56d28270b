"""Keeps batches in the store: writes what changed of those that this engine drives.

A store that fails loses no running batch: what runs is followed on in memory and written when the store is well
again; until then nothing new is sent, for it could be sent twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import ApiError
from . import batchrecords as records
from .batchbook import BatchBook
from .batches import Batch
from .batchids import MASTERS, Ids
from .batchreader import BatchReader, Store
from .batchrequests import ENDED
from .lease import RENEW_SECONDS, SURE_SECONDS, Lease
from .takeover import TakeOver

log = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0  # between two looks for batches that are too old


class Driver(Protocol):
    """Sends requests and takes returns (live/dispatch.py)."""

    async def adopt(self, batch: Batch) -> None:
        """Go on with a batch that was read from the store."""
        ...

    def drop(self, batch: Batch) -> None:
        """Leave a batch to another master."""
        ...

    async def cancel(self, batch: Batch) -> None:
        """Stop a batch."""
        ...


class NotOurs(Exception):
    """Another master drives the batch now."""


@dataclass
class _Kept:
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


class BatchKeeper:
    """Batches in the store.

    :param reader: what this engine does not drive
    :param run: names this run of the engine
    :param keep_seconds: how long batches that have ended are kept
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    """

    def __init__(
        self,
        *,
        store: Store,
        book: BatchBook,
        reader: BatchReader,
        run: str,
        keep_seconds: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._book = book
        self._reader = reader
        self._run = run
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._wall = wall
        self.driver: Driver | None = None
        self._lease: Lease | None = None
        self._ids: Ids | None = None
        self._kept: dict[int, _Kept] = {}
        self._failed = False
        self._swept = clock()
        self._takeover = TakeOver(store=store, book=book, reader=reader, clock=clock, sleep=sleep, then=self._took_over)

    # For who drives

    async def create(self, make: Callable[[int], Batch], requests: int) -> Batch:
        """Store a new batch, whole; it is there or it is not.

        :param make: makes it, given its id
        :raises ApiError: master_unavailable
        """
        if self._ids is None or self._lease is None:
            raise ApiError("master_unavailable", "the store of batches has not answered yet: try again")
        batch = make(self._ids.take(requests))
        now, chunks = self._clock(), records.chunks_of(range(batch.total))
        kept = _Kept(batch, now, now, chunks=chunks, whole=True)
        kept.revs = [0] * len(kept.chunks)
        writing = asyncio.ensure_future(self._write_first(kept, self._lease.master, self._ids))
        try:
            await asyncio.shield(writing)
        except ApiError as fault:
            await self._clean_up(batch.id)
            raise ApiError("master_unavailable", f"the batch was not made: {fault.message}") from None
        except asyncio.CancelledError:
            # The engine stops, and who sent this is asked to send it again: it must not be there twice then.
            await asyncio.wait({writing})
            await self._clean_up(batch.id)
            raise
        self._keep(kept)
        self._book.add(batch)
        return batch

    def touch(self, batch: Batch, places: Iterable[int] = ()) -> None:
        """Note what changed, to be written with the next tick."""
        kept = self._kept.get(batch.id)
        if kept is not None:
            kept.dirty = True
            kept.chunks |= records.chunks_of(places)

    async def save(self, batch: Batch, *, confirm: bool = False) -> None:
        """Write now what changed.

        :param confirm: find out first whether this engine still drives the batch
        :raises ApiError: master_unavailable; what changed is kept for the next time
        :raises NotOurs: nothing was written
        """
        kept = self._kept.get(batch.id)
        if kept is None:
            raise NotOurs
        async with kept.lock:
            if self._kept.get(batch.id) is not kept:
                raise NotOurs  # it was let go, and perhaps forgotten, while this waited for its turn
            if confirm or not self.sure(batch):
                await self._confirm(kept)
            await self._write(kept)
        if batch.ended and not kept.dirty:
            self._let_go(kept)

    def drives(self, batch: Batch) -> bool:
        """Tell whether this engine drives a batch."""
        return batch.id in self._kept

    def sure(self, batch: Batch) -> bool:
        """Tell whether nobody else can drive the batch in this moment."""
        kept = self._kept.get(batch.id)
        return kept is not None and self._clock() - kept.confirmed <= SURE_SECONDS

    async def cancel(self, batch: Batch, *, forget: bool) -> None:
        """Stop a batch, and forget it if that is wanted; where another master drives it, leave an order.

        :raises ApiError: master_unavailable
        """
        if batch.ended or batch.id in self._kept:
            await self._carry_out(batch, forget)
            return
        await self._store.order(batch.id, {"forget": forget})
        if forget:
            self._reader.hidden.add(batch.id)
            self._reader.forget(batch)

    # What it does by itself

    async def tick(self) -> None:
        """Write, renew, look around; called every second."""
        try:
            if self._lease is None:
                self._lease = await self._begin()
            for kept in list(self._kept.values()):
                due = self._clock() - kept.written >= RENEW_SECONDS
                if (kept.dirty or due) and not kept.lock.locked():
                    await self._save_quietly(kept.batch, due)
            if self._store.shared and self._kept:
                await self._take_orders()
            await self._takeover.look(self._lease)
            await self._sweep()
        except ApiError as fault:
            if not self._failed:
                log.error("%s Batches that run are kept in memory; nothing new is sent until it answers", fault.message)
            self._failed = True
        else:
            if self._failed:
                log.warning("the store of batches answers again")
            self._failed = False

    async def close(self) -> None:
        """Write what is left, for whoever goes on."""
        for kept in list(self._kept.values()):
            if kept.dirty:
                await self._save_quietly(kept.batch, False)

    async def _begin(self) -> Lease:
        identity = await self._store.identity()
        number, last = await self._store.number(identity, MASTERS)
        for stored in (await self._store.records(await self._store.ids())).values():
            self._reader.learn(stored)
        self._ids = Ids(number, last, self._wall)
        return Lease(identity, self._run, self._clock, self._wall)

    async def _save_quietly(self, batch: Batch, confirm: bool) -> None:
        try:
            await self.save(batch, confirm=confirm)
        except NotOurs:
            log.warning("batch %d is driven by another master now", batch.id)

    async def _take_orders(self) -> None:
        for id_, order in (await self._store.orders()).items():
            kept = self._kept.get(id_)
            if kept is not None:
                await self._carry_out(kept.batch, bool(order.get("forget")))

    async def _settle_orders(self) -> None:
        """Carry out what was ordered of batches that ended before their driver could read it."""
        for id_, order in (await self._store.orders()).items():
            stored = await self._store.record(id_)
            if id_ in self._kept or (stored is not None and stored["status"] not in ENDED):
                continue
            if order.get("forget"):
                await self._store.remove(id_)
                if (batch := self._book.get(id_)) is not None:
                    self._reader.forget(batch)
            await self._store.ordered(id_)

    async def _carry_out(self, batch: Batch, forget: bool) -> None:
        if not batch.ended and self.driver is not None:
            await self.driver.cancel(batch)
        kept = self._kept.get(batch.id)
        if forget:
            if kept is not None:
                async with kept.lock:  # or what is being written would come after the removal
                    self._let_go(kept)
            await self._store.remove(batch.id)
            self._reader.forget(batch)
        if self._store.shared:
            await self._store.ordered(batch.id)

    async def _write_first(self, kept: _Kept, identity: str, ids: Ids) -> None:
        await self._store.given(identity, ids.master, ids.last)
        await self._write(kept)

    async def _confirm(self, kept: _Kept) -> None:
        began = self._clock()
        stored = await self._store.record(kept.batch.id)
        if stored is not None and self._lease is not None and not self._lease.ours(stored):
            if self.driver is not None:
                self.driver.drop(kept.batch)
            self._let_go(kept)
            self._reader.note(kept.batch, -1, [])
            raise NotOurs
        if stored is None:
            # The store was emptied. Nobody else can have found the batch there.
            kept.chunks |= records.chunks_of(range(kept.batch.total))
            kept.whole = True
        kept.confirmed = began

    async def _write(self, kept: _Kept) -> None:
        assert self._lease is not None  # noqa: S101 - nothing is kept before that
        batch, numbers = kept.batch, kept.chunks
        kept.chunks, kept.dirty = set(), False
        kept.rev += 1
        for number in numbers:
            kept.revs[number] = kept.rev
        chunks = {number: records.chunk(batch, number) for number in sorted(numbers)}
        more = {"driver": self._lease.driver(), "rev": kept.rev, "chunks": kept.revs}
        calls = records.calls(batch) if kept.whole else None
        try:
            await self._store.write(batch.id, {**records.record(batch), **more}, chunks, calls)
            kept.whole = False
        except BaseException:
            kept.chunks |= numbers
            kept.dirty = True
            raise
        kept.written = self._clock()

    async def _took_over(self, batch: Batch, stored: Mapping[str, Any], confirmed: float) -> None:
        self._keep(_Kept(batch, confirmed, confirmed, rev=stored["rev"], revs=list(stored["chunks"]), dirty=True))
        log.info("batch %d goes on here", batch.id)
        if self.driver is not None:
            await self.driver.adopt(batch)

    def _keep(self, kept: _Kept) -> None:
        self._kept[kept.batch.id] = kept
        self._reader.driven.add(kept.batch.id)

    def _let_go(self, kept: _Kept) -> None:
        batch = kept.batch
        self._kept.pop(batch.id, None)
        self._reader.driven.discard(batch.id)
        self._reader.note(batch, kept.rev, kept.revs)
        self._reader.unload(batch)

    async def _clean_up(self, id_: int) -> None:
        try:
            await self._store.remove(id_)
        except ApiError:
            log.debug("what was written of batch %d stays: it has no record, and is found by nobody", id_)

    async def _sweep(self) -> None:
        """Forget what is too old."""
        if self._clock() - self._swept < SWEEP_SECONDS:
            return
        self._swept, until = self._clock(), self._wall() - self._keep_seconds
        if self._store.shared:
            await self._settle_orders()
        for batch in self._book.known():
            if batch.finished is not None and batch.finished <= until and batch.id not in self._kept:
                await self._store.remove(batch.id)
                self._reader.forget(batch)
