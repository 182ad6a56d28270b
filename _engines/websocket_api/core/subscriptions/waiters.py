"""All requests that wait for an event. Those with the same filter and session share one decision for each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ...errors import ApiError
from ..access.session import Session
from ..access.visibility import Viewer
from ..events.event import Event
from .after import After
from .filter_index import FilterIndex
from .filters import EventFilter

Decide = Callable[[EventFilter, Viewer, Event], "bytes | None"]
_Key = tuple[EventFilter, Session]


class Waiter(Protocol):
    """A request that waits for an event."""

    filter: EventFilter
    session: Session

    def deliver(self, event: Event, body: bytes) -> None:
        """Return the event to the client."""
        ...

    def fail(self, error: ApiError) -> None:
        """Return an error to the client."""
        ...


class Waiters:
    """All requests that wait for an event, found by what their filters ask for."""

    def __init__(self) -> None:
        self._waiters: dict[_Key, dict[Waiter, None]] = {}
        self._index: FilterIndex[_Key] = FilterIndex()

    def __len__(self) -> int:
        return sum(map(len, self._waiters.values()))

    def __bool__(self) -> bool:
        return bool(self._waiters)

    def add(self, waiter: Waiter) -> None:
        """Deliver events to a request from now on."""
        key = (waiter.filter, waiter.session)
        if key not in self._waiters:
            self._waiters[key] = {}
            self._index.add(key, waiter.filter.keys)
        self._waiters[key][waiter] = None

    def remove(self, waiter: Waiter) -> None:
        """Deliver nothing more to a request."""
        key = (waiter.filter, waiter.session)
        waiters = self._waiters.get(key)
        if waiters is None:
            return
        waiters.pop(waiter, None)
        if not waiters:
            del self._waiters[key]
            self._index.remove(key, waiter.filter.keys)

    def deliver(self, event: Event, decide: Decide, *, backlog: bool = False) -> None:
        """Deliver an event to the requests that wait for it.

        :param decide: returns the event's body for a filter and a viewer, or None
        :param backlog: only to those with an earlier position
        """
        for key in self._index.candidates(event):
            waiters = list(self._waiters.get(key, ()))
            filter_, session = key
            if backlog and not isinstance(filter_, After):
                continue
            # The session's present permissions: they may have changed since the request started.
            body = decide(filter_, session.viewer, event)
            if body is not None:
                for waiter in waiters:
                    waiter.deliver(event, body)
