"""The syndics of a master of masters, and what their events tell of the minions below.

A syndic is a minion of this master that passes jobs on to a master below, and that master's events up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..events.tags import BELOW, MINIONS_MARK, named_below

KEY_EVENT = "salt/auth"
"""A lower master's event about the key of a minion."""


class Syndics:
    """The ids of syndics."""

    def __init__(self) -> None:
        self._marked: set[str] = set()
        self._minions: set[str] = set()
        """Minions that returned by themselves. No event can make them syndics: any minion can send such events."""

    def __contains__(self, name: str) -> bool:
        return name in self._marked and name not in self._minions

    def mark(self, names: Iterable[str]) -> None:
        """Record syndics that Salt's master has marked."""
        self._marked.update(names)

    def note_return(self, minion: str) -> None:
        """Record that a minion returned by itself."""
        self._minions.add(minion)

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
