"""An index that finds the filters that an event may fit, without trying each of them.

An event costs one look-up for each length of a prefix or suffix, however many filters there are. Filters without a key
are tried for every event, so their number is limited (core/access/user_limits.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Literal, NamedTuple, TypeVar

from ..events.event import Event

How = Literal["prefix", "suffix", "jid", "fun"]
T = TypeVar("T")


class Key(NamedTuple):
    """What an event must have to fit a filter: a prefix or suffix of its tag, a jid, or a function."""

    how: How
    text: str


class FilterIndex(Generic[T]):
    """Items, found by the keys of an event."""

    def __init__(self) -> None:
        self._any: dict[T, None] = {}
        """Items without keys: found for every event."""
        self._items: dict[How, dict[str, dict[T, None]]] = {"prefix": {}, "suffix": {}, "jid": {}, "fun": {}}
        self._lengths: dict[How, dict[int, int]] = {"prefix": {}, "suffix": {}}
        """Number of texts by length, the shortest first."""

    def add(self, item: T, keys: Iterable[Key]) -> None:
        """Add an item under each of its keys; an item without keys is found for every event."""
        has_keys = False
        for how, text in keys:
            has_keys = True
            items = self._items[how].get(text)
            if items is None:
                items = self._items[how][text] = {}
                self._count(how, len(text), 1)
            items[item] = None
        if not has_keys:
            self._any[item] = None

    def remove(self, item: T, keys: Iterable[Key]) -> None:
        """Remove an item that was added with these keys."""
        self._any.pop(item, None)
        for how, text in keys:
            items = self._items[how].get(text)
            if items is None:
                continue
            items.pop(item, None)
            if not items:
                del self._items[how][text]
                self._count(how, len(text), -1)

    def candidates(self, event: Event) -> list[T]:
        """Return the items that an event may fit."""
        found = dict(self._any)
        tag, length_of_tag = event.tag, len(event.tag)
        prefixes, suffixes = self._items["prefix"], self._items["suffix"]
        for length in self._lengths["prefix"]:
            if length > length_of_tag:
                break
            found.update(prefixes.get(tag[:length]) or {})
        for length in self._lengths["suffix"]:
            if length > length_of_tag:
                break
            found.update(suffixes.get(tag[length_of_tag - length :]) or {})
        if event.topic.jid is not None:
            found.update(self._items["jid"].get(event.topic.jid) or {})
        if event.fun is not None:
            found.update(self._items["fun"].get(event.fun) or {})
        return list(found)

    def _count(self, how: How, length: int, by: int) -> None:
        lengths = self._lengths.get(how)
        if lengths is None:
            return
        count = lengths.get(length, 0) + by
        if count:
            lengths[length] = count
        else:
            del lengths[length]
        if count == by:  # a new length: sort again
            self._lengths[how] = dict(sorted(lengths.items()))
