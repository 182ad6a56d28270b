"""Cancel requests in the store: they reach the master that drives a batch, or the next run of this engine."""

from __future__ import annotations

from ...errors import ApiError
from .batch import Batch
from .reader import Store


class RemoteCancel:
    """Writes and reads cancel requests."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: set[int] = set()
        """Batches whose cancel request this engine or an earlier run of it wrote, or is about to write."""

    @property
    def may_exist(self) -> bool:
        """Whether the store may have cancel requests."""
        return self._store.shared or bool(self._written)

    async def open(self) -> set[int]:
        """Read the requests from before this start; return the ids of batches that are to be forgotten."""
        found = await self._store.cancels()
        self._written |= set(found)
        return {id_ for id_, fields in found.items() if fields.get("forget")}

    async def write(self, batch: Batch, *, forget: bool) -> None:
        """Ask the driver of a batch to cancel it.

        :param forget: whether to forget the batch as well
        :raises ApiError: master_unavailable
        """
        # Marked before the write: this engine may take the batch over in the meantime, as after every start.
        new = batch.id not in self._written
        self._written.add(batch.id)
        try:
            await self._store.write_cancel(batch.id, {"forget": forget})
        except ApiError:
            if new:
                self._written.discard(batch.id)
            raise

    def has_written(self, batch: Batch) -> bool:
        """Return whether this engine wrote a cancel request for a batch."""
        return batch.id in self._written

    async def pending(self) -> dict[int, bool]:
        """Return the batches that are to be canceled, each with whether to forget it."""
        if not self.may_exist:
            return {}
        return {id_: bool(fields.get("forget")) for id_, fields in (await self._store.cancels()).items()}

    async def remove(self, id_: int) -> None:
        """Remove the request for a batch, because it was handled."""
        if self.may_exist:
            await self._store.remove_cancel(id_)
            self._written.discard(id_)
