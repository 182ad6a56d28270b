"""The minions of each master, as engines share them: which have an accepted key, and which are connected.

Changes are written as they happen. Everything is written again from time to time, for engines that started since.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..minions.registry import MinionRegistry
from ..timing import timestamp

CHUNK_MINIONS = 1000
"""Minions that one chunk of the log has, so that readers take other turns in between."""
MAX_MINIONS = 50_000
"""Minions of one other master that are shown."""

Entry = list[Any]
"""``[id, connected, seen]``, or ``[id]`` for one that is gone."""


class SharedMinions:
    """Collects what changed here, and applies what other masters write.

    :param touch: is called if there is something to write
    """

    def __init__(self, minions: MinionRegistry, touch: Callable[[], None]) -> None:
        self._minions = minions
        self._touch = touch
        self._changed: dict[str, None] = {}
        self._refreshing = False
        self._listed: dict[str, set[str]] = {}
        """Minions of each other master that it wrote since its last whole list."""
        minions.on_change(self._on_change)

    def refresh(self) -> None:
        """Write all minions again."""
        self._changed = dict.fromkeys(self._minions.all())
        self._refreshing = True
        self._touch()

    def take(self) -> dict[str, Any]:
        """Return what is to be written next; empty if there is nothing."""
        if not self._changed and not self._refreshing:
            return {}
        names = list(self._changed)[:CHUNK_MINIONS]
        for name in names:
            del self._changed[name]
        entries = [entry for name in names if (entry := self._entry(name)) is not None]
        whole, self._refreshing = self._refreshing and not self._changed, self._refreshing and bool(self._changed)
        if self._changed:
            self._touch()
        return {"minions": entries, "whole": whole} if entries or whole else {}

    def apply(self, master: str, entries: list[Entry], whole: bool) -> None:
        """Apply what another master wrote.

        :param whole: whether this completes a list of all its minions
        :raises ValueError, TypeError, OverflowError, OSError: it is not understood
        """
        listed = self._listed.setdefault(master, set())
        for name, *state in entries:
            if not isinstance(name, str):
                raise ValueError("a minion is not understood")
            if not state:
                listed.discard(name)
                self._minions.remove_elsewhere(name, master)
            elif len(listed) < MAX_MINIONS:
                connected, seen = state
                if not isinstance(connected, (bool, type(None))):
                    raise ValueError("the state of a minion is not understood")
                if seen is not None:
                    timestamp(seen)  # each list of minions shows it
                listed.add(name)
                self._minions.set_elsewhere(name, master, connected, seen)
        if whole:
            gone = [name for name in self._minions.elsewhere if name not in listed]
            for name in gone:
                self._minions.remove_elsewhere(name, master)
            self._listed[master] = set()

    def forget(self, master: str) -> None:
        """Forget the minions of a master that is gone."""
        self._listed.pop(master, None)
        for name in self._minions.elsewhere:
            self._minions.remove_elsewhere(name, master)

    def _entry(self, name: str) -> Entry | None:
        minion = self._minions.get(name)
        if minion is None:
            return [name]
        if minion.elsewhere:
            return None
        return [name, minion.connected, minion.seen] if minion.key == "accepted" else [name]

    def _on_change(self, name: str) -> None:
        self._changed[name] = None
        self._touch()
