"""Clients' messages are read in turns: to decode and check a large one takes milliseconds of the loop.

A connection hands over one message at a time, but what it has sent before lies there already, and so does what the
user's other connections have. Without turns, whoever sends a hundred large messages at once is served for a second
before anybody else is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from ..fair_share import FairQueue, Share

TURN_SECONDS = 0.005  # of reading messages in one turn of the loop, after which everything else has its turn

Read = Callable[[], "Awaitable[None] | None"]
"""Reads a message; the connection's next one waits for what it returns."""


class MessageTurns:
    """Reads messages round robin between users, and for a short time in each turn of the loop.

    :param soon: calls in the next turn of the loop
    :param clock: seconds
    """

    def __init__(
        self, soon: Callable[[Callable[[], None]], object], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._soon = soon
        self._clock = clock
        self.waiting: FairQueue[tuple[Read, asyncio.Future[Awaitable[None] | None]]] = FairQueue()
        self._left = TURN_SECONDS
        self._planned = False

    def take(self, share: Share, read: Read) -> Awaitable[None] | None:
        """Read a message, at once if there is time left; the connection's next one waits for what is returned."""
        if not len(self.waiting) and self._left > 0:
            began = self._clock()
            try:
                return read()
            finally:
                self._left -= self._clock() - began
                self._plan()
        return self._wait(share, read)

    async def _wait(self, share: Share, read: Read) -> None:
        turn: asyncio.Future[Awaitable[None] | None] = asyncio.get_running_loop().create_future()
        self.waiting.put(share, (read, turn))
        self._plan()
        try:
            then = await turn
        finally:
            self.waiting.remove(share, (read, turn))
        if then is not None:
            await then

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._soon(self._next)

    def _next(self) -> None:
        self._planned = False
        self._left, began = TURN_SECONDS, self._clock()
        while self._left > 0 and (taken := self.waiting.take()) is not None:
            _, (read, turn) = taken
            if turn.done():
                continue  # the connection has gone
            try:
                turn.set_result(read())
            except Exception as fault:  # noqa: BLE001 - whoever waits raises it
                turn.set_exception(fault)
            self._left = TURN_SECONDS - (self._clock() - began)
        if len(self.waiting):
            self._plan()
