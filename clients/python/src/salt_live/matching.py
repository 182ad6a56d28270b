"""How SaltEvent compares tags, and keeps events for later."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache

from salt_live.models import Event

Match = Callable[[str, str], bool]


@lru_cache(maxsize=256)
def _pattern(expression: str) -> re.Pattern[str]:
    return re.compile(f"^{expression}")


MATCHES: dict[str, Match] = {
    "startswith": lambda tag, search: tag.startswith(search),
    "endswith": lambda tag, search: tag.endswith(search),
    "find": lambda tag, search: search in tag,
    "regex": lambda tag, search: _pattern(search).search(tag) is not None,
    "fnmatch": fnmatch.fnmatch,
}
"""The functions by ``match_type``, as in ``salt.utils.event``."""


def match_function(match_type: str | None) -> Match:
    """Return the function of a ``match_type``.

    :raises ValueError: there is none
    """
    try:
        return MATCHES[match_type or "startswith"]
    except KeyError:
        raise ValueError(f"unknown match_type {match_type!r}; use one of {', '.join(MATCHES)}") from None


class Pending:
    """The tags that ``subscribe`` named, and the events that were kept for them.

    :param max_events: the oldest are dropped beyond this
    """

    def __init__(self, max_events: int) -> None:
        self._tags: list[tuple[str, Match]] = []
        self._events: list[Event] = []
        self._max_events = max_events

    def subscribe(self, tag: str, match_type: str | None) -> None:
        """Keep events whose tag matches."""
        self._tags.append((tag, match_function(match_type)))

    def unsubscribe(self, tag: str, match_type: str | None) -> None:
        """Undo ``subscribe``, and drop events that no other tag keeps."""
        wanted = (tag, match_function(match_type))
        if wanted in self._tags:
            self._tags.remove(wanted)
        self._events = [event for event in self._events if self._wants(event)]

    def keep(self, event: Event) -> bool:
        """Keep an event that was not asked for; return whether an older one was dropped for it."""
        if not self._wants(event):
            return False
        self._events.append(event)
        if len(self._events) <= self._max_events:
            return False
        del self._events[0]
        return True

    def take(self, tag: str, match: Match) -> Event | None:
        """Return the oldest kept event whose tag matches. Events that nobody waits for any more are dropped."""
        found = next((event for event in self._events if match(event.tag, tag)), None)
        self._events = [event for event in self._events if event is not found and self._wants(event, tag, match)]
        return found

    def _wants(self, event: Event, tag: str | None = None, match: Match | None = None) -> bool:
        if tag is not None and match is not None and match(event.tag, tag):
            return True
        return any(matches(event.tag, wanted) for wanted, matches in self._tags)
