"""Timeouts of the same length for thousands of items, with one timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from .timing import Clock, Later

Item = TypeVar("Item")


class Timeouts(Generic[Item]):
    """Calls ``on_timeout`` for each item whose timeout was started and not stopped.

    :param seconds: the length of all timeouts
    :param on_timeout: called with an item when its timeout ends; if it raises, the others still get theirs
    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    """

    def __init__(self, seconds: float, on_timeout: Callable[[Item], None], later: Later, clock: Clock) -> None:
        self._seconds = seconds
        self._on_timeout = on_timeout
        self._later = later
        self._clock = clock
        self._ends: dict[Item, float] = {}
        """When each timeout ends, the earliest first."""
        self._planned = False
        """Whether :meth:`_end` is going to be called."""

    def __contains__(self, item: object) -> bool:
        return item in self._ends

    def __len__(self) -> int:
        return len(self._ends)

    def start(self, item: Item) -> None:
        """Start the timeout of an item, or start it again."""
        self._ends.pop(item, None)
        self._ends[item] = self._clock() + self._seconds
        self._plan()

    def stop(self, item: Item) -> None:
        """Stop a timeout, if it is running."""
        self._ends.pop(item, None)

    def _plan(self) -> None:
        if self._ends and not self._planned:
            self._planned = True
            self._later(max(0.0, next(iter(self._ends.values())) - self._clock()), self._end)

    def _end(self) -> None:
        self._planned = False
        now = self._clock()
        try:
            while self._ends:
                item, end = next(iter(self._ends.items()))
                if end > now:
                    break
                del self._ends[item]
                self._on_timeout(item)
        finally:
            self._plan()  # if one call fails, the other items still get theirs
