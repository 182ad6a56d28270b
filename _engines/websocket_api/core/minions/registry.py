"""All minions that the engine knows, from the master's keys and caches and from events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ..events.event import Event
from ..events.tags import BELOW, RESOURCES, Kind, interned
from .liveness import Liveness
from .minion import Minion, Resource
from .presence import Presence
from .syndics import Syndics
from .table import MinionTable

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


class MinionRegistry:
    """Minions by id.

    :param clock: seconds since the epoch
    :param syndics: of the masters below; None if there are none
    :param presence_seconds: between two lists of connected minions of one master; None if that is not regular
    :param master: the own master's id, where masters share what they know; None without others
    :param clustered: whether these masters have the same keys
    """

    def __init__(
        self,
        clock: Callable[[], float],
        syndics: Syndics | None = None,
        presence_seconds: float | None = None,
        master: str | None = None,
        *,
        clustered: bool = False,
    ) -> None:
        self._clock = clock
        self._master = master
        self.clustered = clustered
        """Whether these masters have the same keys."""
        self._syndics = syndics
        self.presence = Presence(clock, presence_seconds)
        """Filled only in a cluster: without one, the single master's list says it all."""
        self._table = MinionTable()
        self._minions = self._table.minions
        self._liveness = Liveness(self._table, self.presence, syndics, clock)
        self.stale: set[str] = set()
        """Minions whose grains may have changed since they were read."""
        self.keys_stale = False
        """Whether keys may have changed without a credible event: they must be read again."""

    def on_change(self, call: Callable[[str], None]) -> None:
        """Call ``call(id)`` after each change that clients can see."""
        self._table.on_change(call)

    def on_target_change(self, call: Callable[[], None]) -> None:
        """Call ``call()`` after keys or the known minions changed: a target may match others now."""
        self._table.on_target_change(call)

    def all(self) -> dict[str, Minion]:
        """Return the minions by id."""
        return self._minions

    def get(self, minion: str) -> Minion | None:
        """Return one minion."""
        return self._minions.get(minion)

    @property
    def has_syndics(self) -> bool:
        """Whether there are masters below, with minions that this master does not know."""
        return self._syndics is not None

    @property
    def below(self) -> Collection[str]:
        """The minions of masters below that were named in a job or event."""
        return () if self._syndics is None else self._syndics.below.keys()

    @property
    def syndics(self) -> list[str]:
        """The minions of this master that are syndics."""
        return [] if self._syndics is None else self._syndics.names

    def is_syndic(self, name: str) -> bool:
        """Return whether a minion of this master is a syndic."""
        return self._syndics is not None and name in self._syndics

    def passes_on(self, name: str) -> bool:
        """Return whether a minion only passes jobs on: a syndic, without a minion of the same id below it."""
        return self.is_syndic(name) and name not in self.below

    def is_direct(self, name: str) -> bool:
        """Return whether a minion has an accepted key here, and is no syndic."""
        minion = self._minions.get(name)
        return minion is not None and minion.key == "accepted" and not self.is_syndic(name)

    def is_reachable(self, name: str) -> bool:
        """Return whether functions can run on a minion.

        Its key is accepted here, a master below named it, or it is a resource.
        """
        minion = self._minions.get(name)
        return minion is not None and bool(minion.key == "accepted" or minion.syndic or minion.resource)

    def read_keys(
        self,
        keys: Mapping[str, str],
        syndics: Iterable[str] = (),
        registered: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        """Apply the state of all keys in the master's store; minions without a key are removed.

        :param syndics: minions that Salt's master has marked as syndics
        :param registered: the type and the minion of each resource, by id
        """
        resources = {name: Resource(*found) for name, found in (registered or {}).items() if name not in keys}
        if self._syndics is not None:
            self._syndics.mark(syndics)
            self._drop_below(self._syndics, self._syndics.surplus(self._clock()))
        for name in set(self._minions) - set(keys) - set(self.below) - set(resources):
            if not self._minions[name].elsewhere:
                self._table.remove(name)
        for name, minion in self._minions.items():
            if minion.key is not None and name not in keys:
                minion.key = None  # it stays as a minion below
                self._table.change(name)
        for name, state in keys.items():
            minion = self._own(name)
            if minion.key != state:
                minion.key = state
                self._table.change(name)
            if self._syndics is not None and minion.syndic is not None and self.is_direct(name):
                self._drop_below(self._syndics, [name])
        managed: dict[str, list[str]] = {}
        for name, resource in resources.items():
            managed.setdefault(resource.minion, []).append(name)
        self._liveness.set_resources(managed)
        for name in {*resources, *(name for name, minion in self._minions.items() if minion.resource)}:
            minion = self._own(name)
            if minion.resource != resources.get(name):
                minion.resource = resources.get(name)
                self._table.change(name)
        self.keys_stale = False

    def restore(
        self,
        states: Mapping[str, tuple[str | None, bool | None, float | None]],
        grains: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Add minions that an earlier process knew: the state of the key, whether it is connected, when it was seen.

        :param grains: what it knew of their grains, which are read again
        """
        for name, (key, connected, seen) in states.items():
            known = (grains or {}).get(name)
            self._minions[name] = Minion(name, key, connected, seen, known, master=self._master)
            self.stale.add(name)

    def states_below(self) -> dict[str, Any]:
        """Return what is known of syndics and of minions below them, for :meth:`restore_below`."""
        if self._syndics is None:
            return {}
        below = {
            name: (minion.key, minion.connected, minion.seen, minion.syndic, noted)
            for name, noted in self._syndics.below.items()
            if (minion := self._minions.get(name)) is not None
        }
        return {"below": below, "syndics": self._syndics.names, "returned": self._syndics.returned}

    def restore_below(self, states: Mapping[str, Any]) -> None:
        """Add the syndics and the minions below them that an earlier process knew."""
        if self._syndics is None or not states:
            return
        self._syndics.mark(states["syndics"])
        for name in states["returned"]:
            self._syndics.note_return(name)
        for name, (key, connected, seen, syndic, noted) in states["below"].items():
            self._minions[name] = Minion(name, key, connected, seen, master=self._master)
            self._minions[name].syndic = syndic
            self._syndics.note(name, noted)
            self.stale.add(name)

    @property
    def elsewhere(self) -> list[str]:
        """The minions that only other masters have."""
        return [] if self._master is None else [name for name, minion in self._minions.items() if minion.elsewhere]

    def is_elsewhere(self, name: str) -> bool:
        """Return whether only another master has a minion."""
        known = self._minions.get(name)
        return known is not None and known.elsewhere

    def set_elsewhere(self, name: str, master: str, connected: bool | None, seen: float | None) -> None:
        """Note a minion with an accepted key at another master, unless it belongs to this one too."""
        known = self._minions.get(name)
        if known is not None and not known.elsewhere:
            return
        self._minions[name] = made = Minion(name, None, connected, seen, master=master, elsewhere=True)
        if known is None:
            self._table.change(name)
        elif (known.connected, known.master) != (made.connected, made.master):
            self._table.notify(name)

    def remove_elsewhere(self, name: str, master: str) -> None:
        """Forget a minion that another master has no more."""
        known = self._minions.get(name)
        if known is not None and known.elsewhere and known.master == master:
            self._table.remove(name)

    def _own(self, name: str) -> Minion:
        """Return a minion of this master, which is new or was known from another one."""
        known = self._minions.get(name)
        if known is None or known.elsewhere:
            name = interned(name)
            known = self._minions[name] = Minion(name, master=self._master)
        return known

    def read_grains(self, grains: Mapping[str, Mapping[str, Any]]) -> None:
        """Apply grains from the master's cache."""
        for name, value in grains.items():
            minion = self._minions.get(name)
            if minion is not None and minion.grains != value:
                minion.grains = value
                self._table.notify(name)
        self.stale -= set(grains)

    def apply(self, event: Event, data: Mapping[str, Any]) -> None:
        """Apply one event of the bus."""
        topic = event.topic
        if event.origin is not None and not self.clustered:
            self._apply_shared(event, data)
            return
        if self._syndics is not None and event.tag.startswith(BELOW):
            self._apply_below(self._syndics, event.tag, data)
        if topic.kind is Kind.KEY:
            self._key(data)
        elif topic.kind is Kind.PRESENCE and topic.believed:
            known = self._liveness.apply_presence(topic.action, data, event.master)
            self._note_unknown(known)
        elif topic.kind is Kind.REFRESH and topic.minion:
            self.stale.add(topic.minion)
            if topic.action == RESOURCES:
                self._refresh_resources(topic.minion)
        elif topic.minion and self._liveness.is_sign_of_life(event, data):
            if self._syndics is not None and data.get("cmd") == "_return":
                self._syndics.note_return(topic.minion)
            if topic.kind is Kind.MINION and topic.action == "start":
                self.stale.add(topic.minion)
            if event.master is not None:
                self.presence.add(topic.minion, event.master)
            self._note_unknown(self._liveness.mark_alive(topic.minion, always_notify=topic.kind is Kind.MINION))

    def _apply_shared(self, event: Event, data: Mapping[str, Any]) -> None:
        """Apply an event of a master with keys of its own: it shows only that a minion known here is connected."""
        topic = event.topic
        if topic.kind is Kind.PRESENCE and topic.believed:
            self._liveness.apply_presence(topic.action, data, event.master, shared=True)
        elif topic.minion in self._minions and event.master and self._liveness.is_sign_of_life(event, data):
            if not self._minions[topic.minion].elsewhere:  # else its master sends its state
                self.presence.add(topic.minion, event.master)
            self._liveness.mark_alive(topic.minion, always_notify=False)

    def _note_unknown(self, known: bool) -> None:
        """Have the keys read again after a sign of life of a minion that is not known.

        With masters below it is probably a minion of theirs. Events about keys tell of new minions here.
        """
        self.keys_stale = self.keys_stale or not (known or self._syndics is not None)

    def seen(self, name: str) -> float | None:
        """Return when a minion last gave a sign of life; None if it never did, or is unknown."""
        minion = self._minions.get(name)
        return None if minion is None else minion.seen

    def absent(self, minions: list[str]) -> None:
        """Mark minions that did not return as disconnected, and their resources."""
        self._liveness.absent(minions)

    def _refresh_resources(self, minion: str) -> None:
        """Have the resources of a minion read again, with their grains."""
        self.keys_stale = True
        self.stale |= {one.id for one in self._minions.values() if one.resource and one.resource.minion == minion}

    def _apply_below(self, syndics: Syndics, tag: str, data: Mapping[str, Any]) -> None:
        """Note the minions below that a syndic's event names, and the syndic."""
        found = syndics.read(tag, data)
        if found is None:
            return
        syndic, names = found
        known = self._minions.get(syndic)
        if known is None or known.key != "accepted":
            return
        syndics.mark([syndic])
        for name in names:
            if self.is_direct(name):
                continue
            syndics.note(name, self._clock())
            minion = self._own(name)
            if minion.syndic != syndic:
                minion.syndic = syndic
                self._table.change(name)
        self._drop_below(syndics, syndics.surplus(self._clock()))

    def _drop_below(self, syndics: Syndics, names: Iterable[str]) -> None:
        for name in names:
            del syndics.below[name]
            minion = self._minions[name]
            minion.syndic = None
            if minion.key is None and minion.resource is None:
                self._table.remove(name)
            else:
                self._table.change(name)

    def _key(self, data: Mapping[str, Any]) -> None:
        name, act = data.get("id"), data.get("act")
        # A minion can make the master fire such an event (docs/security.md), so the key store is read. Most of these
        # events repeat the known state, when a minion reconnects.
        known = self._minions.get(name) if isinstance(name, str) else None
        if known is not None and known.key is None and act in ("accept", "accepted"):
            return  # a master below accepted it
        if known is None or not isinstance(act, str) or _KEY_STATES.get(act) != known.key:
            self.keys_stale = True
