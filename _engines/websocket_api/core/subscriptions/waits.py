"""Requests that wait for one event: they look through the history first, then they wait for what comes.

Waits with the same filter and session share one decision for each event; the others are found by their tags.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING

from ...errors import ApiError
from ..access.sessions import Session
from ..access.visibility import Viewer
from ..delivery.caller import Caller
from ..events.event import Event
from ..events.history import Hole
from .filter_index import FilterIndex
from .filters import Wanted

if TYPE_CHECKING:
    from .hub import Hub

STEP = 64  # entries of the history that are passed over between two looks at the clock: 30 us

Decide = Callable[[Wanted, Viewer, Event], "bytes | None"]
_Key = tuple[Wanted, Session]


class Wait:
    """One request that waits for an event.

    :param position: the number after which it begins to look
    """

    def __init__(self, hub: Hub, filter_: Wanted, session: Session, position: int) -> None:
        self.filter = filter_
        self.session = session
        self.position = position
        """The last number that was looked at."""
        self._hub = hub
        self._found: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._live = False

    async def first(self, seconds: float, caller: Caller) -> bytes | None:
        """Return the body of the first event that fits, or None when none came within the time.

        :param seconds: to wait for events that come; to look through the history takes what it takes
        :param caller: the client; nobody looks or waits any more when it is gone
        :raises ApiError: too_many, gap, or the end of the session or of the connection
        """
        hub, share = self._hub, self.session.share
        with ExitStack() as held:
            held.callback(self._heard)
            held.callback(hub.limits.patterns.take(share, self.filter.weight, self.filter).end)
            held.enter_context(caller.waiting(self._found))
            held.callback(self.stop)
            if self.position < hub.history.seq:
                hold = hub.limits.look_backs.take(share, hub.history.count_after(self.position))
                held.callback(hold.end)
                await hub.turns.finish(share, self._look_back(), caller)
                hold.end()
            else:
                self._wait()
            if not self._found.done():
                await asyncio.wait({self._found}, timeout=seconds)
        return self._found.result() if self._found.done() else None

    def stop(self) -> None:
        """Wait no longer."""
        if self._live:
            self._live = False
            self._hub.waits.remove(self)
            if not self._found.done():
                self.position = self._hub.history.seq

    def deliver(self, event: Event, body: bytes) -> None:
        """Take the event that was waited for."""
        if self._has_session() and not self._found.done():
            self.position = event.seq
            self._found.set_result(body)
        self.stop()

    def fail(self, why: ApiError) -> None:
        """End with an error."""
        if not self._found.done():
            self._found.set_exception(why)
        self.stop()

    def _heard(self) -> None:
        """Have asyncio not log an end that came in the same moment as another one."""
        if self._found.done() and not self._found.cancelled():
            self._found.exception()

    def _wait(self) -> None:
        self._live = True
        self._hub.waits.add(self)

    def _has_session(self) -> bool:
        """Tell whether the session has not ended: its token may have come with this request alone."""
        ended = self.session.ended
        if ended is not None:
            self.fail(ended.anew())
        return ended is None

    def _look_back(self) -> Iterator[None]:
        """Look at what is in the history, up to its head; then wait, so that nothing is missed in between."""
        history = self._hub.history
        while self.position < history.seq and self._has_session() and not self._found.done():
            # What was forgotten since the last step is passed over.
            for entry in islice(history.after(max(self.position, history.oldest - 1)), STEP):
                self.position = entry.seq
                if isinstance(entry, Hole):
                    lost = "the master's bus was not heard for a while: events may be missing"
                    self.fail(ApiError("gap", lost, {"oldest": history.oldest}))
                    return
                if self.filter.wants(entry):
                    self._look_at(entry)
                    break  # what is wanted may be costly: the clock is looked at after each
                entry.cuts.clear()
            yield
        if not self._found.done():
            self._wait()

    def _look_at(self, event: Event) -> None:
        if not self._has_session():
            return
        try:
            body = self._hub.view(self.filter, self.session.viewer, event)
        except ApiError as why:
            self.fail(why)
            return
        finally:
            event.cuts.clear()
        if body is not None:
            self._found.set_result(body)


class Waits:
    """All requests that wait for events to come."""

    def __init__(self) -> None:
        self._waits: dict[_Key, dict[Wait, None]] = {}
        self._index: FilterIndex[_Key] = FilterIndex()

    def __len__(self) -> int:
        return sum(map(len, self._waits.values()))

    def add(self, wait: Wait) -> None:
        """Have it wait."""
        key = (wait.filter, wait.session)
        if key not in self._waits:
            self._waits[key] = {}
            self._index.add(key, wait.filter.keys)
        self._waits[key][wait] = None

    def remove(self, wait: Wait) -> None:
        """Have it wait no more."""
        key = (wait.filter, wait.session)
        waits = self._waits.get(key)
        if waits is None:
            return
        waits.pop(wait, None)
        if not waits:
            del self._waits[key]
            self._index.remove(key, wait.filter.keys)

    def take(self, event: Event, decide: Decide) -> None:
        """Hand an event to those who wait for it.

        :param decide: returns as much of the event as a filter and a viewer get, None for nothing
        """
        for key in self._index.of(event):
            waits = list(self._waits.get(key, ()))
            filter_, session = key
            try:
                # With the permissions of now, which may be others than when it began to wait.
                body = decide(filter_, session.viewer, event)
            except ApiError as why:
                for wait in waits:
                    wait.fail(why.anew())
                continue
            if body is not None:
                for wait in waits:
                    wait.deliver(event, body)
