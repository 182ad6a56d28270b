"""All minions that the engine knows, from the master's keys and caches and from events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..events.encoding import encode
from ..events.event import Event
from ..events.tags import MINIONS_MARK, Kind
from ..timing import timestamp

_KEY_STATES = {
    "accept": "accepted",
    "accepted": "accepted",
    "pend": "pending",
    "pending": "pending",
    "reject": "rejected",
    "rejected": "rejected",
    "deny": "denied",
    "denied": "denied",
}
"""Salt sends ``accepted``, its documentation says ``accept``; the same for the others."""

Grains = bool | tuple[str, ...]
"""Grains of a minion that a client wants: all, none, or those with these names."""


@dataclass
class Minion:
    """One minion: the state of its key, whether it is connected (None: unknown), and when it was last seen."""

    id: str
    key: str | None = None
    connected: bool | None = None
    seen: float | None = None
    grains: Mapping[str, Any] | None = None
    _measured: tuple[Mapping[str, Any], int] | None = None

    @property
    def grains_bytes(self) -> int:
        """Bytes of its grains as JSON; measured once, when first needed."""
        if self.grains is None:
            return 0
        if self._measured is None or self._measured[0] is not self.grains:
            self._measured = self.grains, len(encode(self.grains))
        return self._measured[1]

    def to_dict(self, *, key: bool, grains: Grains) -> dict[str, Any]:
        """Return the minion as clients get it.

        :param key: whether to include the state of its key
        :param grains: grains to include
        """
        return {
            "id": self.id,
            "key": self.key if key else None,
            "connected": self.connected,
            "seen": None if self.seen is None else timestamp(self.seen),
            "grains": self._grains(grains),
        }

    def _grains(self, wanted: Grains) -> Mapping[str, Any] | None:
        if self.grains is None or wanted is False:
            return None
        if wanted is True:
            return self.grains
        return {name: self.grains[name] for name in wanted if name in self.grains}


class MinionRegistry:
    """Minions by id.

    :param clock: seconds since the epoch
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._minions: dict[str, Minion] = {}
        self._listeners: list[Callable[[str], None]] = []
        self.stale: set[str] = set()
        """Minions whose grains may have changed since they were read."""
        self.keys_stale = False
        """Whether keys may have changed without a credible event: they must be read again."""

    def on_change(self, call: Callable[[str], None]) -> None:
        """Call ``call(id)`` after each change that clients can see."""
        self._listeners.append(call)

    def all(self) -> dict[str, Minion]:
        """Return the minions by id."""
        return self._minions

    def get(self, minion: str) -> Minion | None:
        """Return one minion."""
        return self._minions.get(minion)

    def read_keys(self, keys: Mapping[str, str]) -> None:
        """Apply the state of all keys in the master's store; minions without a key are removed."""
        for name in set(self._minions) - set(keys):
            self._remove(name)
        for name, state in keys.items():
            minion = self._minions.setdefault(name, Minion(name))
            if minion.key != state:
                minion.key = state
                self._notify(name)
        self.keys_stale = False

    def read_grains(self, grains: Mapping[str, Mapping[str, Any]]) -> None:
        """Apply grains from the master's cache."""
        for name, value in grains.items():
            minion = self._minions.get(name)
            if minion is not None and minion.grains != value:
                minion.grains = value
                self._notify(name)
        self.stale -= set(grains)

    def apply(self, event: Event, data: Mapping[str, Any]) -> None:
        """Apply one event of the bus."""
        topic = event.topic
        if topic.kind is Kind.KEY:
            self._key(data)
        elif topic.kind is Kind.PRESENCE and topic.believed:
            self._presence(topic.action, data)
        elif topic.kind is Kind.REFRESH and topic.minion:
            self.stale.add(topic.minion)
        elif topic.minion and self._is_sign_of_life(event, data):
            if topic.kind is Kind.MINION and topic.action == "start":
                self.stale.add(topic.minion)
            self._alive(topic.minion, always_notify=topic.kind is Kind.MINION)

    def seen(self, name: str) -> float | None:
        """Return when a minion last gave a sign of life; None if it never did, or is unknown."""
        minion = self._minions.get(name)
        return None if minion is None else minion.seen

    def absent(self, minions: list[str]) -> None:
        """Mark minions that did not return as disconnected."""
        for name in minions:
            minion = self._minions.get(name)
            if minion is not None and minion.connected is not False:
                minion.connected = False
                self._notify(name)

    @staticmethod
    def _is_sign_of_life(event: Event, data: Mapping[str, Any]) -> bool:
        # The master checked the id in these envelopes against the minion's key; a tag alone proves nothing.
        return data.get("cmd") in ("_return", MINIONS_MARK) and data.get("id") == event.topic.minion

    def _alive(self, name: str, *, always_notify: bool) -> None:
        minion = self._minions.get(name)
        if minion is None:
            self.keys_stale = True
            return
        minion.seen = self._clock()
        if minion.connected is not True or always_notify:
            minion.connected = True
            self._notify(name)

    def _presence(self, action: str, data: Mapping[str, Any]) -> None:
        if action == "present":
            present = set(_names(data, "present"))
            lost = [name for name, minion in self._minions.items() if minion.connected and name not in present]
        else:
            present, lost = set(_names(data, "new")), _names(data, "lost")
        for name in present:
            self._alive(name, always_notify=False)
        self.absent(lost)

    def _key(self, data: Mapping[str, Any]) -> None:
        name, act = data.get("id"), data.get("act")
        # A minion can make the master fire such an event (docs/security.md), so the key store is read. Most of these
        # events repeat the known state, when a minion reconnects.
        known = self._minions.get(name) if isinstance(name, str) else None
        if known is None or not isinstance(act, str) or _KEY_STATES.get(act) != known.key:
            self.keys_stale = True

    def _remove(self, name: str) -> None:
        if self._minions.pop(name, None) is not None:
            self._notify(name)

    def _notify(self, name: str) -> None:
        for call in self._listeners:
            call(name)


def _names(data: Mapping[str, Any], field: str) -> list[str]:
    value = data.get(field)
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []
