"""Collect changes and send them at a limited rate; the last state is always sent."""

from __future__ import annotations

from collections.abc import Callable

from ..timing import Clock, Later


class Pacer:
    """Calls ``flush`` soon after :meth:`request_flush`, but never twice within ``seconds``.

    :param seconds: minimum time between two calls
    :param flush: sends what was collected
    :param clock: seconds, monotonic
    """

    def __init__(self, seconds: float, flush: Callable[[], None], later: Later, clock: Clock) -> None:
        self.seconds = seconds
        self._flush = flush
        self._later = later
        self._clock = clock
        self._flushed_at = clock() - seconds
        self._scheduled = False

    @property
    def is_idle(self) -> bool:
        """Whether the time is up and no call is scheduled."""
        return not self._scheduled and self._clock() >= self._flushed_at + self.seconds

    def request_flush(self) -> None:
        """Flush at once if :attr:`is_idle`, else as soon as the time is up."""
        if not self._scheduled:
            self._scheduled = True
            self._later(max(0.0, self._flushed_at + self.seconds - self._clock()), self.flush_now)

    def end(self) -> None:
        """Call nothing more."""
        self._flush = _do_nothing

    def flush_now(self) -> None:
        """Flush now, whatever the time."""
        self._scheduled = False
        self._flushed_at = self._clock()
        self._flush()


def _do_nothing() -> None:
    """Do nothing, in place of a flush that is no longer needed."""
