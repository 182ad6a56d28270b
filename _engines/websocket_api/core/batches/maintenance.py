"""What batches need every second: writes, leases, remote cancels, takeovers, and the removal of old batches."""

from __future__ import annotations

import logging

from ...errors import ApiError
from ..health import Part
from .canceler import BatchCanceler
from .context import BatchContext
from .ids import MASTERS, Ids
from .lease import Lease
from .pauser import BatchPauser
from .remover import BatchRemover
from .takeover import Takeover

log = logging.getLogger(__name__)

FAULT = "the store of batches fails: running batches wait"


class BatchMaintenance:
    """Opens the store, and does the periodic work.

    :param run: names this run of the engine
    :param health: the state of the store
    """

    def __init__(
        self,
        context: BatchContext,
        *,
        remover: BatchRemover,
        canceler: BatchCanceler,
        pauser: BatchPauser,
        takeover: Takeover,
        run: str,
        health: Part,
    ) -> None:
        self._context = context
        self._remover = remover
        self._canceler = canceler
        self._pauser = pauser
        self._takeover = takeover
        self._run = run
        self._lease: Lease | None = None
        self._health = health

    async def tick(self) -> None:
        """Do the periodic work; called every second."""
        try:
            if self._lease is None:
                self._lease = await self._open()
            await self._context.writer.write_changes()
            if self._context.writer.drives_any:
                await self._canceler.handle_remote()
                await self._pauser.handle_remote()
            await self._takeover.tick(self._lease)
            await self._remover.remove_old()
        except ApiError as error:
            if self._health.fault is None:
                log.error("%s; running batches stay in memory, nothing new is sent until it answers", error.message)
            self._health.fault = FAULT
        else:
            if self._health.fault is not None:
                log.warning("the store of batches answers again")
            self._health.fault = None

    async def _open(self) -> Lease:
        """Read what the store has, and open the writer."""
        identity = await self._context.store.identity()
        number, last = await self._context.store.claim_number(identity, MASTERS)
        to_forget = await self._context.remote.open()
        await self._context.remote_pause.open()
        for stored in (await self._context.store.records(await self._context.store.ids())).values():
            self._context.reader.add(stored)
            batch = self._context.registry.get(stored["id"])
            if batch is None:
                continue
            if not batch.masters and stored["driver"]["master"] == identity:
                self._context.writer.sign(batch)  # it is from a time without other masters
            if batch.id in to_forget:
                self._context.reader.hide(batch)
        self._context.reader.is_complete = True
        lease = Lease(identity, self._run, self._context.clock, self._context.wall)
        self._context.writer.open(lease, Ids(number, last, self._context.wall))
        return lease
