"""Keeps batches in the store: writes what changed of those that this engine drives.

A store that fails loses no running batch: what runs is followed on in memory and written when the store is well
again; until then nothing new is sent, for it could be sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from ...errors import ApiError
from ...fair_share import in_turns
from .batch import Batch
from .ids import MASTERS, Ids
from .lease import RENEW_SECONDS, SURE_SECONDS, Lease
from .reader import BatchReader, Store
from .registry import BatchRegistry
from .remote_cancel import RemoteCancel
from .takeover import Takeover
from .unwritten import PendingWrites

log = logging.getLogger(__name__)


class Driver(Protocol):
    """Sends requests and takes returns (core/batches/runner.py)."""

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


class BatchWriter:
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
        book: BatchRegistry,
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
        self._clock = clock
        self._wall = wall
        self.driver: Driver | None = None
        self._lease: Lease | None = None
        self._ids: Ids | None = None
        self._kept: dict[int, PendingWrites] = {}
        self._failed = False
        self._saving: set[asyncio.Task[None]] = set()
        self.orders = RemoteCancel(
            store=store,
            book=book,
            reader=reader,
            keep_seconds=keep_seconds,
            clock=clock,
            wall=wall,
            stop=self._stop,
            release=self._release,
        )
        self._takeover = Takeover(store=store, book=book, reader=reader, clock=clock, sleep=sleep, then=self._took_over)

    # For who drives

    async def create(self, make: Callable[[int], Batch], requests: int) -> Batch:
        """Store a new batch, whole; it is there or it is not.

        :param make: makes it, given its id
        :raises ApiError: master_unavailable
        """
        if self._ids is None or self._lease is None:
            raise ApiError("master_unavailable", "the store of batches has not answered yet: try again")
        batch = make(self._ids.take(requests))
        kept = PendingWrites.new(batch, self._clock())
        writing = asyncio.ensure_future(self._write_first(kept, self._lease.master, self._ids))
        try:
            await asyncio.shield(writing)
        except ApiError as fault:
            await self.orders.clean_up(batch.id)
            raise ApiError("master_unavailable", f"the batch was not made: {fault.message}") from None
        except asyncio.CancelledError:
            # The engine stops, and who sent this is asked to send it again: it must not be there twice then.
            await asyncio.wait({writing})
            await self.orders.clean_up(batch.id)
            raise
        self._keep(kept)
        self._book.add(batch)
        return batch

    def touch(self, batch: Batch, places: Iterable[int] = ()) -> None:
        """Note what changed, to be written with the next tick."""
        kept = self._kept.get(batch.id)
        if kept is not None:
            kept.touch(places)

    async def save(self, batch: Batch, *, confirm: bool = False) -> None:
        """Write now what changed.

        :param confirm: find out first whether this engine still drives the batch
        :raises ApiError: master_unavailable; what changed is kept for the next time
        :raises NotOurs: nothing was written
        """
        kept = self._kept.get(batch.id)
        if kept is None:
            raise NotOurs
        saving = asyncio.ensure_future(self._save(kept, confirm))
        self._saving.add(saving)
        saving.add_done_callback(self._saved)
        # A write in one of the store's threads cannot be broken off: what is written after it has to wait for it.
        await asyncio.shield(saving)

    def drives(self, batch: Batch) -> bool:
        """Tell whether this engine drives a batch."""
        return batch.id in self._kept

    def sure(self, batch: Batch) -> bool:
        """Tell whether nobody else can drive the batch in this moment."""
        kept = self._kept.get(batch.id)
        return kept is not None and self._clock() - kept.confirmed <= SURE_SECONDS

    # What it does by itself

    async def tick(self) -> None:
        """Write, renew, look around; called every second."""
        try:
            if self._lease is None:
                self._lease = await self._begin()
            # In turns between users: of one of them there may be a thousand, and each takes the store a while.
            for kept in in_turns(list(self._kept.values()), lambda kept: kept.batch.share):
                due = self._clock() - kept.written >= RENEW_SECONDS
                if (kept.dirty or due) and not kept.lock.locked():
                    await self._save_quietly(kept.batch, due)
            if self._kept:
                await self.orders.take()
            await self._takeover.look(self._lease)
            await self.orders.sweep()
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
        self.orders.close()
        for kept in list(self._kept.values()):
            if kept.dirty:
                try:
                    await self._save_quietly(kept.batch, False)
                except ApiError:
                    log.debug("batch %d could not be written at the end", kept.batch.id)

    async def _begin(self) -> Lease:
        identity = await self._store.identity()
        number, last = await self._store.number(identity, MASTERS)
        unwanted = await self.orders.begin()
        for stored in (await self._store.records(await self._store.ids())).values():
            self._reader.learn(stored)
            if stored["id"] in unwanted and (batch := self._book.get(stored["id"])) is not None:
                self._reader.hide(batch)
        self._ids = Ids(number, last, self._wall)
        return Lease(identity, self._run, self._clock, self._wall)

    async def _save(self, kept: PendingWrites, confirm: bool) -> None:
        batch = kept.batch
        async with kept.lock:
            if self._kept.get(batch.id) is not kept:
                raise NotOurs  # it was let go, and perhaps forgotten, while this waited for its turn
            if confirm or not self.sure(batch):
                await self._confirm(kept)
            await self._write(kept)
        if batch.ended and not kept.dirty:
            self._let_go(kept)

    def _saved(self, saving: asyncio.Task[None]) -> None:
        self._saving.discard(saving)
        if not saving.cancelled():
            saving.exception()  # whoever wanted it saved may have been canceled

    async def _save_quietly(self, batch: Batch, confirm: bool) -> None:
        with contextlib.suppress(NotOurs):
            await self.save(batch, confirm=confirm)

    async def _stop(self, batch: Batch) -> None:
        if self.driver is not None:
            await self.driver.cancel(batch)

    async def _release(self, batch: Batch) -> None:
        kept = self._kept.get(batch.id)
        if kept is not None:
            async with kept.lock:  # or what is being written would come after the removal
                self._let_go(kept)

    async def _write_first(self, kept: PendingWrites, identity: str, ids: Ids) -> None:
        await self._store.given(identity, ids.master, ids.last)
        await self._write(kept)

    async def _confirm(self, kept: PendingWrites) -> None:
        began = self._clock()
        stored = await self._store.record(kept.batch.id)
        if stored is not None and self._lease is not None and not self._lease.ours(stored):
            log.warning("batch %d is driven by another master now", kept.batch.id)
            if self.driver is not None:
                self.driver.drop(kept.batch)
            self._let_go(kept)
            self._reader.note(kept.batch, -1, [])
            raise NotOurs
        if stored is None:
            # The store was emptied. Nobody else can have found the batch there.
            kept.lost()
        kept.confirmed = began

    async def _write(self, kept: PendingWrites) -> None:
        assert self._lease is not None  # noqa: S101 - nothing is kept before that
        await kept.write(self._store, self._lease.driver(), self._clock)

    async def _took_over(self, batch: Batch, stored: Mapping[str, Any], confirmed: float, ordered: bool) -> None:
        self._keep(
            PendingWrites(batch, confirmed, confirmed, rev=stored["rev"], revs=list(stored["chunks"]), dirty=True)
        )
        if ordered or self.orders.left(batch):
            # Before anything of it is sent. What else the order says is done with the next tick.
            batch.final = batch.final or "canceled"
        log.info("batch %d goes on here", batch.id)
        if self.driver is not None:
            await self.driver.adopt(batch)

    def _keep(self, kept: PendingWrites) -> None:
        self._kept[kept.batch.id] = kept
        self._reader.driven.add(kept.batch.id)

    def _let_go(self, kept: PendingWrites) -> None:
        batch = kept.batch
        self._kept.pop(batch.id, None)
        self._reader.driven.discard(batch.id)
        self._reader.note(batch, kept.rev, kept.revs)
        self._reader.unload(batch)
