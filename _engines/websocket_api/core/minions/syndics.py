"""The syndics of a master of masters, and what their events tell of the minions below.

A syndic is a minion of this master that passes jobs on to a master below, and that master's events up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice, takewhile
from typing import Any

from ..events.tags import BELOW, MINIONS_MARK, named_below

KEY_EVENT = "salt/auth"
"""A lower master's event about the key of a minion."""


MAX_BELOW = 100_000
"""Minions below that are kept, of about 300 bytes each: any minion can send events that name some."""
FORGET_SECONDS = 86_400.0
"""Minions below that no event named for so long are dropped."""


class Syndics:
    """The ids of syndics, and of the minions below them."""

    def __init__(self) -> None:
        self.below: dict[str, float] = {}
        """When minions below were named last, in seconds since the epoch, the oldest first."""
        self._marked: set[str] = set()
        self._minions: set[str] = set()
        """Minions that returned by themselves. No event can make them syndics: any minion can send such events."""

    def __contains__(self, name: str) -> bool:
        return name in self._marked and name not in self._minions

    @property
    def names(self) -> list[str]:
        """The ids of all syndics, sorted."""
        return sorted(self._marked - self._minions)

    @property
    def returned(self) -> list[str]:
        """The minions that returned by themselves, sorted."""
        return sorted(self._minions)

    def mark(self, names: Iterable[str]) -> None:
        """Record syndics that Salt's master has marked."""
        self._marked.update(names)

    def note_return(self, minion: str) -> None:
        """Record that a minion returned by itself."""
        self._minions.add(minion)

    def note(self, minion: str, now: float) -> None:
        """Record that an event named a minion below."""
        self.below.pop(minion, None)
        self.below[minion] = now

    def surplus(self, now: float) -> list[str]:
        """Return the minions below that are too many, or that no event named for a long time."""
        excess = list(islice(self.below, max(0, len(self.below) - MAX_BELOW)))
        old = takewhile(lambda name: self.below[name] < now - FORGET_SECONDS, islice(self.below, len(excess), None))
        return [*excess, *old]

    def read(self, tag: str, data: Mapping[str, Any]) -> tuple[str, list[str]] | None:
        """Return the syndic that passed an event on, and the minions that it names; None for other events."""
        syndic, _, inner = tag.removeprefix(BELOW).partition("/")
        if not tag.startswith(BELOW) or not syndic or not inner:
            return None
        if named_below(tag) is not None:
            named = data.get("minions")
            return syndic, [str(name) for name in named] if isinstance(named, (list, tuple)) else []
        name = data.get("id")
        accepted = inner == KEY_EVENT and data.get("act") == "accept"
        about_minion = isinstance(name, str) and name != syndic and (data.get("cmd") == MINIONS_MARK or accepted)
        return syndic, [str(name)] if about_minion else []
