"""Marks minions as connected or disconnected: by events, lists of connected minions, and returns that are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..events.event import Event
from ..events.tags import MINIONS_MARK
from .presence import Presence
from .syndics import Syndics
from .table import MinionTable


class Liveness:
    """Decides whether minions are connected.

    :param presence: the masters of a cluster at which each minion is connected
    :param syndics: of the masters below; None if there are none
    :param clock: seconds since the epoch
    """

    def __init__(
        self, table: MinionTable, presence: Presence, syndics: Syndics | None, clock: Callable[[], float]
    ) -> None:
        self._table = table
        self._minions = table.minions
        self._presence = presence
        self._syndics = syndics
        self._clock = clock
        self._managed: dict[str, list[str]] = {}
        """The resources of each minion that has some."""

    def set_resources(self, managed: dict[str, list[str]]) -> None:
        """Set the resources of each minion that has some, by its id."""
        self._managed = managed

    def is_sign_of_life(self, event: Event, data: Mapping[str, Any]) -> bool:
        """Return whether an event proves that the minion of its tag is connected."""
        if data.get("id") != event.topic.minion:
            return False
        # The master checked the id in these envelopes against the minion's key; a tag alone proves nothing.
        if data.get("cmd") in ("_return", MINIONS_MARK):
            return True
        # A return that a syndic passed on has no envelope: it counts for minions below only.
        if self._syndics is None or event.topic.action != "ret" or "cmd" in data:
            return False
        return event.topic.minion in self._syndics.below

    def mark_alive(self, name: str, *, always_notify: bool) -> bool:
        """Mark a minion as connected; return whether it is known.

        :param always_notify: whether to notify listeners even if it was connected before
        """
        minion = self._minions.get(name)
        if minion is None:
            return False
        minion.seen = self._clock()
        was = minion.connected
        if was is not True or always_notify:
            minion.connected = True
            self._table.notify(name)
        if was is False:
            self._mark_resources(name, connected=None)
        return True

    def absent(self, minions: list[str]) -> None:
        """Mark minions that did not return as disconnected.

        A resource that did not return proves nothing while its minion is connected: some functions do not reach it.
        It is disconnected with its minion.
        """
        for name in minions:
            self._presence.forget(name)
            minion = self._minions.get(name)
            manager = self._minions.get(minion.resource.minion) if minion is not None and minion.resource else None
            if manager is not None and manager.connected:
                continue
            if minion is not None and minion.connected is not False:
                minion.connected = False
                self._table.notify(name)
                self._mark_resources(name, connected=False)

    def apply_presence(self, action: str, data: Mapping[str, Any], master: str | None, *, shared: bool = False) -> bool:
        """Apply a list of a master's connected minions, or what changed in it; return whether all of them are known.

        :param master: the master in a cluster; None without a cluster
        :param shared: whether the master has keys of its own: its other minions are unknown here
        """
        if action == "present":
            present = set(_names(data, "present"))
            lost = self._lost(present)
            if master is not None:
                self._presence.list(master, present & self._minions.keys())
        else:
            present, lost = set(_names(data, "new")), _names(data, "lost")
            if master is not None:
                self._presence.change(master, present & self._minions.keys(), lost)
        alive = present & self._minions.keys() if shared else present
        known = [self.mark_alive(name, always_notify=False) for name in alive]
        self.absent([name for name in lost if not self._presence.has(name)])
        return all(known)

    def _lost(self, present: set[str]) -> list[str]:
        """Return the minions that a list of all connected minions does not name.

        Syndics pass on the lists of masters below, under the same tag.
        """
        own = all((known := self._minions.get(name)) is not None and known.key for name in present)
        if self._syndics is not None and not own:
            return []
        away = [name for name, minion in self._minions.items() if minion.connected and name not in present]
        return [name for name in away if self._minions[name].key is not None]

    def _mark_resources(self, manager: str, connected: bool | None) -> None:
        """Mark the resources of a minion as disconnected, or, if None, these again as unknown until they return."""
        for name in self._managed.get(manager, ()):
            resource = self._minions.get(name)
            if resource is not None and (resource.connected is False) is (connected is None):
                resource.connected = connected
                self._table.notify(name)


def _names(data: Mapping[str, Any], field: str) -> list[str]:
    value = data.get(field)
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []
