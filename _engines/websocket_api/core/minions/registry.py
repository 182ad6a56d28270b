"""All minions that the engine knows: read once from the master's keys and caches, kept by events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..events.encoding import encode
from ..events.event import Event
from ..events.tags import MINIONS_MARK, Kind
from ..jobs.job import timestamp

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
"""Salt says ``accepted``, its documentation ``accept``; so with the others."""

Grains = bool | tuple[str, ...]
"""Which grains of a minion a client wants: all, none, or those of these names as far as the minion has them."""


@dataclass
class Minion:
    """One minion: its key's state, whether it is connected (None: unknown), when it last gave a sign of life."""

    id: str
    key: str | None = None
    connected: bool | None = None
    seen: float | None = None
    grains: Mapping[str, Any] | None = None
    _measured: tuple[Mapping[str, Any], int] | None = None

    @property
    def grains_bytes(self) -> int:
        """How large its grains are as JSON; measured once, when somebody wants them."""
        if self.grains is None:
            return 0
        if self._measured is None or self._measured[0] is not self.grains:
            self._measured = self.grains, len(encode(self.grains))
        return self._measured[1]

    def shown(self, *, key: bool, grains: Grains) -> dict[str, Any]:
        """Return it as clients see it.

        :param key: whether the state of its key may be seen
        :param grains: which of its grains are wanted, and may be seen
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
        """Minions whose grains changed since they were read."""
        self.keys_stale = False
        """Whether keys may have changed in a way that events do not tell."""

    def on_change(self, call: Callable[[str], None]) -> None:
        """Call ``call(id)`` after each change that a client would see."""
        self._listeners.append(call)

    def all(self) -> dict[str, Minion]:
        """Return the minions by id."""
        return self._minions

    def get(self, minion: str) -> Minion | None:
        """Return one minion."""
        return self._minions.get(minion)

    def read_keys(self, keys: Mapping[str, str]) -> None:
        """Take the state of all keys, as the master's store has it; minions without a key are gone."""
        for name in set(self._minions) - set(keys):
            self._remove(name)
        for name, state in keys.items():
            minion = self._minions.setdefault(name, Minion(name))
            if minion.key != state:
                minion.key = state
                self._tell(name)
        self.keys_stale = False

    def read_grains(self, grains: Mapping[str, Mapping[str, Any]]) -> None:
        """Take grains from the master's cache."""
        for name, value in grains.items():
            minion = self._minions.get(name)
            if minion is not None and minion.grains != value:
                minion.grains = value
                self._tell(name)
        self.stale -= set(grains)

    def take(self, event: Event, data: Mapping[str, Any]) -> None:
        """Follow one event of the bus."""
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
            self._alive(topic.minion, always_tell=topic.kind is Kind.MINION)

    def absent(self, minions: list[str]) -> None:
        """Note minions that a job waited for in vain."""
        for name in minions:
            minion = self._minions.get(name)
            if minion is not None and minion.connected is not False:
                minion.connected = False
                self._tell(name)

    @staticmethod
    def _is_sign_of_life(event: Event, data: Mapping[str, Any]) -> bool:
        # The id in these envelopes was checked by the master against the minion's key; a tag alone proves nothing.
        return data.get("cmd") in ("_return", MINIONS_MARK) and data.get("id") == event.topic.minion

    def _alive(self, name: str, *, always_tell: bool) -> None:
        minion = self._minions.get(name)
        if minion is None:
            self.keys_stale = True
            return
        minion.seen = self._clock()
        if minion.connected is not True or always_tell:
            minion.connected = True
            self._tell(name)

    def _presence(self, action: str, data: Mapping[str, Any]) -> None:
        if action == "present":
            present = set(_names(data, "present"))
            lost = [name for name, minion in self._minions.items() if minion.connected and name not in present]
        else:
            present, lost = set(_names(data, "new")), _names(data, "lost")
        for name in present:
            self._alive(name, always_tell=False)
        self.absent(lost)

    def _key(self, data: Mapping[str, Any]) -> None:
        name, act = data.get("id"), data.get("act")
        # Only a hint: a minion can have such an event fired (docs/security.md), so the key store is asked. Most of
        # these events say what is known already, at each minion's reconnect.
        known = self._minions.get(name) if isinstance(name, str) else None
        if known is None or not isinstance(act, str) or _KEY_STATES.get(act) != known.key:
            self.keys_stale = True

    def _remove(self, name: str) -> None:
        if self._minions.pop(name, None) is not None:
            self._tell(name)

    def _tell(self, name: str) -> None:
        for call in self._listeners:
            call(name)


def _names(data: Mapping[str, Any], field: str) -> list[str]:
    value = data.get(field)
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []
