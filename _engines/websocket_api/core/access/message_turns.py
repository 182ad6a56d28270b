"""Read clients' messages in turns, because decoding and checking a large one takes milliseconds of loop time.

A connection delivers one message at a time, but the next ones are already received, as are those of the user's other
connections. Without turns a user who sends a hundred large messages at once would block all others for a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ...fair_share import FairQueue, Share
from ..timing import Later
from .loop_time import LoopTime

TURN_SECONDS = 0.005  # of reading messages in one turn of the loop; then everything else has its turn
ENOUGH_SECONDS = TURN_SECONDS / 2  # if this is left, no call renews it in the next turn: single messages cost none

Read = Callable[[], "Awaitable[None] | None"]
"""Reads a message. The connection's next message waits for the returned awaitable."""


class MessageTurns:
    """Reads messages round robin between users, for a short time in each turn of the loop.

    A user who took more than the allowed part of loop time, operations included, waits while others have requests.

    :param later: ``later(seconds, call)``
    :param loop_time: what each user has taken
    """

    def __init__(self, later: Later, loop_time: LoopTime) -> None:
        self._later = later
        self._loop_time = loop_time
        self.waiting: FairQueue[tuple[Read, asyncio.Future[Awaitable[None] | None]]] = FairQueue()
        self._left = TURN_SECONDS
        self._planned = False

    def submit(self, share: Share, read: Read) -> Awaitable[None] | None:
        """Read a message, now if there is time left.

        :return: what the connection's next message must wait for, or None
        """
        self._loop_time.note(share)
        if len(self.waiting) or self._left <= 0 or not self._loop_time.may_run(share):
            return self._wait(share, read)
        try:
            return self._read(share, read)
        finally:
            if self._left < ENOUGH_SECONDS:
                self._plan(0.0)

    def _read(self, share: Share, read: Read) -> Awaitable[None] | None:
        started = self._loop_time.time()
        try:
            return read()
        finally:
            seconds = self._loop_time.time() - started
            self._left -= seconds
            self._loop_time.charge(share, seconds)

    async def _wait(self, share: Share, read: Read) -> None:
        turn: asyncio.Future[Awaitable[None] | None] = asyncio.get_running_loop().create_future()
        self.waiting.put(share, (read, turn))
        self._plan(0.0)
        try:
            then = await turn
        except asyncio.CancelledError:
            # Removed only in this case: a search among a user's thousands of messages takes longer than reading one.
            self.waiting.remove(share, (read, turn))
            raise
        if then is not None:
            await then

    def _plan(self, seconds: float) -> None:
        if not self._planned:
            self._planned = True
            self._later(seconds, self._next)

    def _next(self) -> None:
        self._planned = False
        self._left = TURN_SECONDS
        while self._left > 0 and (taken := self.waiting.pop(self._loop_time.may_run)) is not None:
            share, (read, turn) = taken
            if turn.done():
                continue  # the connection is closed
            try:
                turn.set_result(self._read(share, read))
            except Exception as error:  # noqa: BLE001 - the waiting task raises it
                turn.set_exception(error)
        if len(self.waiting):
            # If time is left, the waiting users may not take it yet.
            self._plan(0.0 if self._left <= 0 else TURN_SECONDS)
