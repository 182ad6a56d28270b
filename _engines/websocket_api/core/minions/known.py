"""Which minions changed since a position, and which of them a client may have: it gets the removal of these only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any
from weakref import WeakValueDictionary

from ..access.visibility import Viewer
from ..delivery.positions import ChangeLog, Revisions
from .registry import MinionRegistry

STEP = 500
"""Minions in one step."""
MAX_CHANGED = 500
"""Minions that may have changed since the shared names were found; with more, they are found again."""


class SharedNames:
    """The minions that clients of equal viewers may have, found in short steps by the first that needs them.

    :param names: the minions to check
    :param has: returns whether such a client may have a minion
    :param number: the newest change
    """

    def __init__(self, names: Iterable[str] = (), has: Callable[[str], bool] = bool, number: int = 0) -> None:
        self.names: set[str] = set()
        self.number = number
        self._has = has
        self._rest = iter(list(names))

    def steps(self) -> Iterator[None]:
        """Find the rest."""
        while step := list(islice(self._rest, STEP)):
            self.names.update(filter(self._has, step))
            yield None


NO_NAMES = SharedNames()


class Known:
    """The minions that one client has.

    :param shared: those that it had when it resumed; not changed, because other clients have them too
    """

    def __init__(self, shared: SharedNames | None = None) -> None:
        self._shared = shared or NO_NAMES
        self._added: set[str] = set()
        self._gone: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._added or (name in self._shared.names and name not in self._gone)

    def add(self, name: str) -> None:
        """Note a minion that was sent."""
        self._gone.discard(name)
        if name not in self._shared.names:
            self._added.add(name)

    def discard(self, name: str) -> None:
        """Note that a minion was sent as gone."""
        self._added.discard(name)
        if name in self._shared.names:
            self._gone.add(name)

    def all(self) -> set[str]:
        """Return the names."""
        return (self._shared.names - self._gone) | self._added


class MinionChanges:
    """The numbers of the last changes of minions, and the users who may have these minions."""

    def __init__(self, minions: MinionRegistry, revisions: Revisions, log: ChangeLog[str]) -> None:
        self._minions = minions
        self._revisions = revisions
        self._log = log
        self._shown: set[str] = set()
        """Minions that users without permission for keys may have, also those that are gone since."""
        self._names: WeakValueDictionary[Hashable, SharedNames] = WeakValueDictionary()

    def note(self, name: str) -> int:
        """Give a change its number, and return it."""
        if self.is_shown(name):
            self._shown.add(name)
        known = self._minions.all()
        self._shown.difference_update(dropped for dropped in self._log.note(name) if dropped not in known)
        return self._revisions.newest

    def after(self, number: int) -> Collection[str]:
        """Return the minions that changed after a number."""
        found = self._log.after(number)
        return self._minions.all() if found is None else found

    def is_shown(self, name: str) -> bool:
        """Return whether a minion is shown to users without permission for keys: functions can run on it."""
        minion = self._minions.get(name)
        return minion is not None and (minion.elsewhere or self._minions.is_reachable(name))

    def may_have(self, viewer: Viewer, name: str) -> bool:
        """Return whether a client of this viewer may have a minion, and may learn that it is gone."""
        permissions = viewer.permissions
        if permissions.lists_keys:
            return True
        # The permission first: most minions fail it, and it takes less time.
        return permissions.may_run("test.ping", (), name) and (name in self._shown or self.is_shown(name))

    def of(self, viewer: Viewer, shared: SharedNames) -> Known:
        """Return what a client of this viewer has at most.

        :param shared: what it had at some time, from :meth:`shared`
        """
        known = Known(shared)
        for name in self.after(shared.number):
            if self.may_have(viewer, name):
                known.add(name)
        return known

    def pass_on(self) -> dict[str, Any]:
        """Return the newest changes for the process that takes over."""
        state = self._log.pass_on()
        elsewhere = [name for name, minion in self._minions.all().items() if minion.elsewhere]
        return {**state, "shown": [name for name, _ in state["entries"] if name in self._shown], "elsewhere": elsewhere}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue with the changes of the last process."""
        self._log.restore(state)
        self._shown.update(state["shown"], state["elsewhere"], filter(self.is_shown, self._minions.all()))
        for name in state["elsewhere"]:
            self._log.note(name)  # not passed on: their masters name them again, or they are gone

    def shared(self, viewer: Viewer) -> SharedNames:
        """Return the minions that clients of equal viewers may have; its steps may have to be run first."""
        key = (viewer.key, viewer.permissions.expanded)
        shared = self._names.get(key)
        if shared is None or len(self.after(shared.number)) > MAX_CHANGED:
            shared = SharedNames(self._minions.all(), lambda name: self.may_have(viewer, name), self._revisions.newest)
            self._names[key] = shared
        return shared
