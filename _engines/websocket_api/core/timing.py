"""Types of the clock and the timer that the core gets as arguments, and the text of a time."""

from __future__ import annotations

import datetime
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns seconds; monotonic unless the argument's documentation says since the epoch."""

Later = Callable[[float, Callable[[], None]], object]
"""``later(seconds, call)`` calls once after this many seconds, as ``loop.call_later`` does."""


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()
