"""Reading a stream of events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from salt_live.connection import Connection
from salt_live.models import Event, Gap, Position
from salt_live.streams import EventStream


class EventStreamReader:
    """A stream of ``Event`` and ``Gap`` objects. Iterate over it, and close it or use it as a context manager."""

    def __init__(self, connection: Connection, stream: EventStream) -> None:
        self._connection = connection
        self._stream = stream

    async def __aenter__(self) -> EventStreamReader:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Event | Gap]:
        """Yield events and gaps in order, until the stream is closed.

        :raises SaltLiveError: the engine ended the subscription, or the login ended
        """
        while True:
            item = await self.get()
            if item is not None:
                yield item

    async def get(self, timeout: float | None = None) -> Event | Gap | None:
        """Return the next event or gap; None if none arrived within ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (item := self.pop()) is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            try:
                await asyncio.wait_for(self._connection.changed(self._stream), left)
            except asyncio.TimeoutError:
                return self.pop()
        return item

    def pop(self) -> Event | Gap | None:
        """Return the next event or gap that has arrived, or None."""
        item = self._stream.pop()
        if self._stream.paused:
            self._connection.session.read(self._stream)
            self._connection.flush()
        return item

    @property
    def position(self) -> Position | None:
        """The position of the newest event that has arrived: ``since`` of a later stream continues there."""
        return self._stream.position

    @property
    def waiting(self) -> int:
        """How many events have arrived and were not read."""
        return len(self._stream)

    @property
    def pauses(self) -> int:
        """How often the reader was too slow, so that the subscription had to pause."""
        return self._stream.pauses

    async def close(self) -> None:
        """End the subscription."""
        self._connection.remove(self._stream)
