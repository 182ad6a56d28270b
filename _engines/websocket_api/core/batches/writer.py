"""Writes the batches that this engine drives to the store.

A store that fails loses no running batch: changes stay in memory and are written when the store works again. Until
then nothing new is sent, because it could be sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import ApiError
from ...fair_share import in_turns
from .batch import Batch
from .ids import Ids
from .lease import CONFIRMED_SECONDS, RENEW_SECONDS, Lease
from .pending_writes import PendingWrites
from .reader import BatchReader, Store
from .registry import BatchRegistry

log = logging.getLogger(__name__)


class NotDriven(Exception):
    """This engine does not drive the batch, or no longer."""


class BatchWriter:
    """Writes changes, and holds the lease on the batches that this engine drives.

    :param clock: seconds, monotonic
    :param master: the own master's id, as batches have it; None without others
    """

    def __init__(
        self,
        *,
        store: Store,
        registry: BatchRegistry,
        reader: BatchReader,
        clock: Callable[[], float],
        master: str | None = None,
    ) -> None:
        self.master = master
        self._store = store
        self._registry = registry
        self._reader = reader
        self._clock = clock
        self._lease: Lease | None = None
        self._ids: Ids | None = None
        self._driven: dict[int, PendingWrites] = {}
        self._saving: set[asyncio.Task[None]] = set()
        self._lost_listeners: list[Callable[[Batch], None]] = []

    def on_lost(self, listener: Callable[[Batch], None]) -> None:
        """Call a listener with each batch that another master turns out to drive."""
        self._lost_listeners.append(listener)

    def open(self, lease: Lease, ids: Ids) -> None:
        """Start to write: the store has answered."""
        self._lease, self._ids = lease, ids

    async def create(self, make: Callable[[int], Batch], requests: int) -> Batch:
        """Create a batch and store all of it, or nothing.

        :param make: returns the batch for an id
        :param requests: how many requests the batch has
        :raises ApiError: master_unavailable
        """
        if self._ids is None or self._lease is None:
            raise ApiError("master_unavailable", "the store of batches has not answered yet: try again")
        batch = make(self._ids.allocate(requests))
        self.sign(batch)
        pending = PendingWrites.new(batch, self._clock())
        writing = asyncio.ensure_future(self._write_first(pending, self._lease.master, self._ids))
        try:
            await asyncio.shield(writing)
        except ApiError as error:
            await self._remove_remains(batch)
            raise ApiError("master_unavailable", f"the batch was not created: {error.message}") from None
        except asyncio.CancelledError:
            # The engine stops, and the client is asked to send this again: the batch must not exist twice then.
            await asyncio.wait({writing})
            await self._remove_remains(batch)
            raise
        self._drive(pending)
        self._registry.add(batch)
        return batch

    def take_over(self, batch: Batch, stored: Mapping[str, Any], confirmed: float) -> None:
        """Drive a batch that was read from the store.

        :param stored: its record, which names this engine
        :param confirmed: when the record was read
        """
        self.sign(batch)
        pending = PendingWrites(batch, confirmed, confirmed, rev=stored["rev"], revs=list(stored["chunks"]), dirty=True)
        self._drive(pending)

    def sign(self, batch: Batch) -> None:
        """Note that the own master drives a batch, if there are others."""
        if self.master is not None:
            batch.set_master(self.master)

    def mark(self, batch: Batch, indexes: Iterable[int] = ()) -> None:
        """Mark a batch and these requests as changed; the next :meth:`write_changes` writes them."""
        pending = self._driven.get(batch.id)
        if pending is not None:
            pending.mark(indexes)

    async def save(self, batch: Batch, *, confirm: bool = False) -> None:
        """Write the changes of a batch now.

        :param confirm: first read the record, to learn whether this engine still drives the batch
        :raises ApiError: master_unavailable; the changes stay pending
        :raises NotDriven: nothing was written
        """
        pending = self._driven.get(batch.id)
        if pending is None:
            raise NotDriven
        saving = asyncio.ensure_future(self._save(pending, confirm))
        self._saving.add(saving)
        saving.add_done_callback(self._saved)
        # A write in a thread of the store cannot be interrupted: the next write has to wait for it.
        await asyncio.shield(saving)

    async def try_save(self, batch: Batch) -> None:
        """Write the changes of a batch now; if that fails, the next :meth:`write_changes` writes them."""
        try:
            await self.save(batch)
        except (ApiError, NotDriven):
            log.debug("cannot write batch %d now", batch.id)

    def drives(self, batch: Batch) -> bool:
        """Return whether this engine drives a batch."""
        return batch.id in self._driven

    @property
    def drives_any(self) -> bool:
        """Whether this engine drives any batch."""
        return bool(self._driven)

    def is_confirmed(self, batch: Batch) -> bool:
        """Return whether no other master can drive the batch at this moment."""
        pending = self._driven.get(batch.id)
        return pending is not None and self._clock() - pending.confirmed <= CONFIRMED_SECONDS

    async def write_changes(self) -> None:
        """Write pending changes, and renew leases that are due; called every second.

        :raises ApiError: master_unavailable
        """
        # In turns between users: one user may have a thousand batches, and each write takes the store some time.
        for pending in in_turns(list(self._driven.values()), lambda pending: pending.batch.share):
            due = self._clock() - pending.written >= RENEW_SECONDS
            if (pending.dirty or due) and not pending.lock.locked():
                await self._save_if_driven(pending.batch, due)

    async def release(self, batch: Batch) -> None:
        """Stop driving a batch: nothing of it is written after this returns."""
        pending = self._driven.get(batch.id)
        if pending is not None:
            async with pending.lock:  # a write that is under way would end after the removal
                self._stop_driving(pending)

    async def close(self) -> None:
        """Write all pending changes, for the next run."""
        for pending in list(self._driven.values()):
            if pending.dirty:
                try:
                    await self._save_if_driven(pending.batch, False)
                except ApiError:
                    log.debug("cannot write batch %d at the end", pending.batch.id)

    async def _save(self, pending: PendingWrites, confirm: bool) -> None:
        batch = pending.batch
        async with pending.lock:
            if self._driven.get(batch.id) is not pending:
                raise NotDriven  # it was released, and maybe forgotten, while this waited for the lock
            if confirm or not self.is_confirmed(batch):
                await self._confirm(pending)
            await self._write(pending)
        if batch.ended and not pending.dirty:
            self._stop_driving(pending)

    def _saved(self, saving: asyncio.Task[None]) -> None:
        self._saving.discard(saving)
        if not saving.cancelled():
            saving.exception()  # the caller may have been canceled: mark the exception as retrieved

    async def _save_if_driven(self, batch: Batch, confirm: bool) -> None:
        with contextlib.suppress(NotDriven):
            await self.save(batch, confirm=confirm)

    async def _write_first(self, pending: PendingWrites, identity: str, ids: Ids) -> None:
        await self._store.write_last(identity, ids.master, ids.last)
        await self._write(pending)

    async def _remove_remains(self, batch: Batch) -> None:
        """Remove the parts of a batch that was not created."""
        try:
            await self._store.remove(batch.id)
        except ApiError:
            log.debug("parts of batch %d stay in the store: it has no record, so nothing finds them", batch.id)

    async def _confirm(self, pending: PendingWrites) -> None:
        started = self._clock()
        stored = await self._store.record(pending.batch.id)
        if stored is not None and self._lease is not None and not self._lease.is_ours(stored):
            log.warning("batch %d is driven by another master now", pending.batch.id)
            for listener in self._lost_listeners:
                listener(pending.batch)
            self._stop_driving(pending)
            self._reader.set_version(pending.batch, -1, [])
            raise NotDriven
        if stored is None:
            # The store was emptied. No other master can have found the batch there.
            pending.mark_all()
        pending.confirmed = started

    async def _write(self, pending: PendingWrites) -> None:
        assert self._lease is not None  # noqa: S101 - nothing is driven before open()
        await pending.write(self._store, self._lease.driver(), self._clock)

    def _drive(self, pending: PendingWrites) -> None:
        self._driven[pending.batch.id] = pending
        self._reader.driven.add(pending.batch.id)

    def _stop_driving(self, pending: PendingWrites) -> None:
        batch = pending.batch
        self._driven.pop(batch.id, None)
        self._reader.driven.discard(batch.id)
        self._reader.set_version(batch, pending.rev, pending.revs)
        self._reader.unload(batch)
