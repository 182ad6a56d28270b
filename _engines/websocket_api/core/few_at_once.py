"""Handle many items a few at a time, so that other work gets turns of the loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from .timing import Later

Item = TypeVar("Item")


class FewAtOnce(Generic[Item]):
    """A queue whose items are handled in order, in the next turns of the loop.

    :param per_turn: maximum of items in one turn
    :param handle: called with each item; if it raises, the others are still handled
    :param later: ``later(seconds, call)``
    """

    def __init__(self, per_turn: int, handle: Callable[[Item], None], later: Later) -> None:
        self._per_turn = per_turn
        self._handle = handle
        self._later = later
        self._waiting: deque[Item] = deque()
        self._planned = False
        """Whether :meth:`_handle_some` is going to be called."""

    def put(self, item: Item) -> None:
        """Handle an item after those that wait."""
        self._waiting.append(item)
        self._plan()

    def flush(self) -> None:
        """Handle all now."""
        while self._waiting:
            self._handle(self._waiting.popleft())

    def _plan(self) -> None:
        if self._waiting and not self._planned:
            self._planned = True
            self._later(0.0, self._handle_some)

    def _handle_some(self) -> None:
        self._planned = False
        try:
            for _ in range(min(self._per_turn, len(self._waiting))):
                self._handle(self._waiting.popleft())
        finally:  # if one fails, the others are still handled
            self._plan()
