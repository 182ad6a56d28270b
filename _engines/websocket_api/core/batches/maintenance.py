"""What batches need every second: writes, leases, remote cancels, takeovers, and the removal of old batches."""

from __future__ import annotations

import logging

from ...errors import ApiError
from .canceler import BatchCanceler
from .context import BatchContext
from .ids import MASTERS, Ids
from .lease import Lease
from .remover import BatchRemover
from .takeover import Takeover

log = logging.getLogger(__name__)


class BatchMaintenance:
    """Opens the store, and does the periodic work.

    :param run: names this run of the engine
    """

    def __init__(
        self, context: BatchContext, *, remover: BatchRemover, canceler: BatchCanceler, takeover: Takeover, run: str
    ) -> None:
        self._context = context
        self._remover = remover
        self._canceler = canceler
        self._takeover = takeover
        self._run = run
        self._lease: Lease | None = None
        self._failed = False

    async def tick(self) -> None:
        """Do the periodic work; called every second."""
        try:
            if self._lease is None:
                self._lease = await self._open()
            await self._context.writer.write_changes()
            if self._context.writer.drives_any:
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
        identity = await self._context.store.identity()
        number, last = await self._context.store.claim_number(identity, MASTERS)
        to_forget = await self._context.remote.open()
        for stored in (await self._context.store.records(await self._context.store.ids())).values():
            self._context.reader.add(stored)
            if stored["id"] in to_forget and (batch := self._context.registry.get(stored["id"])) is not None:
                self._context.reader.hide(batch)
        lease = Lease(identity, self._run, self._context.clock, self._context.wall)
        self._context.writer.open(lease, Ids(number, last, self._context.wall))
        return lease
