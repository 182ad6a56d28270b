"""Every event of the bus goes through here once: numbered, kept, taken into the views, handed out.

Subscribers with the same filter and the same view share one decision and the same bytes; nothing is done for one
client that could be done for all of its kind (core/subscriptions/fanout.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ...errors import ApiError
from ..access.turns import Turns
from ..access.user_limits import UserLimits
from ..access.visibility import Viewer, Visibility
from ..counters import Counters
from ..events.event import Event, make
from ..events.history import History, Hole
from ..jobs.registry import JobRegistry
from ..minions.registry import MinionRegistry
from ..timing import Later
from .events import EventSubscription
from .fanout import Group, GroupKey
from .filter_index import FilterIndex
from .filters import Wanted
from .waits import Waits

log = logging.getLogger(__name__)


class Hub:
    """Takes what the bus brings and hands it out.

    :param turns: look-backs through the history take turns there
    :param limits: what each user may have at once
    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    """

    def __init__(
        self,
        *,
        history: History,
        book: JobRegistry,
        fleet: MinionRegistry,
        visibility: Visibility,
        later: Later,
        clock: Callable[[], float],
        wall: Callable[[], float],
        turns: Turns,
        limits: UserLimits,
    ) -> None:
        self.history = history
        self.turns = turns
        self.limits = limits
        self.waits = Waits()
        self.counters = Counters()
        self._book = book
        self._fleet = fleet
        self._visibility = visibility
        self.later = later
        self.clock = clock
        self._wall = wall
        self._groups: dict[GroupKey, Group] = {}
        self._index: FilterIndex[Group] = FilterIndex()
        """The groups, by what they ask for."""

    def take(self, tag: str, data: dict[str, Any]) -> None:
        """Take one event from the bus."""
        now = self._wall()
        event, data = make(self.history.next_seq(), tag, data, now)
        counters = self.counters
        counters.events_read += 1
        counters.last_stamp, counters.last_read = str(data.get("_stamp", "")), now
        self.history.append(event)
        for picture in (self._fleet, self._book):
            try:
                picture.take(event, data)
            except Exception:
                # What a picture cannot digest is an event all the same, kept and handed out like the others.
                log.exception("an event could not be taken into a picture, its tag is %.200r", tag)
        for group in self._index.of(event):
            try:
                body = self.view(group.filter, group.viewer, event)
            except ApiError as why:
                group.refuse(why)
                continue
            if body is not None:
                group.deliver(event, body)
        self.waits.take(event, self.view)
        event.cuts.clear()

    def broke(self) -> Hole:
        """Note that the bus was not heard for a while: events may be missing here, nobody knows how many."""
        hole = self.history.append_hole(self._wall())
        self.counters.bus_losses += 1
        for group in list(self._groups.values()):
            group.flush()
            for member in list(group.members):
                member.tell_gap(hole.reason, hole.seq, hole.seq)
        return hole

    def bookmark(self) -> None:
        """Tell quiet subscriptions how far everything was looked at, so that they need not replay it."""
        for group in list(self._groups.values()):
            group.bookmark(self.history.epoch, self.history.seq)

    def view(self, filter_: Wanted, viewer: Viewer, event: Event) -> bytes | None:
        """Return the event's body for this filter and viewer, or None.

        :raises ApiError: the filter takes more time than its user has
        """
        if not filter_.wants(event):
            return None
        try:
            body = self._visibility.view(viewer, event)
        except Exception:
            # An odd entry in one user's auth list must not keep the event from all others.
            log.exception("whether %.200r may see an event could not be decided: not shown", viewer.user)
            return None
        return None if body is None else filter_.asked_for(event, body)

    def join(self, subscription: EventSubscription) -> Group:
        """Hand live events to a subscription that has seen everything up to the head."""
        key = (subscription.filter, subscription.session.viewer, subscription.form)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(*key, self.later, self.clock, self.counters)
            self._index.add(group, group.filter.keys)
        group.flush()
        group.members[subscription] = None
        return group

    def leave(self, subscription: EventSubscription, group: Group) -> None:
        """Hand it nothing more."""
        group.members.pop(subscription, None)
        if not group.members:
            self._groups.pop(group.key, None)
            self._index.remove(group, group.filter.keys)
            group.end()
