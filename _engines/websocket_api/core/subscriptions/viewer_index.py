"""An index that finds the viewers who could see an event, without a decision about each of them.

With many users of a few minions each, hardly any of them sees an event. A decision about each would cost more than
everything else that is done with the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..access.visibility import Requirements, Viewer, Visibility
from ..events.event import Event
from .filter_index import FilterIndex, Key
from .filters import keys_of

FEW = 2
"""With at most so many viewers all are candidates: finding those who could see an event costs as much as deciding."""
MAX_REQUIREMENTS = 100
"""Maximum number of requirements whose viewers are kept: they have names of functions, which come from the bus."""
MAX_BY_MINION = 200_000
"""Maximum number of minions and of their viewers that are kept together: about 20 MB."""
MAX_NAME = 255
"""Maximum characters of a name for which viewers are kept. Ids of minions are names of files, so they are shorter."""
NOBODY: dict[Viewer, None] = {}


class Targets(Protocol):
    """Matches minions against target expressions (core/access/target_sets.py)."""

    @property
    def version(self) -> int:
        """A number that changes with each answer of :meth:`matches`."""
        ...

    def matches(self, expression: str, minion: str) -> bool:
        """Return whether the expression is known to match this minion."""
        ...


class ViewerIndex:
    """The viewers of live subscriptions, by what can show them an event.

    A viewer who may not see everything sees an event for one of four reasons: an entry for all minions, a target that
    matches the event's minion, a pattern that matches its tag, or because the viewer owns its job. All others are left
    out. :meth:`.Visibility.view` still decides about the candidates, so a fault here can hide an event, but never show
    one.
    """

    def __init__(self, visibility: Visibility, targets: Targets) -> None:
        self._visibility = visibility
        self._targets = targets
        self._viewers: dict[Viewer, None] = {}
        self._counts: dict[Viewer, int] = {}
        """How often each was added."""
        self._by_user: dict[str, dict[Viewer, None]] = {}
        self._by_target: dict[str, dict[Viewer, None]] = {}
        self._by_tag: FilterIndex[Viewer] = FilterIndex()
        """Viewers by the patterns of their ``@events`` entries."""
        self._with_patterns = 0
        """Number of viewers with such patterns."""
        # The next two are caches. A change of the viewers clears both, a change of the target sets the second.
        self._everywhere: dict[Requirements, dict[Viewer, None]] = {}
        """Viewers who could see such events of any minion."""
        self._by_minion: dict[str, Mapping[Viewer, None]] = {}
        """Viewers with a target that matches a minion."""
        self._by_minion_size = 0
        """Number of minions and viewers in it."""
        self._version = targets.version
        """That of the target sets for which it holds."""

    def add(self, viewer: Viewer) -> None:
        """Add a viewer, as often as it has groups of subscriptions."""
        count = self._counts.get(viewer, 0)
        self._counts[viewer] = count + 1
        if not count:
            self._viewers[viewer] = None
            self._by_user.setdefault(viewer.user, {})[viewer] = None
            for target in viewer.permissions.expressions:
                self._by_target.setdefault(target, {})[viewer] = None
            if isinstance(viewer.permissions.visible_tags, list):
                self._by_tag.add(viewer, _tag_keys(viewer))
                self._with_patterns += 1
            self._clear()

    def remove(self, viewer: Viewer) -> None:
        """Remove a viewer that was added."""
        self._counts[viewer] -= 1
        if not self._counts[viewer]:
            del self._counts[viewer], self._viewers[viewer]
            _discard(self._by_user, viewer.user, viewer)
            for target in viewer.permissions.expressions:
                _discard(self._by_target, target, viewer)
            if isinstance(viewer.permissions.visible_tags, list):
                self._by_tag.remove(viewer, _tag_keys(viewer))
                self._with_patterns -= 1
            self._clear()

    def candidates(self, event: Event) -> Mapping[Viewer, None]:
        """Return the viewers who could see an event; for all others :meth:`.Visibility.view` returns None."""
        if len(self._viewers) <= FEW:
            return self._viewers
        if self._version != self._targets.version:
            self._clear_by_minion()
        requirements, owner = self._visibility.requirements(event)
        if requirements is None:
            return self._viewers
        found = self._everywhere.get(requirements)
        if found is None:
            found = self._find_everywhere(requirements)
        minion = event.topic.minion or ""
        matched = self._by_minion.get(minion)
        if matched is None:
            matched = self._find_by_minion(minion)
        owners = self._by_user.get(owner, NOBODY) if isinstance(owner, str) else NOBODY
        if matched or owners:
            found = {**found, **matched, **owners}
        if requirements.tags and self._with_patterns:
            found = {**found, **dict.fromkeys(self._by_tag.candidates(event))}
        return found

    def _find_everywhere(self, requirements: Requirements) -> dict[Viewer, None]:
        if len(self._everywhere) >= MAX_REQUIREMENTS:
            self._everywhere.clear()
        found = {viewer: None for viewer in self._viewers if self._could_see(viewer, requirements)}
        if sum(map(len, (*requirements.funs, *(requirements.call or ())))) <= MAX_NAME:
            self._everywhere[requirements] = found
        return found

    def _could_see(self, viewer: Viewer, requirements: Requirements) -> bool:
        try:
            return self._visibility.could_see(viewer, requirements)
        except Exception:  # noqa: BLE001 - the decision about the viewer reports it
            return True

    def _find_by_minion(self, minion: str) -> Mapping[Viewer, None]:
        if self._by_minion_size >= MAX_BY_MINION:
            self._clear_by_minion()
        matched = [viewers for target, viewers in self._by_target.items() if self._targets.matches(target, minion)]
        found, size = matched[0] if matched else NOBODY, 1
        if len(matched) > 1:
            found = {viewer: None for viewers in matched for viewer in viewers}
            size += len(found)
        if len(minion) <= MAX_NAME:
            self._by_minion[minion] = found
            self._by_minion_size += size
        return found

    def _clear(self) -> None:
        self._everywhere.clear()
        self._clear_by_minion()

    def _clear_by_minion(self) -> None:
        self._by_minion.clear()
        self._by_minion_size = 0
        self._version = self._targets.version


def _tag_keys(viewer: Viewer) -> tuple[Key, ...]:
    patterns = viewer.permissions.visible_tags
    return () if isinstance(patterns, bool) else keys_of(patterns, "fnmatch")


def _discard(index: dict[str, dict[Viewer, None]], key: str, viewer: Viewer) -> None:
    viewers = index.get(key)
    if viewers is not None:
        viewers.pop(viewer, None)
        if not viewers:
            del index[key]
