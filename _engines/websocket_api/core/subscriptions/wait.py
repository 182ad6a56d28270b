"""One request that waits for an event: it looks through the history first, then waits for new events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

from ...errors import ApiError
from ..access.session import Session
from ..access.turns import Waiting
from ..events.event import Event
from ..events.history import Gap
from .after import After
from .filters import EventFilter
from .hub import Hub

STEP = 64
"""Entries of the history that are skipped before the clock is read again: about 30 us."""


class Wait:
    """One request that waits for an event.

    :param position: the number after which it starts to look
    """

    def __init__(self, hub: Hub, filter_: EventFilter, session: Session, position: int) -> None:
        self.filter = filter_
        self.session = session
        self.position = position
        """The last number that was looked at."""
        self._hub = hub
        self._found: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._live = False

    async def first(self, seconds: float, caller: Waiting) -> bytes | None:
        """Return the body of the first event that fits, or None if there is none within the time.

        :param seconds: to wait for new events; the look through the history is not limited by it
        :param caller: the client; the request ends when it is gone
        :raises ApiError: too_many, gap, or the end of the session or of the connection
        """
        hub, share = self._hub, self.session.share
        with ExitStack() as held:
            held.callback(self._retrieve_exception)
            held.callback(hub.limits.patterns.hold(share, self.filter.weight, self.filter).end)
            held.enter_context(caller.waiting(self._found))
            held.callback(self.stop)
            if self.position < hub.history.seq:
                hold = hub.limits.look_backs.hold(share, hub.history.count_after(self.position))
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
            self._hub.waiters.remove(self)
            if not self._found.done():
                self.position = self._hub.history.seq

    def deliver(self, event: Event, body: bytes) -> None:
        """Return the event to the client."""
        if self._check_session() and not self._found.done():
            self.position = event.seq
            self._found.set_result(body)
        self.stop()

    def fail(self, error: ApiError) -> None:
        """Return an error to the client."""
        if not self._found.done():
            self._found.set_exception(error)
        self.stop()

    def _retrieve_exception(self) -> None:
        """Keep asyncio from logging an error that nobody retrieved because another one came at the same time."""
        if self._found.done() and not self._found.cancelled():
            self._found.exception()

    def _wait(self) -> None:
        self._live = True
        self._hub.waiters.add(self)

    def _check_session(self) -> bool:
        """Return whether the session is valid; if not, fail. The token may have come with this request alone."""
        ended = self.session.ended
        if ended is not None:
            self.fail(ended.copy())
        return ended is None

    def _look_back(self) -> Iterator[None]:
        """Look through the history up to its newest event, then wait, so that no event is missed in between."""
        history = self._hub.history
        while self.position < history.seq and self._check_session() and not self._found.done():
            # Entries that were dropped since the last step are skipped.
            for entry in islice(history.after(max(self.position, history.oldest - 1)), STEP):
                self.position = entry.seq
                if isinstance(entry, Gap):
                    if not self._hub.concerns(entry, self.filter):
                        continue
                    if isinstance(self.filter, After) and not self.filter.is_new(entry):
                        continue  # it is before the client's position at that master
                    lost = "the engine did not read the master's bus for a while: events may be missing"
                    self.fail(ApiError("gap", lost, {"oldest": history.oldest}))
                    return
                if self.filter.matches(entry):
                    self._decide(entry)
                    break  # this may be costly: read the clock after each
                entry.forget_derived()
            yield
        if not self._found.done():
            self._wait()

    def _decide(self, event: Event) -> None:
        if not self._check_session():
            return
        body = self._hub.view(self.filter, self.session.viewer, event)
        event.forget_derived()
        if body is not None:
            self._found.set_result(body)
