"""Changes gathered and told at most so often, the last state always."""

from __future__ import annotations

from collections.abc import Callable

from ..timing import Later


def _nothing() -> None:
    """Tell nothing."""


class Pacer:
    """Calls ``flush`` soon after :meth:`poke`, but never twice within ``seconds``.

    :param seconds: the least time between two calls
    :param flush: tells what has gathered
    :param clock: seconds, monotonic
    """

    def __init__(self, seconds: float, flush: Callable[[], None], later: Later, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._flush = flush
        self._later = later
        self._clock = clock
        self._flushed = clock() - seconds
        self._asked = False

    @property
    def rested(self) -> bool:
        """Whether the time is up and nothing is about to be told."""
        return not self._asked and self._clock() >= self._flushed + self.seconds

    def poke(self) -> None:
        """Note that something changed: told at once when idle, else as soon as the time is up."""
        if not self._asked:
            self._asked = True
            self._later(max(0.0, self._flushed + self.seconds - self._clock()), self.now)

    def end(self) -> None:
        """Call nothing any more."""
        self._flush = _nothing

    def now(self) -> None:
        """Tell what has gathered, whatever the time."""
        self._asked = False
        self._flushed = self._clock()
        self._flush()
