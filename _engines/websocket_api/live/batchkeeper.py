"""Keeps batches in the store: writes what changed, reads what others wrote, and takes over from who is gone.

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
from .batches import ENDED, Batch
from .batchids import MASTERS, Ids
from .lease import QUICK_SECONDS, RENEW_SECONDS, SETTLE_SECONDS, SURE_SECONDS, Lease

log = logging.getLogger(__name__)

AROUND_SECONDS = 5.0  # between two looks at what other masters have stored
SWEEP_SECONDS = 10.0  # between two looks for batches that are too old

Sleep = Callable[[float], Awaitable[Any]]


class Store(Protocol):
    """Where batches are kept (master/batchstore.py); every method raises ``master_unavailable`` when it fails."""

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
    async def ordered(self, id_: int) -> None: ...
    async def number(self, identity: str, most: int) -> tuple[int, int]: ...
    async def given(self, identity: str, number: int, last: int) -> None: ...


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
    rev: int = 0
    revs: list[int] = field(default_factory=list)
    """In which write each chunk was written last: so that others read only what changed."""


class BatchKeeper:
    """Batches in the store.

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
        run: str,
        keep_seconds: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._store = store
        self._book = book
        self._run = run
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self.driver: Driver | None = None
        self._lease: Lease | None = None
        self._ids: Ids | None = None
        self._kept: dict[int, _Kept] = {}
        self._revs: dict[int, tuple[int, list[int]]] = {}
        """Of batches that others drive: what was read last."""
        self._hidden: set[int] = set()
        """Ordered to be forgotten: nobody is shown them any more."""
        self._taking: set[int] = set()
        self._failed = False
        self._around = self._swept = clock() - AROUND_SECONDS
        book.reader = self

    def drives(self, batch: Batch) -> bool:
        """Tell whether this engine drives a batch."""
        return batch.id in self._kept

    # For who drives

    async def create(self, make: Callable[[int], Batch], requests: int) -> Batch:
        """Store a new batch, whole; it is there or it is not.

        :param make: makes it, given its id
        :raises ApiError: master_unavailable
        """
        if self._ids is None or self._lease is None:
            raise ApiError("master_unavailable", "the store of batches has not answered yet: try again")
        batch = make(self._ids.take(requests))
        kept = _Kept(batch, self._clock(), self._clock(), chunks=records.chunks_of(range(batch.total)))
        kept.revs = [0] * len(kept.chunks)
        try:
            await self._store.given(self._lease.master, self._ids.master, self._ids.last)
            await self._write(kept, records.calls(batch))
        except ApiError as fault:
            await self._clean_up(batch.id)
            raise ApiError("master_unavailable", f"the batch was not made: {fault.message}") from None
        self._kept[batch.id] = kept
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
            if confirm or self._clock() - kept.confirmed > SURE_SECONDS:
                await self._confirm(kept)
            await self._write(kept)
        if batch.ended and not kept.dirty:
            self._kept.pop(batch.id, None)
            self._revs[batch.id] = kept.rev, kept.revs
            self.unload(batch)

    def sure(self, batch: Batch) -> bool:
        """Tell whether nobody else can drive the batch in this moment."""
        kept = self._kept.get(batch.id)
        return kept is not None and self._clock() - kept.confirmed <= SURE_SECONDS

    async def cancel(self, batch: Batch, *, forget: bool) -> None:
        """Stop a batch, and forget it if that is wanted; where another master drives it, leave an order.

        :raises ApiError: master_unavailable
        """
        if not batch.ended and not self.drives(batch):
            await self._store.order(batch.id, {"forget": forget})
            if forget:
                self._hidden.add(batch.id)
                self._book.remove(batch)
            return
        await self._carry_out(batch, forget)

    # For who reads

    async def fill(self, batch: Batch) -> None:
        """Give a batch its requests."""
        numbers = [places.start // records.CHUNK for places in batch.pieces(records.CHUNK)]
        calls = await self._store.calls(batch.id)
        chunks = await self._store.requests(batch.id, numbers)
        if batch.requests is None:
            records.fill(batch, calls, chunks)

    def unload(self, batch: Batch) -> None:
        """Keep only the head of a batch that nobody needs whole."""
        if not self.drives(batch) and not self._book.held(batch):
            batch.requests, batch.calls = None, []

    async def find(self, id_: int) -> None:
        """Look for a batch that another master may have made."""
        if self._store.shared and id_ not in self._hidden:
            stored = await self._store.record(id_)
            if stored is not None and self._book.get(id_) is None:
                self._learn(stored)

    async def refresh(self, batch: Batch) -> None:
        """Bring a batch that another master drives up to date."""
        if self.drives(batch) or not self._store.shared:
            return
        stored = await self._store.record(batch.id)
        if self.drives(batch):
            return
        if stored is None:
            self._forget_head(batch)
            return
        await self._follow(batch, stored)

    async def look_around(self) -> None:
        """Learn of the batches that other masters made, and of those that they removed."""
        if not self._store.shared:
            return
        there = set(await self._store.ids()) - self._hidden
        for batch in self._book.known():
            if batch.id not in there and not self.drives(batch):
                self._forget_head(batch)
        for stored in (await self._store.records([id_ for id_ in there if self._book.get(id_) is None])).values():
            if self._book.get(stored["id"]) is None:
                self._learn(stored)

    # What it does by itself

    async def tick(self) -> None:
        """Write, renew, look around; called every second."""
        try:
            if self._lease is None:
                await self._begin()
            for kept in list(self._kept.values()):
                due = self._clock() - kept.written >= RENEW_SECONDS
                if (kept.dirty or due) and not kept.lock.locked():
                    await self._save_quietly(kept.batch, due)
            await self._look_at_others()
        except ApiError as fault:
            if not self._failed:
                log.error("%s Batches that run are kept in memory; nothing new is sent until it answers", fault.message)
            self._failed = True
        else:
            if self._failed:
                log.warning("the store of batches answers again")
            self._failed = False
        self._sweep_due()

    async def close(self) -> None:
        """Write what is left, for whoever goes on."""
        for kept in list(self._kept.values()):
            if kept.dirty:
                await self._save_quietly(kept.batch, False)

    async def _begin(self) -> None:
        identity = await self._store.identity()
        number, last = await self._store.number(identity, MASTERS)
        stored = await self._store.records(await self._store.ids())
        self._ids = Ids(number, last, self._wall)
        self._lease = Lease(identity, self._run, self._clock, self._wall)
        for record in stored.values():
            self._learn(record)

    async def _save_quietly(self, batch: Batch, confirm: bool) -> None:
        try:
            await self.save(batch, confirm=confirm)
        except NotOurs:
            log.warning("batch %d is driven by another master now", batch.id)

    async def _look_at_others(self) -> None:
        if self._store.shared and self._kept:
            for id_, order in (await self._store.orders()).items():
                kept = self._kept.get(id_)
                if kept is not None:
                    await self._carry_out(kept.batch, bool(order.get("forget")))
        others = [one for one in self._book.known() if not one.ended and not self.drives(one)]
        for batch in others:
            if self._book.held(batch):
                await self.refresh(batch)
        if self._clock() - self._around < AROUND_SECONDS and not self._due_at_once(others):
            return
        self._around = self._clock()
        await self.look_around()
        await asyncio.gather(*(self._take_over(one) for one in self._book.known() if not one.ended))

    def _due_at_once(self, others: list[Batch]) -> bool:
        # After a start: what an earlier run of this very master drove waits for nobody.
        return any(one.id not in self._revs for one in others)

    async def _take_over(self, batch: Batch) -> None:
        lease = self._lease
        if lease is None or self.drives(batch) or batch.id in self._taking:
            return
        began = self._clock()
        stored = await self._store.record(batch.id)
        if stored is None:
            self._forget_head(batch)
            return
        self._revs.setdefault(batch.id, (-1, []))
        if stored["status"] in ENDED or not (lease.ours(stored) or lease.void(batch.id, stored)):
            await self._follow(batch, stored)
            return
        was = stored["driver"]["master"]
        self._taking.add(batch.id)
        try:
            jobs = [[*row[:4], row[4] or was != lease.master] for row in stored["jobs"]]
            await self._store.write(batch.id, {**stored, "jobs": jobs, "driver": lease.driver()}, {})
            if self._clock() - began > QUICK_SECONDS:
                return
            await self._sleep(SETTLE_SECONDS)
            stored = await self._store.record(batch.id)
            if stored is None or not lease.ours(stored):
                return
            batch.requests = None
            records.update(batch, stored)
            await self.fill(batch)
        finally:
            self._taking.discard(batch.id)
        now = self._clock()
        self._kept[batch.id] = _Kept(batch, now, now, rev=stored["rev"], revs=list(stored["chunks"]), dirty=True)
        lease.forget(batch.id)
        log.info("batch %d goes on here", batch.id)
        if self.driver is not None:
            await self.driver.adopt(batch)

    async def _carry_out(self, batch: Batch, forget: bool) -> None:
        if not batch.ended and self.driver is not None:
            await self.driver.cancel(batch)
        if forget:
            self._kept.pop(batch.id, None)
            await self._store.remove(batch.id)
            self._forget_head(batch)
        if self._store.shared:
            await self._store.ordered(batch.id)

    async def _confirm(self, kept: _Kept) -> None:
        began = self._clock()
        stored = await self._store.record(kept.batch.id)
        # None: the store was emptied. Nobody else can have found the batch there.
        if stored is not None and self._lease is not None and not self._lease.ours(stored):
            self._kept.pop(kept.batch.id, None)
            self._revs[kept.batch.id] = -1, []
            if self.driver is not None:
                self.driver.drop(kept.batch)
            self.unload(kept.batch)
            raise NotOurs
        if stored is None:
            kept.chunks |= records.chunks_of(range(kept.batch.total))
        kept.confirmed = began

    async def _write(self, kept: _Kept, calls: list[dict[str, Any]] | None = None) -> None:
        assert self._lease is not None  # noqa: S101 - nothing is kept before that
        batch, numbers = kept.batch, kept.chunks
        kept.chunks, kept.dirty = set(), False
        kept.rev += 1
        for number in numbers:
            kept.revs[number] = kept.rev
        chunks = {number: records.chunk(batch, number) for number in sorted(numbers)}
        more = {"driver": self._lease.driver(), "rev": kept.rev, "chunks": kept.revs}
        try:
            await self._store.write(batch.id, {**records.record(batch), **more}, chunks, calls)
        except BaseException:
            kept.chunks |= numbers
            kept.dirty = True
            raise
        kept.written = self._clock()

    def _learn(self, stored: Mapping[str, Any]) -> None:
        if stored.get("form") != records.FORM:
            return  # of another release
        self._book.add(records.head(stored), "known")

    async def _follow(self, batch: Batch, stored: Mapping[str, Any]) -> None:
        """Take what another master wrote; of the requests only what changed since."""
        rev, revs = self._revs.get(batch.id, (-1, []))
        if stored["rev"] == rev:
            return
        places: list[int] = []
        if batch.requests is not None:
            new = [number for number, at in enumerate(stored["chunks"]) if number >= len(revs) or at != revs[number]]
            for number, rows in zip(new, await self._store.requests(batch.id, new), strict=True):
                places += records.take_rows(batch, number, rows)
        if self.drives(batch):
            return
        self._revs[batch.id] = stored["rev"], list(stored["chunks"])
        before = batch.ended
        records.update(batch, stored)
        self._book.tell(batch, places, "save" if batch.ended and not before else "update")

    def _forget_head(self, batch: Batch) -> None:
        self._book.remove(batch)
        self._revs.pop(batch.id, None)
        if self._lease is not None:
            self._lease.forget(batch.id)

    async def _clean_up(self, id_: int) -> None:
        try:
            await self._store.remove(id_)
        except ApiError:
            log.debug("what was written of batch %d stays: it has no record, and is found by nobody", id_)

    def _sweep_due(self) -> None:
        if self._clock() - self._swept >= SWEEP_SECONDS:
            self._swept = self._clock()
            self._sweeping = asyncio.ensure_future(self._sweep())

    async def _sweep(self) -> None:
        until = self._wall() - self._keep_seconds
        for batch in self._book.known():
            if batch.finished is not None and batch.finished <= until and not self.drives(batch):
                try:
                    await self._store.remove(batch.id)
                except ApiError:
                    return  # tick() says so
                self._forget_head(batch)
