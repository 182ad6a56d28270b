"""Find the groups of subscriptions that an event goes to, without a look at each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..access.visibility import Viewer
from ..events.event import Event
from .after import After
from .fanout import Group
from .filter_index import FilterIndex
from .filters import EventFilter
from .viewer_index import ViewerIndex

Groups = tuple[Group, ...]


class Route:
    """A filter, and the groups that have it, by viewer. The filter is applied once for all of them."""

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

    def groups_of(self, viewers: Mapping[Viewer, None]) -> list[tuple[Viewer, Groups]]:
        """Return the viewers that have groups here, with their groups."""
        groups = self._groups
        if len(viewers) < len(groups):
            return [(viewer, groups[viewer]) for viewer in viewers if viewer in groups]
        return [(viewer, own) for viewer, own in groups.items() if viewer in viewers]


class RoutingTable:
    """The routes of all groups.

    :param viewers: finds the viewers who could see an event
    """

    def __init__(self, viewers: ViewerIndex) -> None:
        self._viewers = viewers
        self._routes: dict[EventFilter, Route] = {}
        self._index: FilterIndex[Route] = FilterIndex()
        """The routes, by the keys of their filters."""

    def add(self, group: Group) -> None:
        """Add a group: it gets events from now on."""
        route = self._routes.get(group.filter)
        if route is None:
            route = self._routes[group.filter] = Route(group.filter)
            self._index.add(route, group.filter.keys)
        route.add(group)
        self._viewers.add(group.viewer)

    def remove(self, group: Group) -> None:
        """Remove a group that was added."""
        route = self._routes[group.filter]
        route.remove(group)
        self._viewers.remove(group.viewer)
        if not route:
            del self._routes[group.filter]
            self._index.remove(route, group.filter.keys)

    def matching(self, event: Event, *, backlog: bool) -> Iterator[tuple[EventFilter, Viewer, Groups]]:
        """Yield the groups whose filter matches an event and whose viewer could see it, by filter and viewer.

        :class:`.Visibility` still decides what each of these viewers sees.

        :param backlog: whether the event is from before the start of this engine: then only clients that resume from an
            earlier position get it
        """
        candidates = None
        for route in self._index.candidates(event):
            if (backlog and not isinstance(route.filter, After)) or not route.filter.matches(event):
                continue
            if candidates is None:
                candidates = self._viewers.candidates(event)
            for viewer, groups in route.groups_of(candidates):
                yield route.filter, viewer, groups
