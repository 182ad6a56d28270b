"""The requests that run: those that a stop cancels, and those that go on over a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .call import Call

EVENTS = frozenset({"get_event"})
"""Operations that wait for events. Only the process that numbers them can answer."""
BATCHES = frozenset({"batch", "get_batch", "list_batches", "cancel_batch", "pause_batch", "resume_batch"})
PASSED_ON = EVENTS | BATCHES | {"subscribe", "unsubscribe"}
"""Operations on what the next process has after a reload: numbered events and batches."""
CANCEL_SECONDS = 1.0  # for canceled requests to send their replies
LOOK_SECONDS = 0.01  # between two checks whether the requests have settled

T = TypeVar("T")


class Running:
    """Tasks of requests, and other work that may outlive its client."""

    def __init__(self) -> None:
        self._calls: dict[asyncio.Task[Any], Call | None] = {}

    def start(self, work: Coroutine[Any, Any, T], call: Call | None = None) -> asyncio.Task[T]:
        """Run work in a task.

        :param call: the request that it serves
        """
        task = asyncio.get_running_loop().create_task(work)
        self._calls[task] = call
        task.add_done_callback(self._calls.pop)
        return task

    async def settle(self, seconds: float) -> None:
        """Wait until all requests have ended, or wait for jobs. Cancel those that cannot go on without the state.

        :param seconds: to wait at most; other requests that still work then go on
        """
        await self.cancel(EVENTS.__contains__)
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (working := self._working()) and (left := end - loop.time()) > 0:
            await asyncio.wait(working, timeout=min(left, LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED)
        await self.cancel(PASSED_ON.__contains__)

    def _working(self) -> list[asyncio.Task[Any]]:
        return [task for task, call in self._calls.items() if call is not None and not call.job_waits]

    async def cancel(self, which: Callable[[str], bool] | None = None) -> None:
        """Cancel requests, and wait until they have sent their replies.

        :param which: chooses requests by their operation; None for everything
        """
        tasks = [
            task
            for task, call in self._calls.items()
            if which is None or (call is not None and which(call.message["type"]))
        ]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Wait for everything.

        :param seconds: to wait at most
        """
        if self._calls:
            await asyncio.wait(list(self._calls), timeout=seconds)
