"""Clients' messages are read in turns: to decode and check a large one takes milliseconds of the loop.

A connection hands over one message at a time, but what it has sent before lies there already, and so does what the
user's other connections have. Without turns, whoever sends a hundred large messages at once is served for a second
before anybody else is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ...fair_share import FairQueue, Share
from ..timing import Later
from .loop_time import LoopTime

TURN_SECONDS = 0.005  # of reading messages in one turn of the loop, after which everything else has its turn

Read = Callable[[], "Awaitable[None] | None"]
"""Reads a message; the connection's next one waits for what it returns."""


class MessageTurns:
    """Reads messages round robin between users, and for a short time in each turn of the loop.

    Who has taken more than their part of the loop's time, with operations too, waits while others ask.

    :param later: ``later(seconds, call)``
    :param loop_time: what each user has taken
    """

    def __init__(self, later: Later, loop_time: LoopTime) -> None:
        self._later = later
        self._loop_time = loop_time
        self.waiting: FairQueue[tuple[Read, asyncio.Future[Awaitable[None] | None]]] = FairQueue()
        self._left = TURN_SECONDS
        self._planned = False

    def take(self, share: Share, read: Read) -> Awaitable[None] | None:
        """Read a message, at once if there is time left; the connection's next one waits for what is returned."""
        self._loop_time.note(share)
        if len(self.waiting) or self._left <= 0 or not self._loop_time.may(share):
            return self._wait(share, read)
        try:
            return self._read(share, read)
        finally:
            self._plan(0.0)

    def _read(self, share: Share, read: Read) -> Awaitable[None] | None:
        began = self._loop_time.time()
        try:
            return read()
        finally:
            took = self._loop_time.time() - began
            self._left -= took
            self._loop_time.charge(share, took)

    async def _wait(self, share: Share, read: Read) -> None:
        turn: asyncio.Future[Awaitable[None] | None] = asyncio.get_running_loop().create_future()
        self.waiting.put(share, (read, turn))
        self._plan(0.0)
        try:
            then = await turn
        finally:
            self.waiting.remove(share, (read, turn))
        if then is not None:
            await then

    def _plan(self, seconds: float) -> None:
        if not self._planned:
            self._planned = True
            self._later(seconds, self._next)

    def _next(self) -> None:
        self._planned = False
        self._left = TURN_SECONDS
        while self._left > 0 and (taken := self.waiting.take(self._loop_time.may)) is not None:
            share, (read, turn) = taken
            if turn.done():
                continue  # the connection has gone
            try:
                turn.set_result(self._read(share, read))
            except Exception as error:  # noqa: BLE001 - whoever waits raises it
                turn.set_exception(error)
        if len(self.waiting):
            # Time left means that those who wait may not yet.
            self._plan(0.0 if self._left <= 0 else TURN_SECONDS)
