"""Requests in the store to pause or resume a batch, for the master that drives it or the next run of this engine.

A request stays in the store until its batch has ended. The driver notes in the batch's record which request it handled:
to remove a request could remove a newer one that another master has just written.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from ...errors import ApiError
from .batch import Batch
from .reader import Store


class RemotePause:
    """Writes and reads pause requests."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: set[int] = set()
        """Batches with a request that this engine or an earlier run of it wrote, or is about to write."""

    async def open(self) -> None:
        """Note the requests from before this start."""
        self._written |= set(await self._store.pauses())

    async def write(self, batch: Batch, paused: bool) -> None:
        """Ask the driver of a batch to pause or resume it.

        :raises ApiError: master_unavailable
        """
        # Marked before the write: this engine may take the batch over in the meantime, as after every start.
        new = batch.id not in self._written
        self._written.add(batch.id)
        try:
            await self._store.write_pause(batch.id, {"paused": paused, "request": secrets.token_hex(8)})
        except ApiError:
            if new:
                self._written.discard(batch.id)
            raise

    async def pending(self) -> dict[int, dict[str, Any]]:
        """Return the requests by batch, including those that were handled."""
        if not (self._store.shared or self._written):
            return {}
        return await self._store.pauses()

    async def apply(self, batch: Batch) -> None:
        """Handle the request for a batch that is about to be driven here, before anything of it is sent.

        :raises ApiError: master_unavailable
        """
        if self._store.shared or batch.id in self._written:
            found = await self._store.pause(batch.id)
            if found is not None and is_new(batch, found):
                batch.set_paused(bool(found["paused"]), str(found["request"]))

    async def remove(self, id_: int) -> None:
        """Remove the request for a batch that has ended."""
        if self._store.shared or id_ in self._written:
            await self._store.remove_pause(id_)
            self._written.discard(id_)


def is_new(batch: Batch, found: Mapping[str, Any]) -> bool:
    """Return whether a request was not handled yet."""
    return bool(found.get("request") != batch.pause_request)
