"""Streams of events, and SaltEvent's verbs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from salt_live.client_base import ClientBase
from salt_live.events import EventStreamReader
from salt_live.models import Event, Position
from salt_live.streams import MAX_BYTES, MAX_EVENTS, EventStream

FIRE_SECONDS = 10.0  # at least, for an event on its way to a far engine


class EventVerbs(ClientBase):
    """SaltEvent's verbs for asyncio."""

    async def events(
        self,
        tag: str | Sequence[str] = "",
        match_type: str | None = None,
        *,
        since: Position | None = None,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        **filters: Any,
    ) -> EventStreamReader:
        """Subscribe to events, and return their stream: iterate over it to get ``Event`` and ``Gap`` objects.

        :param tag: what tags are compared with, on the server; several in a list
        :param match_type: ``startswith`` (the default), ``endswith``, ``find``, ``fnmatch`` or ``regex``
        :param since: start after this position, if the history still has it
        :param max_events: how many events wait for a slow reader, in memory here; then the subscription pauses
        :param max_bytes: the same in bytes of JSON
        :param filters: ``minions``, ``master``, ``fun``, ``jid`` and ``without_return`` of the message ``subscribe``
        """
        fields = {**filters, **({"tag": tag if isinstance(tag, str) else list(tag)} if tag else {})}
        if match_type is not None:
            fields["match_type"] = match_type
        stream = EventStream(fields, since, max_events=max_events, max_bytes=max_bytes)
        await self._connection.add(stream)
        return EventStreamReader(self._connection, stream)

    # SaltEvent's verbs

    async def get_event(
        self,
        wait: float = 5,
        tag: str = "",
        full: bool = False,
        match_type: str | None = None,
        no_block: bool = False,
        auto_reconnect: bool = False,
    ) -> Any:
        """Return the data of the next event whose tag matches; None if none arrived in time.

        Other events are dropped, except those that ``subscribe`` keeps. Events count from the first call of
        ``get_event`` or ``subscribe``.

        :param wait: seconds to wait; 0 waits forever
        :param full: whether to return ``{"tag": ..., "data": ...}``
        :param no_block: return only an event that has already arrived
        """
        return await self._bus.get_event(wait, tag, full, match_type, no_block)

    async def iter_events(
        self, tag: str = "", full: bool = False, match_type: str | None = None, auto_reconnect: bool = False
    ) -> AsyncIterator[Any]:
        """Yield the data of each event whose tag matches, forever."""
        while True:
            found = await self._bus.get_event(0, tag, full, match_type, False)
            if found is not None:
                yield found

    async def subscribe(self, tag: str | None = None, match_type: str | None = None) -> None:
        """Keep events whose tag matches for later calls of ``get_event``, when another one reads past them."""
        await self._bus.subscribe(tag, match_type)

    async def unsubscribe(self, tag: str | None, match_type: str | None = None) -> None:
        """Undo ``subscribe``: drop the events that were kept for it."""
        self._bus.unsubscribe(tag, match_type)

    async def set_event_handler(self, event_handler: Callable[[Event], Awaitable[None] | None]) -> None:
        """Call a function, or await a coroutine function, with each event from now on."""
        await self._bus.set_handler(event_handler)

    async def fire_event(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Fire an event on the master's bus.

        :param timeout: milliseconds to wait, as for SaltEvent, but at least ten seconds
        :return: whether the engine has answered
        :raises ValueError: the data is no dict
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"Dict object expected, not '{data}'.")
        try:
            return bool(
                await asyncio.wait_for(
                    self.request("event", tag=tag, body=dict(data)), max(timeout / 1000, FIRE_SECONDS)
                )
            )
        except asyncio.TimeoutError:
            return False

    async def fire_master(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Do the same as ``fire_event``: the bus is the master's."""
        return await self.fire_event(data, tag, timeout)
