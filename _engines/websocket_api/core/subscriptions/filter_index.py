"""Finds those of many filters that an event may fit, without asking each of them.

An event costs a look-up for each length that a prefix or suffix has, however many filters there are. Filters that say
nothing of this kind are tried at every event; so their number is bounded (core/access/user_limits.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Literal, NamedTuple, TypeVar

from ..events.event import Event

How = Literal["prefix", "suffix", "jid", "fun"]
T = TypeVar("T")


class Key(NamedTuple):
    """What an event must have, so that a filter may fit it: a tag that begins or ends so, a job, or a function."""

    how: How
    text: str


class FilterIndex(Generic[T]):
    """Things by what the events that concern them have in common."""

    def __init__(self) -> None:
        self._any: dict[T, None] = {}
        """Found for every event."""
        self._found: dict[How, dict[str, dict[T, None]]] = {"prefix": {}, "suffix": {}, "jid": {}, "fun": {}}
        self._lengths: dict[How, dict[int, int]] = {"prefix": {}, "suffix": {}}
        """How many texts there are of each length, the shortest first."""

    def add(self, thing: T, keys: Iterable[Key]) -> None:
        """Find a thing by each of its keys; by every event where it has none."""
        found = False
        for how, text in keys:
            found = True
            things = self._found[how].get(text)
            if things is None:
                things = self._found[how][text] = {}
                self._count(how, len(text), 1)
            things[thing] = None
        if not found:
            self._any[thing] = None

    def remove(self, thing: T, keys: Iterable[Key]) -> None:
        """Find it no more."""
        self._any.pop(thing, None)
        for how, text in keys:
            things = self._found[how].get(text)
            if things is None:
                continue
            things.pop(thing, None)
            if not things:
                del self._found[how][text]
                self._count(how, len(text), -1)

    def of(self, event: Event) -> list[T]:
        """Return what an event may concern."""
        found = dict(self._any)
        tag, most = event.tag, len(event.tag)
        prefixes, suffixes = self._found["prefix"], self._found["suffix"]
        for length in self._lengths["prefix"]:
            if length > most:
                break
            found.update(prefixes.get(tag[:length]) or {})
        for length in self._lengths["suffix"]:
            if length > most:
                break
            found.update(suffixes.get(tag[most - length :]) or {})
        if event.topic.jid is not None:
            found.update(self._found["jid"].get(event.topic.jid) or {})
        if event.fun is not None:
            found.update(self._found["fun"].get(event.fun) or {})
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
        if count == by:  # a new length: the shortest stays first
            self._lengths[how] = dict(sorted(lengths.items()))
