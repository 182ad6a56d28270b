"""Batches stopped and forgotten: by those whom they belong to, by their age, and by orders that other masters left.

A batch that another master drives is not touched here: an order in the store asks its driver.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ...errors import ApiError
from .batch import Batch
from .reader import BatchReader, Store
from .registry import BatchRegistry
from .request import ENDED

log = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0  # between two looks for batches that are too old

Act = Callable[[Batch], Awaitable[None]]


class RemoteCancel:
    """Leaves orders, and carries out those that others left.

    :param keep_seconds: how long batches that have ended are kept
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    :param stop: stops a batch that this engine drives
    :param release: called before such a batch is forgotten: from then on nothing of it is written
    """

    def __init__(
        self,
        *,
        store: Store,
        book: BatchRegistry,
        reader: BatchReader,
        keep_seconds: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
        stop: Act,
        release: Act,
    ) -> None:
        self._store = store
        self._book = book
        self._reader = reader
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._wall = wall
        self._swept = clock()
        self._removing = asyncio.Lock()
        """Two who remove the same files would get in each other's way."""
        self._obeying: dict[int, asyncio.Task[None]] = {}
        self._waiting: set[int] = set()
        """Batches whose orders cannot be carried out now, as the log was told."""
        self._left: set[int] = set()
        """Batches with orders in the store, or on their way there, that this engine or an earlier run of it left."""
        self._stop = stop
        self._release = release

    async def cancel(self, batch: Batch, *, forget: bool) -> None:
        """Stop a batch, and forget it if that is wanted; where another master drives it, leave an order.

        :raises ApiError: master_unavailable
        """
        if batch.ended or batch.id in self._reader.driven:
            await self._carry_out(batch, forget)
            return
        # Noted first: this engine may be about to take the batch over, as after every start.
        new = batch.id not in self._left
        self._left.add(batch.id)
        try:
            await self._store.order(batch.id, {"forget": forget})
        except ApiError:
            if new:
                self._left.discard(batch.id)
            raise
        if batch.id in self._reader.driven:
            await self._carry_out(batch, forget)
        elif forget:
            self._reader.hide(batch)

    def left(self, batch: Batch) -> bool:
        """Tell whether this engine left an order for a batch that it did not drive."""
        return batch.id in self._left

    async def begin(self) -> set[int]:
        """Find the orders that were left before this start; return the batches that are to be forgotten."""
        orders = await self._store.orders()
        self._left |= set(orders)
        return {id_ for id_, order in orders.items() if order.get("forget")}

    async def clean_up(self, id_: int) -> None:
        """Remove what was written of a batch that was not made after all."""
        try:
            await self._store.remove(id_)
        except ApiError:
            log.debug("what was written of batch %d stays: it has no record, and is found by nobody", id_)

    async def take(self) -> None:
        """Carry out what was ordered of batches that this engine drives, by others or before it drove them."""
        if not self._open:
            return
        for id_, order in (await self._store.orders()).items():
            batch = self._reader.get(id_)
            if batch is not None and id_ in self._reader.driven and id_ not in self._obeying:
                # Beside what is done every second: jobs that do not stop at once must not cost others their lease.
                self._obeying[id_] = asyncio.ensure_future(self._obey(batch, bool(order.get("forget"))))

    def close(self) -> None:
        """Carry out nothing more: the orders stay for whoever goes on."""
        for task in list(self._obeying.values()):
            task.cancel()

    async def sweep(self) -> None:
        """Forget what is too old; called every second."""
        if self._clock() - self._swept < SWEEP_SECONDS:
            return
        self._swept, until = self._clock(), self._wall() - self._keep_seconds
        if self._open:
            await self._settle()
        for batch in self._book.known():
            if batch.finished is not None and batch.finished <= until and batch.id not in self._reader.driven:
                await self._forget(batch)

    async def _settle(self) -> None:
        """Carry out what was ordered of batches that ended before their driver could read it."""
        for id_, order in (await self._store.orders()).items():
            stored = await self._store.record(id_)
            if id_ in self._reader.driven or (stored is not None and stored["status"] not in ENDED):
                continue
            if order.get("forget"):
                await self._store.remove(id_)
                if (batch := self._reader.get(id_)) is not None:
                    self._reader.forget(batch)
            await self._done(id_)

    async def _forget(self, batch: Batch) -> None:
        async with self._removing:
            if self._reader.get(batch.id) is batch:
                await self._store.remove(batch.id)
                self._reader.forget(batch)

    async def _obey(self, batch: Batch, forget: bool) -> None:
        try:
            await self._carry_out(batch, forget)
            self._waiting.discard(batch.id)
        except ApiError as fault:
            if batch.id not in self._waiting:
                log.warning("the order to stop batch %d waits: %s", batch.id, fault.message)
            self._waiting.add(batch.id)
        except Exception:
            log.exception("the order to stop batch %d could not be carried out", batch.id)
        finally:
            del self._obeying[batch.id]

    async def _carry_out(self, batch: Batch, forget: bool) -> None:
        if not batch.ended:
            await self._stop(batch)
        if forget:
            await self._release(batch)
            await self._forget(batch)
        if self._open:
            await self._done(batch.id)

    @property
    def _open(self) -> bool:
        """Whether there may be orders in the store."""
        return self._store.shared or bool(self._left)

    async def _done(self, id_: int) -> None:
        await self._store.ordered(id_)
        self._left.discard(id_)
