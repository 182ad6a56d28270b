"""Turns at something of which there are few."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Lane:
    """At most ``size`` open channels of one kind, handed out in the order of asking."""

    def __init__(self, size: int) -> None:
        self.size = max(1, size)
        # Kept channels that nobody uses; the one used last goes first, it is the surest to be alive.
        self.idle: list[Any] = []
        # How many are handed out, and who waits for one.
        self.out = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, seconds: float) -> bool:
        """Wait for a turn; False when it did not come within ``seconds``."""
        if self.out < self.size and not self.waiting:
            self.out += 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await asyncio.wait({turn}, timeout=max(0.0, seconds))
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # the turn came in the same moment: it belongs to the next in line now
            raise
        finally:
            if not turn.done():
                turn.cancel()
                self.waiting.remove(turn)
        return not turn.cancelled()

    def leave(self) -> None:
        """Give the turn to the next in line."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.out -= 1
