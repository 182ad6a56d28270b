"""How many minions there are, by the state of their key and by connection."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from ..minions.minion import Minion
from ..minions.registry import MinionRegistry

MAX_SYNDICS = 50
"""Syndics with a label of their own. Others are counted together."""
OTHER = "other"
_CONNECTIONS = {True: "connected", False: "disconnected", None: "unknown"}


class State(NamedTuple):
    """What a minion is counted by."""

    key: str
    """``accepted``, ``pending``, ``rejected``, ``denied``; without a key ``below`` (a master below) or ``resource``."""
    connection: str
    """``connected``, ``disconnected`` or ``unknown``."""
    syndic: str
    """The syndic that the minion is below, or the empty text."""


class MinionCounts:
    """Counts of minions, updated with each change of one minion."""

    def __init__(self, minions: MinionRegistry) -> None:
        self._minions = minions
        self._states: dict[str, State] = {}
        """What each minion was counted by."""
        self.by_state: Counter[tuple[str, str]] = Counter()
        """Minions by key and connection."""
        self._below: Counter[str] = Counter()

    def update(self, name: str) -> None:
        """Count a minion that has changed."""
        minion = self._minions.get(name)
        before = self._states.get(name)
        after = None if minion is None or minion.elsewhere else _state_of(minion)  # its own master counts it
        if before == after:
            return
        if before is not None:
            self._add(before, -1)
            del self._states[name]
        if after is not None:
            self._add(after, 1)
            self._states[name] = after

    @property
    def below(self) -> dict[str, int]:
        """Minions of masters below, by syndic."""
        found: Counter[str] = Counter()
        for number, (syndic, count) in enumerate(self._below.most_common()):
            found[syndic if number < MAX_SYNDICS else OTHER] += count
        return dict(found)

    @property
    def syndics(self) -> dict[str, bool]:
        """Whether each syndic is connected, without those of which that is unknown."""
        known = (self._minions.get(name) for name in self._minions.syndics[:MAX_SYNDICS])
        return {one.id: one.connected for one in known if one is not None and one.connected is not None}

    def _add(self, state: State, number: int) -> None:
        self.by_state[state.key, state.connection] += number
        if state.syndic:
            self._below[state.syndic] += number
            if not self._below[state.syndic]:
                del self._below[state.syndic]


def _state_of(minion: Minion) -> State:
    without_key = "resource" if minion.resource else "below"
    return State(minion.key or without_key, _CONNECTIONS[minion.connected], minion.syndic or "")
