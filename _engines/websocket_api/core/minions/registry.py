"""All minions that the engine knows, from the master's keys and caches and from events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ..events.event import Event
from ..events.tags import BELOW, MINIONS_MARK, RESOURCES, Kind, interned
from .minion import Minion, Resource
from .presence import Presence
from .syndics import Syndics

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
        self._minions: dict[str, Minion] = {}
        self._managed: dict[str, list[str]] = {}
        """The resources of each minion that has some."""
        self._listeners: list[Callable[[str], None]] = []
        self._target_listeners: list[Callable[[], None]] = []
        self.stale: set[str] = set()
        """Minions whose grains may have changed since they were read."""
        self.keys_stale = False
        """Whether keys may have changed without a credible event: they must be read again."""

    def on_change(self, call: Callable[[str], None]) -> None:
        """Call ``call(id)`` after each change that clients can see."""
        self._listeners.append(call)

    def on_target_change(self, call: Callable[[], None]) -> None:
        """Call ``call()`` after keys or the known minions changed: a target may match others now."""
        self._target_listeners.append(call)

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
                self._remove(name)
        for name, minion in self._minions.items():
            if minion.key is not None and name not in keys:
                minion.key = None  # it stays as a minion below
                self._change(name)
        for name, state in keys.items():
            minion = self._own(name)
            if minion.key != state:
                minion.key = state
                self._change(name)
            if self._syndics is not None and minion.syndic is not None and self.is_direct(name):
                self._drop_below(self._syndics, [name])
        self._managed = {}
        for name, resource in resources.items():
            self._managed.setdefault(resource.minion, []).append(name)
        for name in {*resources, *(name for name, minion in self._minions.items() if minion.resource)}:
            minion = self._own(name)
            if minion.resource != resources.get(name):
                minion.resource = resources.get(name)
                self._change(name)
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
            self._change(name)
        elif (known.connected, known.master) != (made.connected, made.master):
            self._notify(name)

    def remove_elsewhere(self, name: str, master: str) -> None:
        """Forget a minion that another master has no more."""
        known = self._minions.get(name)
        if known is not None and known.elsewhere and known.master == master:
            self._remove(name)

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
                self._notify(name)
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
            self._apply_presence(topic.action, data, event.master)
        elif topic.kind is Kind.REFRESH and topic.minion:
            self.stale.add(topic.minion)
            if topic.action == RESOURCES:
                self._refresh_resources(topic.minion)
        elif topic.minion and self._is_sign_of_life(event, data):
            if self._syndics is not None and data.get("cmd") == "_return":
                self._syndics.note_return(topic.minion)
            if topic.kind is Kind.MINION and topic.action == "start":
                self.stale.add(topic.minion)
            if event.master is not None:
                self.presence.add(topic.minion, event.master)
            self._alive(topic.minion, always_notify=topic.kind is Kind.MINION)

    def _apply_shared(self, event: Event, data: Mapping[str, Any]) -> None:
        """Apply an event of a master with keys of its own: it tells only that a minion known here is connected."""
        topic = event.topic
        if topic.kind is Kind.PRESENCE and topic.believed:
            self._apply_presence(topic.action, data, event.master, shared=True)
        elif topic.minion in self._minions and event.master and self._is_sign_of_life(event, data):
            if not self._minions[topic.minion].elsewhere:  # else its master tells
                self.presence.add(topic.minion, event.master)
            self._alive(topic.minion, always_notify=False)

    def seen(self, name: str) -> float | None:
        """Return when a minion last gave a sign of life; None if it never did, or is unknown."""
        minion = self._minions.get(name)
        return None if minion is None else minion.seen

    def absent(self, minions: list[str]) -> None:
        """Mark minions that did not return as disconnected.

        A resource that did not return proves nothing while its minion is connected: some functions do not reach it.
        It is disconnected with its minion.
        """
        for name in minions:
            self.presence.forget(name)
            minion = self._minions.get(name)
            manager = self._minions.get(minion.resource.minion) if minion is not None and minion.resource else None
            if manager is not None and manager.connected:
                continue
            if minion is not None and minion.connected is not False:
                minion.connected = False
                self._notify(name)
                self._mark_resources(name, connected=False)

    def _mark_resources(self, manager: str, connected: bool | None) -> None:
        """Mark the resources of a minion as disconnected, or, if None, these again as unknown until they return."""
        for name in self._managed.get(manager, ()):
            resource = self._minions.get(name)
            if resource is not None and (resource.connected is False) is (connected is None):
                resource.connected = connected
                self._notify(name)

    def _is_sign_of_life(self, event: Event, data: Mapping[str, Any]) -> bool:
        if data.get("id") != event.topic.minion:
            return False
        # The master checked the id in these envelopes against the minion's key; a tag alone proves nothing.
        if data.get("cmd") in ("_return", MINIONS_MARK):
            return True
        # A return that a syndic passed on has no envelope: it counts for minions below only.
        return event.topic.action == "ret" and "cmd" not in data and event.topic.minion in self.below

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
                self._change(name)
        self._drop_below(syndics, syndics.surplus(self._clock()))

    def _drop_below(self, syndics: Syndics, names: Iterable[str]) -> None:
        for name in names:
            del syndics.below[name]
            minion = self._minions[name]
            minion.syndic = None
            if minion.key is None and minion.resource is None:
                self._remove(name)
            else:
                self._change(name)

    def _alive(self, name: str, *, always_notify: bool) -> None:
        minion = self._minions.get(name)
        if minion is None:
            # With masters below it is probably a minion of theirs. Events about keys tell of new minions here.
            self.keys_stale = self.keys_stale or self._syndics is None
            return
        minion.seen = self._clock()
        was = minion.connected
        if was is not True or always_notify:
            minion.connected = True
            self._notify(name)
        if was is False:
            self._mark_resources(name, connected=None)

    def _apply_presence(
        self, action: str, data: Mapping[str, Any], master: str | None, *, shared: bool = False
    ) -> None:
        """Apply a list of a master's connected minions, or what changed in it.

        :param master: the master in a cluster; None without a cluster
        :param shared: whether the master has keys of its own: its other minions are unknown here
        """
        if action == "present":
            present = set(_names(data, "present"))
            lost = self._lost(present)
            if master is not None:
                self.presence.list(master, present & self._minions.keys())
        else:
            present, lost = set(_names(data, "new")), _names(data, "lost")
            if master is not None:
                self.presence.change(master, present & self._minions.keys(), lost)
        for name in present & self._minions.keys() if shared else present:
            self._alive(name, always_notify=False)
        self.absent([name for name in lost if not self.presence.has(name)])

    def _lost(self, present: set[str]) -> list[str]:
        """Return the minions that a list of all connected minions does not name.

        Syndics pass on the lists of masters below, under the same tag.
        """
        own = all((known := self._minions.get(name)) is not None and known.key for name in present)
        if self._syndics is not None and not own:
            return []
        away = [name for name, minion in self._minions.items() if minion.connected and name not in present]
        return [name for name in away if self._minions[name].key is not None]

    def _key(self, data: Mapping[str, Any]) -> None:
        name, act = data.get("id"), data.get("act")
        # A minion can make the master fire such an event (docs/security.md), so the key store is read. Most of these
        # events repeat the known state, when a minion reconnects.
        known = self._minions.get(name) if isinstance(name, str) else None
        if known is not None and known.key is None and act in ("accept", "accepted"):
            return  # a master below accepted it
        if known is None or not isinstance(act, str) or _KEY_STATES.get(act) != known.key:
            self.keys_stale = True

    def _remove(self, name: str) -> None:
        if self._minions.pop(name, None) is not None:
            self._change(name)

    def _change(self, name: str) -> None:
        self._notify(name)
        for call in self._target_listeners:
            call()

    def _notify(self, name: str) -> None:
        for call in self._listeners:
            call(name)


def _names(data: Mapping[str, Any], field: str) -> list[str]:
    value = data.get(field)
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []
