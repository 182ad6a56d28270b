"""Pauses and resumes batches: a pause sends no further jobs, and those that run go on to their end."""

from __future__ import annotations

from .batch import Batch
from .context import BatchContext
from .driven import DrivenBatches
from .remote_pause import is_new
from .writer import NotDriven


class BatchPauser:
    """Pauses batches."""

    def __init__(self, context: BatchContext, *, driven: DrivenBatches) -> None:
        self._context = context
        self._driven = driven

    async def set(self, batch: Batch, paused: bool) -> None:
        """Pause or resume a batch, and store that. If another master drives it, ask that one through the store.

        :raises ApiError: master_unavailable. What this engine drives is paused or resumed all the same
        """
        if not self._context.writer.drives(batch):
            await self._context.remote_pause.write(batch, paused)
            if not self._context.writer.drives(batch):
                return
        self._apply(batch, paused)
        try:
            await self._context.writer.save(batch)
        except NotDriven:
            if not batch.ended:
                await self._context.remote_pause.write(batch, paused)

    async def handle_remote(self) -> None:
        """Handle the requests of other masters for driven batches; called every second.

        :raises ApiError: master_unavailable
        """
        for id_, found in (await self._context.remote_pause.pending()).items():
            batch = self._context.reader.get(id_)
            if batch is None:
                continue
            if batch.ended:
                await self._context.remote_pause.remove(id_)
            elif id_ in self._context.reader.driven and is_new(batch, found):
                self._apply(batch, bool(found["paused"]), str(found["request"]))

    def _apply(self, batch: Batch, paused: bool, request: str | None = None) -> None:
        batch.set_paused(paused, request)
        self._driven.apply_change(batch, ())
        driven = self._driven.get(batch)
        if driven is not None and not paused:
            driven.pacer.request_flush()
