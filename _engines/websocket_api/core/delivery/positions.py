"""Positions of snapshots: a client that reconnects sends what it has, and gets only what changed since.

Each change of a job, minion or batch gets a number. Only the last number of each part is kept: a client that was away
gets each part once, in its present state. A position names the numbering (``epoch``), a number (``seq``) and what
shaped the client's snapshot (``view``): another user, other permissions or another filter have another view.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

from ..access.visibility import Viewer

MAX_ENTRIES = 20_000
"""Parts in a log; about 200 bytes of memory each."""

MAX_PASSED = 5000
"""Entries that are passed on at a reload. All clients get their newest position just before it, so few are needed."""

Position = dict[str, Any]
"""``{"epoch", "seq", "view"}``"""
Key = TypeVar("Key", bound=Hashable)


@lru_cache(maxsize=64)
def _digest_of(epoch: str, viewer: tuple[str, str, str], expanded: tuple[str, ...]) -> hashlib.blake2b:
    """Return the digest of what does not depend on a filter: an auth list can be long. Only copies are updated."""
    return hashlib.blake2b(repr((epoch, viewer, expanded)).encode(), digest_size=12)


class Revisions:
    """Numbers the changes of all jobs, minions and batches.

    :param epoch: the name of this numbering
    """

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.newest = 0
        self._frozen = False

    def next(self) -> int:
        """Return the number of a change."""
        self.newest += 1
        return self.newest

    def view(self, viewer: Viewer, shape: tuple[Any, ...]) -> str:
        """Return the name of what a viewer sees with some filters: equal for equal ones, after a reload too.

        :param shape: the kind of the snapshot and its filters
        """
        digest = _digest_of(self.epoch, viewer.key, viewer.permissions.expanded).copy()
        digest.update(repr(shape).encode())
        return digest.hexdigest()

    def position(self, number: int, view: str) -> Position | None:
        """Return the position after a change; None if another process gives the numbers now."""
        return None if self._frozen else {"epoch": self.epoch, "seq": number, "view": view}

    def number_of(self, position: Mapping[str, Any], view: str) -> int | None:
        """Return the number of a position; None if it is of another numbering or view, or of the future."""
        if position.get("epoch") != self.epoch or position.get("view") != view:
            return None
        number = position.get("seq")
        return number if isinstance(number, int) and number <= self.newest else None

    def freeze(self) -> dict[str, Any]:
        """Give no positions any more, and return the state for the process that takes over."""
        self._frozen = True
        return {"epoch": self.epoch, "seq": self.newest}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the numbering of the last process."""
        self.epoch, self.newest = state["epoch"], state["seq"]


class ChangeLog(Generic[Key]):
    """When each part of a feed last changed. The oldest are dropped first.

    :param max_entries: parts that are kept
    """

    def __init__(self, revisions: Revisions, max_entries: int = MAX_ENTRIES) -> None:
        self._revisions = revisions
        self._max_entries = max_entries
        self._numbers: dict[Key, int] = {}
        """Oldest first."""
        self._floor = 0
        """The number after which all changes are known."""

    def note(self, key: Key) -> list[Key]:
        """Give a change its number; return the parts that were dropped to make room."""
        numbers, dropped = self._numbers, []
        numbers.pop(key, None)
        numbers[key] = self._revisions.next()
        while len(numbers) > self._max_entries:
            oldest = next(iter(numbers))
            self._floor = numbers.pop(oldest)
            dropped.append(oldest)
        return dropped

    def reaches(self, number: int) -> bool:
        """Return whether all changes after a number are known."""
        return number >= self._floor

    def after(self, number: int) -> list[Key] | None:
        """Return the parts that changed after a number; None if that is not known."""
        if not self.reaches(number):
            return None
        found = []
        for key, changed in reversed(self._numbers.items()):
            if changed <= number:
                break
            found.append(key)
        return found

    def pass_on(self) -> dict[str, Any]:
        """Return the newest entries for the process that takes over."""
        entries = list(self._numbers.items())
        floor = entries[-MAX_PASSED - 1][1] if len(entries) > MAX_PASSED else self._floor
        return {"floor": floor, "entries": entries[-MAX_PASSED:]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the log of the last process."""
        self._floor = state["floor"]
        entries: Any = state["entries"]
        # JSON has lists for keys that are tuples.
        self._numbers = {cast("Key", tuple(key)) if isinstance(key, list) else key: number for key, number in entries}
