"""Timeouts of the same length for thousands of things, with one timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from .timing import Clock, Later

Thing = TypeVar("Thing")


class Timeouts(Generic[Thing]):
    """Calls ``on_timeout`` for each thing whose timeout was started and not stopped.

    :param seconds: the length of all timeouts
    :param on_timeout: gets a thing whose time is up; its timeout is no longer running
    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    """

    def __init__(self, seconds: float, on_timeout: Callable[[Thing], None], later: Later, clock: Clock) -> None:
        self._seconds = seconds
        self._on_timeout = on_timeout
        self._later = later
        self._clock = clock
        self._ends: dict[Thing, float] = {}
        """When each timeout ends, the earliest first."""
        self._planned = False

    def __contains__(self, thing: object) -> bool:
        return thing in self._ends

    def __len__(self) -> int:
        return len(self._ends)

    def start(self, thing: Thing) -> None:
        """Start the timeout of a thing, or start it again."""
        self._ends.pop(thing, None)
        self._ends[thing] = self._clock() + self._seconds
        self._plan()

    def stop(self, thing: Thing) -> None:
        """Stop a timeout, if it is running."""
        self._ends.pop(thing, None)

    def _plan(self) -> None:
        if self._ends and not self._planned:
            self._planned = True
            self._later(max(0.0, next(iter(self._ends.values())) - self._clock()), self._end)

    def _end(self) -> None:
        self._planned = False
        now = self._clock()
        try:
            while self._ends:
                thing, end = next(iter(self._ends.items()))
                if end > now:
                    break
                del self._ends[thing]
                self._on_timeout(thing)
        finally:
            self._plan()  # after a fault of one thing the others still get theirs
