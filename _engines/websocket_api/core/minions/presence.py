"""At which master of a cluster each minion is connected.

Salt's presence events list the minions of one master only, and reach all masters of the cluster. A minion is connected
if any master has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

MAX_MASTERS = 64
"""How many masters are distinguished. A minion can make the master fire an event with any name of a master in it."""
MISSED_LISTS = 3
"""Intervals without a sign of a master after which its minions no longer count as connected there."""


class Presence:
    """The minions of each master of a cluster.

    :param clock: seconds since the epoch
    :param interval: seconds between two lists of a master; None if lists are not sent regularly
    """

    def __init__(self, clock: Callable[[], float], interval: float | None = None) -> None:
        self._clock = clock
        self._interval = interval
        self._minions: dict[str, set[str]] = {}
        self._last_sign: dict[str, float] = {}
        """When each master last sent a list, or passed on an event of its minions."""

    def add(self, minion: str, master: str) -> None:
        """Note a minion's sign of life at a master. It may be connected to others too."""
        if not self._note_sign(master):
            return
        self._minions.setdefault(master, set()).add(minion)

    def list(self, master: str, minions: Iterable[str]) -> None:
        """Apply a master's list of its minions. Forget the masters that sent nothing for a while."""
        if self._note_sign(master):
            self._minions[master] = set(minions)
        if self._interval is not None:
            oldest = self._clock() - MISSED_LISTS * self._interval
            for other in [name for name, at in self._last_sign.items() if at < oldest]:
                self._last_sign.pop(other)
                self._minions.pop(other, None)

    def change(self, master: str, new: Iterable[str], lost: Iterable[str]) -> None:
        """Apply what changed at a master."""
        if not self._note_sign(master):
            return
        names = self._minions.setdefault(master, set())
        names.update(new)
        names.difference_update(lost)

    def forget(self, minion: str) -> None:
        """Note that a minion is connected at no master."""
        for names in self._minions.values():
            names.discard(minion)

    def has(self, minion: str) -> bool:
        """Return whether any master has a minion."""
        return any(minion in names for names in self._minions.values())

    @property
    def state(self) -> dict[str, tuple[float, Any]]:
        """When each master last sent something, and its minions: for :meth:`restore` in another process."""
        return {master: (at, sorted(self._minions.get(master, ()))) for master, at in self._last_sign.items()}

    def restore(self, state: Mapping[str, tuple[float, Iterable[str]]]) -> None:
        """Continue from the state of an earlier process."""
        for master, (at, minions) in state.items():
            self._last_sign[master], self._minions[master] = at, set(minions)

    def _note_sign(self, master: str) -> bool:
        """Note a sign of a master; return False for one too many."""
        if master not in self._last_sign and len(self._last_sign) >= MAX_MASTERS:
            return False
        self._last_sign[master] = self._clock()
        return True
