"""SaltEvent's verbs on one subscription to all events that the user may see."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from salt_live.connection import Connection
from salt_live.errors import SaltLiveError
from salt_live.events import EventStreamReader
from salt_live.matching import Pending, match_function
from salt_live.models import Event, Gap
from salt_live.streams import MAX_EVENTS, EventStream

log = logging.getLogger("salt_live")

Handler = Callable[[Event], "Awaitable[None] | None"]


class EventBus:
    """The events of a client, as a SaltEvent object has them.

    :param on_gap: called with each gap; without it a gap is logged
    """

    def __init__(self, connection: Connection, on_gap: Callable[[Gap], None] | None = None) -> None:
        self._connection = connection
        self._on_gap = on_gap
        self._reader: EventStreamReader | None = None
        self._pending = Pending(MAX_EVENTS)
        self._handlers: list[asyncio.Task[None]] = []

    async def listen(self) -> EventStreamReader:
        """Start to receive events, unless that was done."""
        if self._reader is None:
            self._reader = await self._open()
        return self._reader

    async def get_event(self, wait: float, tag: str, full: bool, match_type: str | None, no_block: bool) -> Any:
        """Return the next event whose tag matches, as SaltEvent does."""
        match = match_function(match_type)
        reader = await self.listen()
        found = self._pending.take(tag, match)
        deadline = time.monotonic() + wait if wait and not no_block else None
        while found is None:
            left = 0.0 if no_block else None if deadline is None else max(0.0, deadline - time.monotonic())
            item = await reader.get(left)
            if item is None:
                return None
            if isinstance(item, Gap):
                self._report(item)
            elif match(item.tag, tag):
                found = item
            elif self._pending.keep(item):
                log.warning("dropped the oldest of the events that subscribe() keeps: more than %d wait", MAX_EVENTS)
        return {"tag": found.tag, "data": found.data} if full else found.data

    async def subscribe(self, tag: str | None, match_type: str | None) -> None:
        """Keep matching events for later calls."""
        if tag is not None:
            self._pending.subscribe(tag, match_type)
            await self.listen()

    def unsubscribe(self, tag: str | None, match_type: str | None) -> None:
        """Undo ``subscribe``."""
        if tag is not None:
            self._pending.unsubscribe(tag, match_type)

    async def set_handler(self, handler: Handler) -> None:
        """Call a function with each event from now on."""
        reader = await self._open()
        self._handlers.append(asyncio.create_task(self._handle(reader, handler)))

    async def close(self) -> None:
        """End all subscriptions."""
        for task in self._handlers:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._handlers.clear()
        if self._reader is not None:
            await self._reader.close()
            self._reader = None

    async def _open(self) -> EventStreamReader:
        stream = EventStream({})
        await self._connection.add(stream)
        return EventStreamReader(self._connection, stream)

    async def _handle(self, reader: EventStreamReader, handler: Handler) -> None:
        async with reader:
            try:
                async for item in reader:
                    if isinstance(item, Gap):
                        self._report(item)
                        continue
                    try:
                        done = handler(item)
                        if inspect.isawaitable(done):
                            await done
                    except Exception:
                        log.exception("the event handler failed on %s", item.tag)
            except SaltLiveError as error:
                log.error("no more events for the event handler: %s", error)

    def _report(self, gap: Gap) -> None:
        if self._on_gap is not None:
            self._on_gap(gap)
        else:
            log.warning("%s", gap)
