"""Every event of the bus passes here once: numbered, stored, applied to the registries, sent to subscribers.

Subscribers with the same filter and viewer share one decision and the same bytes; nothing is done per client that can
be done once for several (core/subscriptions/fanout.py).
"""

from __future__ import annotations

import logging
from typing import Any

from ...tracing import PRODUCER, NoTracing, Tracing, trace_context
from ..access.turns import Turns
from ..access.user_limits import UserLimits
from ..access.visibility import Viewer, Visibility
from ..counters import Counters
from ..events.event import Event, make
from ..events.history import Gap, History
from ..events.origins import PEER, Origin, Origins
from ..jobs.registry import JobRegistry
from ..minions.registry import MinionRegistry
from ..timing import Clock, Later
from .after import After, Positions
from .fanout import Group, GroupKey
from .filters import EventFilter
from .members import Member
from .routing import RoutingTable
from .viewer_index import ViewerIndex
from .waiters import Waiters

log = logging.getLogger(__name__)

SINGLE_SECONDS = 0.008
"""Longest delay on the bus while a client gets each event in a frame of its own, or waits for an event."""
BUNDLED_SECONDS = 0.022
"""The same while clients get bundles only. A little longer than the 20 ms between two bundles: what is read together
is then sent at once. With equal times it could wait for nearly 20 ms more, and for as long as these times last."""
IDLE_SECONDS = 0.05
"""The same without subscriptions to events: jobs, minions and batches are sent some 100 ms after their changes."""
ALONE_SECONDS = 0.1
"""The same without clients and batches, where this saves reads: nobody sees when an event is read."""
ALONE_EVENTS = 30
"""Events in a read up to which they may wait so long: the kernel keeps about a hundred for the publisher."""


