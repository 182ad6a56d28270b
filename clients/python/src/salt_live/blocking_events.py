"""Streams of events, and SaltEvent's verbs, for the blocking client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from salt_live.blocking import BlockingEvents
from salt_live.blocking_base import BlockingBase
from salt_live.models import Event, Position
from salt_live.streams import MAX_BYTES, MAX_EVENTS


class BlockingEventVerbs(BlockingBase):
    """SaltEvent's verbs, blocking."""

    def events(
        self,
        tag: str | Sequence[str] = "",
        match_type: str | None = None,
        *,
        since: Position | None = None,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        **filters: Any,
    ) -> BlockingEvents:
        """Subscribe to events and return their stream of ``Event`` and ``Gap``: see ``AsyncClient.events``."""
        opening = self._async.events(
            tag, match_type, since=since, max_events=max_events, max_bytes=max_bytes, **filters
        )
        return BlockingEvents(self, self.run(opening))

    # SaltEvent's verbs

    def get_event(
        self,
        wait: float = 5,
        tag: str = "",
        full: bool = False,
        match_type: str | None = None,
        no_block: bool = False,
        auto_reconnect: bool = False,
    ) -> Any:
        """Return the data of the next event whose tag matches, or None: see ``AsyncClient.get_event``."""
        return self.run(self._async.get_event(wait, tag, full, match_type, no_block, auto_reconnect))

    def iter_events(
        self, tag: str = "", full: bool = False, match_type: str | None = None, auto_reconnect: bool = False
    ) -> Iterator[Any]:
        """Yield the data of each event whose tag matches, forever."""
        while True:
            found = self.get_event(0, tag, full, match_type, False, auto_reconnect)
            if found is not None:
                yield found

    def subscribe(self, tag: str | None = None, match_type: str | None = None) -> None:
        """Keep events whose tag matches for later calls of ``get_event``, when another one reads past them."""
        self.run(self._async.subscribe(tag, match_type))

    def unsubscribe(self, tag: str | None, match_type: str | None = None) -> None:
        """Undo ``subscribe``: drop the events that were kept for it."""
        self.run(self._async.unsubscribe(tag, match_type))

    def set_event_handler(self, event_handler: Callable[[Event], None]) -> None:
        """Call a function with each event from now on, one after the other, on a thread for handlers.

        The function may use this client.
        """

        async def handle(event: Event) -> None:
            await asyncio.get_running_loop().run_in_executor(None, event_handler, event)

        self.run(self._async.set_event_handler(handle))

    def fire_event(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Fire an event on the master's bus: see ``AsyncClient.fire_event``."""
        return self.run(self._async.fire_event(data, tag, timeout))

    def fire_master(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Do the same as ``fire_event``: the bus is the master's."""
        return self.run(self._async.fire_master(data, tag, timeout))
