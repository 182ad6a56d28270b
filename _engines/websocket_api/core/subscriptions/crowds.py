"""Crowds: all groups of subscriptions with the same filter, found for an event without asking each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..access.visibility import Viewer
from ..events.event import Event
from .after import After
from .audience import Audience
from .fanout import Group
from .filter_index import FilterIndex
from .filters import EventFilter

Groups = tuple[Group, ...]


class Crowd:
    """The groups with the same filter, by viewer: the filter is applied once for all of them."""

    def __init__(self, filter_: EventFilter) -> None:
        self.filter = filter_
        self._groups: dict[Viewer, Groups] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, group: Group) -> None:
        """Add a group with this filter."""
        self._groups[group.viewer] = (*self._groups.get(group.viewer, ()), group)

    def remove(self, group: Group) -> None:
        """Remove a group that was added."""
        others = tuple(one for one in self._groups[group.viewer] if one is not group)
        if others:
            self._groups[group.viewer] = others
        else:
            del self._groups[group.viewer]

    def among(self, viewers: Mapping[Viewer, None]) -> list[tuple[Viewer, Groups]]:
        """Return those of the viewers who have groups here, with these groups."""
        groups = self._groups
        if len(viewers) < len(groups):
            return [(viewer, groups[viewer]) for viewer in viewers if viewer in groups]
        return [(viewer, those) for viewer, those in groups.items() if viewer in viewers]


class Crowds:
    """All crowds.

    :param audience: finds the viewers who could see an event
    """

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._crowds: dict[EventFilter, Crowd] = {}
        self._index: FilterIndex[Crowd] = FilterIndex()
        """The crowds, by what their filters ask for."""

    def add(self, group: Group) -> None:
        """Find a group for events from now on."""
        crowd = self._crowds.get(group.filter)
        if crowd is None:
            crowd = self._crowds[group.filter] = Crowd(group.filter)
            self._index.add(crowd, group.filter.keys)
        crowd.add(group)
        self._audience.add(group.viewer)

    def remove(self, group: Group) -> None:
        """Find a group no longer."""
        crowd = self._crowds[group.filter]
        crowd.remove(group)
        self._audience.remove(group.viewer)
        if not crowd:
            del self._crowds[group.filter]
            self._index.remove(crowd, group.filter.keys)

    def wanting(self, event: Event, *, backlog: bool) -> Iterator[tuple[EventFilter, Viewer, Groups]]:
        """Yield the groups whose filter fits an event, by filter and viewer, without viewers who cannot see it.

        :param backlog: only groups of clients with an earlier position
        """
        audience = None
        for crowd in self._index.candidates(event):
            if (backlog and not isinstance(crowd.filter, After)) or not crowd.filter.matches(event):
                continue
            if audience is None:
                audience = self._audience.of(event)
            for viewer, groups in crowd.among(audience):
                yield crowd.filter, viewer, groups