class Hub:
    """Applies each event of the bus, and delivers it.

    :param viewers: finds the viewers who could see an event
    :param turns: gives look-backs through the history their turns
    :param limits: the limits of each user
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    :param tracing: records the delivery of events that belong to a trace
    :param origins: names the masters of a cluster
    :param positions: at the masters that share a log; None without one
    """

    def __init__(
        self,
        *,
        history: History,
        jobs: JobRegistry,
        minions: MinionRegistry,
        visibility: Visibility,
        viewers: ViewerIndex,
        later: Later,
        clock: Clock,
        wall: Clock,
        turns: Turns,
        limits: UserLimits,
        tracing: Tracing | None = None,
        origins: Origins | None = None,
        positions: Positions | None = None,
    ) -> None:
        self.history = history
        self.turns = turns
        self.limits = limits
        self.waiters = Waiters()
        self.counters = Counters()
        self._jobs = jobs
        self._minions = minions
        self._visibility = visibility
        self.later = later
        self.clock = clock
        self._wall = wall
        self._tracing = tracing or NoTracing()
        self._origins = origins or Origins()
        self.positions = positions
        self._groups: dict[GroupKey, Group] = {}
        self._single_groups = 0
        """Groups whose members get each event in a frame of its own."""
        self._routes = RoutingTable(viewers)
        """The groups, found by filter and viewer."""

    @property
    def master(self) -> str | None:
        """The own master's id, as events have it; None if there is one master only."""
        return self._origins.own

    def max_delay(self, events: int, *, alone: bool = False) -> float:
        """Return the seconds for which events may wait on the bus, to be read together: that costs less.

        :param events: how many the last read returned
        :param alone: whether there are neither clients nor running batches
        """
        if self._single_groups or self.waiters:
            return SINGLE_SECONDS
        if self._groups:
            return BUNDLED_SECONDS
        # Clients of other masters may wait for the events of this one.
        return ALONE_SECONDS if alone and events <= ALONE_EVENTS and self.positions is None else IDLE_SECONDS

    def publish(self, tag: str, data: dict[str, Any]) -> None:
        """Apply one event of the bus to the registries, and deliver it."""
        if self.positions is not None:
            if self._origins.clustered and PEER in data:
                return  # a cluster forwarded it: it comes by the common log, where nothing is lost
            self.positions.touch()
        now = self._wall()
        master, data = self._origins.split(data)
        event, data = make(self.history.next_seq(), tag, data, now, master)
        counters = self.counters
        counters.events_read += 1
        counters.last_stamp, counters.last_read = str(data.get("_stamp", "")), now
        self._apply(event, data)

    def publish_shared(self, origin: Origin, tag: str, data: dict[str, Any], age: float) -> None:
        """Apply and deliver an event of another master.

        :param age: seconds since it was written there: the clocks of masters may differ
        """
        now = self._wall() - age
        event, data = make(self.history.next_seq(), tag, data, now, origin.master, origin)
        self._apply(event, data, backlog=self._is_backlog(origin))

    def _is_backlog(self, origin: Origin) -> bool:
        """Return whether only clients with an earlier position get what is read of a master now."""
        return self.positions is not None and self.positions.is_backlog(origin.master)

    def append_shared_gap(self, origin: Origin, reason: str) -> None:
        """Record and report that events of another master are missing."""
        self._send_gap(self.history.append_gap_of(origin, reason, self._wall()))

    def _apply(self, event: Event, data: dict[str, Any], *, backlog: bool = False) -> None:
        self.history.append(event)
        self._update(event, data)
        # Salt adds the trace context to the events that it fires: one span for the delivery to all clients.
        trace = trace_context(data.get("traceparent")) if self._tracing.enabled else None
        if trace:
            with self._tracing.span(
                "websocket_api.deliver", trace, PRODUCER, **{"websocket_api.seq": event.seq}
            ) as span:
                span.set_attribute("websocket_api.groups", self._deliver(event, backlog=backlog))
        else:
            self._deliver(event, backlog=backlog)
        event.forget_derived()

    def apply(self, tag: str, data: dict[str, Any]) -> None:
        """Apply one event to the registries only: another process numbers and delivers it.

        An event that was published here before changes nothing.
        """
        if self.positions is not None and PEER in data:
            return
        master, data = self._origins.split(data)
        self._update(*make(self.history.next_seq(), tag, data, self._wall(), master))

    def _update(self, event: Event, data: dict[str, Any]) -> None:
        for registry in (self._minions, self._jobs):
            try:
                registry.apply(event, data)
            except Exception:
                # The event is stored and delivered all the same.
                log.exception("cannot apply an event with the tag %.200r to %s", event.tag, type(registry).__name__)

    def _deliver(self, event: Event, *, backlog: bool) -> int:
        """Deliver an event; return to how many groups of subscriptions."""
        wanted = self._wanted(event, backlog=backlog) if self._groups else []
        for group, body in wanted:
            group.deliver(event, body)
        if self.waiters:
            self.waiters.deliver(event, self.view, backlog=backlog)
        return len(wanted)

    def _wanted(self, event: Event, *, backlog: bool) -> list[tuple[Group, bytes]]:
        """Return the groups that get an event, with its bodies: all is decided before anything is sent."""
        found: list[tuple[Group, bytes]] = []
        for filter_, viewer, groups in self._routes.matching(event, backlog=backlog):
            body = self._show(filter_, viewer, event)
            if body is not None:
                for group in groups:
                    found.append((group, body))  # noqa: PERF401 - most viewers have one group
        return found

    def append_gap(self) -> Gap:
        """Record that the engine did not read the bus for a while, and report it: an unknown number is missing."""
        gap = self.history.append_gap(self._wall())
        self.counters.bus_losses += 1
        if self.positions is not None:
            self.positions.touch()
        self._send_gap(gap)
        return gap

    def _send_gap(self, gap: Gap) -> None:
        backlog = gap.origin is not None and self._is_backlog(gap.origin)
        for group in list(self._groups.values()):
            is_new = group.filter.is_new(gap) if isinstance(group.filter, After) else not backlog
            if not is_new or not self.concerns(gap, group.filter):
                continue
            group.flush()
            for member in list(group.members):
                member.send_gap(gap.reason, gap.seq, gap.seq, masters=masters_of(gap))

    def concerns(self, gap: Gap, filter_: EventFilter) -> bool:
        """Return whether events that a filter wants may be missing in a gap."""
        if gap.origin is not None:
            return filter_.covers(gap.origin.master)
        # Only with a common log is the own master's bus read for its own events alone.
        return filter_.covers(None if self.positions is None else self.master)

    def bookmark(self) -> None:
        """Send quiet subscriptions the newest number, so that they need not replay all before it."""
        for group in list(self._groups.values()):
            group.bookmark(self.history.epoch, self.history.seq)

    def settle(self) -> None:
        """Let clients that resumed join the others, when the common log has their positions or never will."""
        positions = self.positions
        if positions is None:
            return
        for group in list(self._groups.values()):
            if isinstance(group.filter, After):
                resume = positions.settle(group.filter)
                if resume is not None or positions.has_passed(group.filter):
                    for member in list(group.members):
                        member.settle(resume)

    def bookmark_all(self) -> None:
        """Send every subscription its position: there is a new master."""
        for group in list(self._groups.values()):
            group.flush()
            group.quiet = True
            group.bookmark(self.history.epoch, self.history.seq)

    def view(self, filter_: EventFilter, viewer: Viewer, event: Event) -> bytes | None:
        """Return the event's body for this filter and viewer, or None."""
        return self._show(filter_, viewer, event) if filter_.matches(event) else None

    def _show(self, filter_: EventFilter, viewer: Viewer, event: Event) -> bytes | None:
        """Return what a viewer may see of an event that matches a filter."""
        try:
            body = self._visibility.view(viewer, event)
        except Exception:
            # An invalid entry in one user's auth list must not keep the event from all others.
            log.exception("cannot decide whether %.200r may see an event; it is not shown", viewer.user)
            return None
        return None if body is None else filter_.select(event, body)

    def join(self, member: Member) -> Group:
        """Deliver live events to a subscription that has got everything up to the newest event."""
        key = (member.filter, member.session.viewer, member.form)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(*key, self.later, self.clock, self.counters)
            self._routes.add(group)
            self._single_groups += not member.form.bundle
        group.add(member)
        return group

    def leave(self, member: Member, group: Group) -> None:
        """Deliver nothing more to a subscription."""
        group.remove(member)
        if not group.members and self._groups.pop(group.key, None) is not None:
            self._single_groups -= not member.form.bundle
            self._routes.remove(group)
            group.stop()


def masters_of(gap: Gap) -> dict[str, dict[str, Any]] | None:
    """Return the master whose events are missing, why, and the position after it there; None for the own one."""
    if gap.origin is None:
        return None
    return {gap.origin.master: {"reason": gap.reason, "epoch": gap.origin.epoch, "seq": gap.origin.seq}}
