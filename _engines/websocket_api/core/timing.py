"""Types of the clock and the timer that the core gets as arguments."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]
"""Returns seconds; monotonic unless the argument's documentation says since the epoch."""

Later = Callable[[float, Callable[[], None]], object]
"""``later(seconds, call)`` calls once after this many seconds, as ``loop.call_later`` does."""
