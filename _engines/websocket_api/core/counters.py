"""Counts since the engine started; gauges are read at the time of the request (protocols/metrics.py)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass
class Counters:
    """Counts that only increase."""

    events_read: int = 0
    events_delivered: int = 0
    """Events sent to clients: one event to ten clients counts ten."""
    events_dropped: int = 0
    """Events not sent to slow clients that set ``overflow: drop``."""
    bus_losses: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    """By operation."""
    errors: Counter[str] = field(default_factory=Counter)
    """Error replies, by code."""
    closes: Counter[int] = field(default_factory=Counter)
    """Connections that the engine closed, by close code."""
    login_failures: int = 0
    last_stamp: str = ""
    """``_stamp`` of the newest event. ``last_read`` is when it was read: the difference is the engine's delay."""
    last_read: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the counts by name; those by operation or code are objects."""
        counts = {one.name: getattr(self, one.name) for one in fields(self) if not one.name.startswith("last_")}
        return {
            name: {str(key): count for key, count in value.items()} if isinstance(value, Counter) else value
            for name, value in counts.items()
        }
