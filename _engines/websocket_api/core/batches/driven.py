"""The batches that this engine sends, and what follows when their requests change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..access.session import Session
from ..delivery.pacing import Pacer
from .batch import Batch
from .context import BatchContext

log = logging.getLogger(__name__)

STOPPED = {"error": "stopped", "message": "not sent: a request before it failed, and the batch stops at errors"}


@dataclass
class DrivenBatch:
    """A batch that this engine sends."""

    batch: Batch
    pacer: Pacer
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a job is published."""
    session: Session | None = None
    blocked_by: str = ""
    """Why nothing can be sent or stopped now, as the log says."""
    sending: bool = False
    """Whether its jobs are being sent, or wait for a slot."""
    poked: bool = False
    """Whether something changed while it was sending."""

    def hold(self, session: Session) -> None:
        """Send with this session from now on."""
        session.hold()
        self.session = session

    def release(self) -> None:
        """Send with no session any more."""
        if self.session is not None:
            self.session.release()
            self.session = None


class DrivenBatches:
    """Driven batches by id, and the tasks that work for them."""

    def __init__(self, context: BatchContext) -> None:
        self._context = context
        self._driven: dict[int, DrivenBatch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._drop_listeners: list[Callable[[Batch], None]] = []

    def __iter__(self) -> Iterator[DrivenBatch]:
        return iter(list(self._driven.values()))

    def __len__(self) -> int:
        return len(self._driven)

    def get(self, batch: Batch) -> DrivenBatch | None:
        """Return a driven batch, or None."""
        return self._driven.get(batch.id)

    def add(self, batch: Batch, pacer: Pacer) -> DrivenBatch:
        """Add a batch."""
        driven = self._driven[batch.id] = DrivenBatch(batch, pacer)
        return driven

    def on_drop(self, listener: Callable[[Batch], None]) -> None:
        """Call a listener with each batch that is dropped."""
        self._drop_listeners.append(listener)

    def drop(self, batch: Batch) -> None:
        """Drop a batch: it has ended, or another master drives it."""
        driven = self._driven.pop(batch.id, None)
        for listener in self._drop_listeners:
            listener(batch)
        if driven is not None:
            driven.release()

    def apply_change(self, batch: Batch, indexes: Collection[int]) -> None:
        """Act on a change: stop at errors, end the batch, tell writer and listeners, send the next requests.

        :param indexes: the requests that changed
        """
        now = self._context.wall()
        if batch.stop and batch.errors and batch.waiting and not batch.ended:
            indexes = [*indexes, *batch.end_all({"pending"}, "canceled", now, STOPPED)]
        ended = batch.finish_if_done(now)
        self._context.writer.mark(batch, indexes)
        self._context.registry.notify(batch, indexes, "save" if ended else "update")
        driven = self._driven.get(batch.id)
        if ended:
            self.drop(batch)
            self.spawn(self._context.writer.try_save(batch))
        elif driven is not None and batch.concurrency:
            driven.pacer.request_flush()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task for a batch; :meth:`close` cancels it, and after :meth:`wait_closed` none starts."""
        if self._closed:
            # A timer or a return of a minion came while the engine stops.
            work.close()
            return
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of a batch failed", exc_info=error)

    async def wait_closed(self) -> None:
        """Cancel all tasks and wait for them: requests that were not sent are pending again afterwards."""
        self._closed = True
        tasks = list(self._tasks)
        self.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Cancel all tasks."""
        for task in list(self._tasks):
            task.cancel()
