"""What batches need every second: writes, leases, remote cancels, takeovers, and the removal of old batches."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...errors import ApiError
from .canceler import BatchCanceler
from .ids import MASTERS, Ids
from .lease import Lease
from .reader import BatchReader, Store
from .registry import BatchRegistry
from .remote_cancel import RemoteCancel
from .remover import BatchRemover
from .takeover import Takeover
from .writer import BatchWriter

log = logging.getLogger(__name__)


class BatchMaintenance:
    """Opens the store, and does the periodic work.

    :param run: names this run of the engine
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    """

    def __init__(
        self,
        *,
        store: Store,
        registry: BatchRegistry,
        reader: BatchReader,
        writer: BatchWriter,
        remote: RemoteCancel,
        remover: BatchRemover,
        canceler: BatchCanceler,
        takeover: Takeover,
        run: str,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._store = store
        self._registry = registry
        self._reader = reader
        self._writer = writer
        self._remote = remote
        self._remover = remover
        self._canceler = canceler
        self._takeover = takeover
        self._run = run
        self._clock = clock
        self._wall = wall
        self._lease: Lease | None = None
        self._failed = False

    async def tick(self) -> None:
        """Do the periodic work; called every second."""
        try:
            if self._lease is None:
                self._lease = await self._open()
            await self._writer.write_changes()
            if self._writer.drives_any:
                await self._canceler.handle_remote()
            await self._takeover.tick(self._lease)
            await self._remover.remove_old()
        except ApiError as error:
            if not self._failed:
                log.error("%s; running batches stay in memory, nothing new is sent until it answers", error.message)
            self._failed = True
        else:
            if self._failed:
                log.warning("the store of batches answers again")
            self._failed = False

    async def _open(self) -> Lease:
        """Read what the store has, and open the writer."""
        identity = await self._store.identity()
        number, last = await self._store.claim_number(identity, MASTERS)
        to_forget = await self._remote.open()
        for stored in (await self._store.records(await self._store.ids())).values():
            self._reader.add(stored)
            if stored["id"] in to_forget and (batch := self._registry.get(stored["id"])) is not None:
                self._reader.hide(batch)
        lease = Lease(identity, self._run, self._clock, self._wall)
        self._writer.open(lease, Ids(number, last, self._wall))
        return lease
