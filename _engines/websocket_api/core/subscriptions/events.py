"""One client's subscription to events: first those it missed, then live events together with its group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ApiError
from ..access.session import Session
from ..access.user_limits import Hold
from ..delivery import frames
from ..delivery.connection import Connection
from ..events.event import Event
from ..events.history import BUS, RESTART, Gap
from .after import After, Resume, Vector
from .fanout import BUNDLE_EVENTS, Group
from .filters import EventFilter
from .hub import Hub, masters_of
from .members import Form

REPLAY_BYTES = 64 * 1024
"""Bytes in a bundle of a replay: small, so that a full outbox is noticed in time."""


class EventSubscription:
    """One client's subscription to events. All events up to ``position`` were sent, or are not for this client.

    :param bundle: several events may share a frame
    :param drop: events may be dropped, and counted, if the client reads too slowly
    :raises ApiError: the user has too many patterns
    """

    def __init__(
        self,
        hub: Hub,
        connection: Connection,
        number: int,
        session: Session,
        filter_: EventFilter,
        *,
        bundle: bool = False,
        drop: bool = False,
    ) -> None:
        self.number = number
        self.session = session
        self.connection = connection
        self.filter: EventFilter = filter_
        self.form = Form(bundle, connection.codec, connection.wrap)
        self.drop = drop
        self.position = hub.history.seq
        self._hub = hub
        self._patterns = hub.limits.patterns.hold(session.share, filter_.weight, filter_)
        self._look_back: Hold | None = None
        self._group: Group | None = None
        self._stopped = False
        self._lost: tuple[int, int, int] | None = None
        """First and last number and count of dropped events that were not reported yet."""
        self._replayed: list[bytes] = []
        """Bodies of a replay that wait for a bundle; empty between two turns."""
        self._replayed_bytes = 0

    def reserve(self, since: int) -> None:
        """Count the replay of all events after ``since`` for the user.

        :raises ApiError: the user replays too many events at once
        """
        events = self._hub.history.count_after(since)
        if events:
            self._look_back = self._hub.limits.look_backs.hold(self.session.share, events)

    def start(self, since: int | None) -> None:
        """Start with a replay of all events after ``since``, or with live events if it is None."""
        if since is not None:
            self.position = since
            self._continue()
        else:
            self._join()

    def _continue(self) -> None:
        """Replay at once, or when it is the user's turn."""
        self._hub.turns.soon(self.session.share, self.catch_up)

    def catch_up(self) -> None:
        """Replay as much as the outbox takes; continue when it has drained; then join the group.

        A long history is replayed in turns: if the user may see little of it, the outbox does not hold the replay back.
        """
        hub, turns = self._hub, self._hub.turns
        while not self._stopped and self.position < hub.history.seq:
            if not hub.history.has_all_after(self.position):
                self.send_gap("history", self.position + 1, hub.history.oldest - 1)
                self.position = hub.history.oldest - 1
            for entry in hub.history.after(self.position):
                if self.connection.outbox.full:
                    self._send_replayed()
                    self.connection.outbox.when_drained(self._continue)
                    return
                if turns.is_over:
                    self._send_replayed()
                    turns.again(self.session.share, self.catch_up)
                    return
                before, self.position = self.position, entry.seq
                if isinstance(entry, Gap):
                    self._send_replayed()
                    if self._is_new(entry) and hub.concerns(entry, self.filter):
                        first = max(entry.first, before + 1)
                        self.send_gap(entry.reason, first, entry.seq, entry.times, masters=masters_of(entry))
                    continue
                self._replay(entry)
            self._send_replayed()
        if not self._stopped:
            self._join()
            if self._hub.positions is not None:
                self.bookmark(hub.history.epoch, hub.history.seq)  # now the position at each master is exact

    def send_gap(
        self,
        reason: str,
        first: int | None,
        last: int | None,
        times: tuple[float, float] | None = None,
        *,
        masters: Mapping[str, Any] | None = None,
    ) -> None:
        """Report that events are missing.

        :param times: when they were missed, in seconds since the epoch, if that is known
        :param masters: the masters whose events are missing, with the reason for each
        """
        count = None
        if first is not None and last is not None and reason not in (BUS, RESTART):
            count = last - first + 1
        oldest = self._hub.history.oldest
        numbers = {"count": count, "first": first, "last": last}
        frame = frames.gap(self.number, reason, **numbers, oldest=oldest, times=times, masters=masters)
        self.connection.send(frame)

    def send_ended(self, error: ApiError) -> None:
        """Report that the subscription has ended."""
        self.connection.send(frames.ended(self.number, error))

    def bookmark(self, epoch: str, seq: int) -> None:
        """Send the number up to which all events were sent, or are not for this client."""
        self.connection.send(frames.bookmark(self.number, epoch, seq, self.vector()))

    def vector(self) -> Vector | None:
        """Return the client's position at each master that shares a log; None without one."""
        positions = self._hub.positions
        if positions is None:
            return None
        return self.filter.newest(positions.vector()) if isinstance(self.filter, After) else positions.vector()

    @property
    def has_lost(self) -> bool:
        """Whether events were dropped and not reported yet."""
        return self._lost is not None

    def count_lost(self, first: int, last: int, count: int) -> None:
        """Count events that were dropped because the client reads too slowly."""
        self._hub.counters.events_dropped += count
        before = self._lost
        self._lost = (first, last, count) if before is None else (before[0], last, before[2] + count)

    def gap_frame(self) -> bytes | None:
        """Return the frame that reports dropped events, or None if there are none."""
        lost, self._lost = self._lost, None
        if lost is None:
            return None
        first, last, count = lost
        oldest = self._hub.history.oldest
        gap = frames.gap(self.number, "overflow", count=count, first=first, last=last, oldest=oldest)
        return self.connection.frame(gap)

    def regroup(self) -> None:
        """Join the group of the present viewer, after the permissions changed."""
        if self._group is not None:
            self._leave()
            self._join()

    def settle(self, resume: Resume | None) -> None:
        """Join the group of clients that did not resume, if nothing that is read from now on is old for this client.

        :param resume: the filter to continue with, and what is missing; None to keep the filter, if nothing is missing
        """
        if self._group is None:
            return
        self._leave()
        if resume is not None:
            self.filter = resume.filter
            if resume.lost:
                self.send_gap("epoch", None, None, masters=resume.lost)
        self._join()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True
        self._hub.turns.drop(self.session.share, self.catch_up)
        self.connection.outbox.cancel(self._continue)
        self._patterns.end()
        if self._look_back is not None:
            self._look_back.end()
        self._leave()

    def _replay(self, event: Event) -> None:
        body = self._hub.view(self.filter, self.session.viewer, event)
        if body is not None:
            self._replayed.append(self.form.codec.body(event, body))
            self._replayed_bytes += len(body)
        event.forget_derived()
        if not self.form.bundle or len(self._replayed) >= BUNDLE_EVENTS or self._replayed_bytes >= REPLAY_BYTES:
            self._send_replayed()

    def _send_replayed(self) -> None:
        bodies, self._replayed, self._replayed_bytes = self._replayed, [], 0
        if bodies:
            self._hub.counters.events_delivered += len(bodies)
            self.connection.outbox.put(self.form.write(self.number, bodies))

    def _is_new(self, entry: Event | Gap) -> bool:
        return not isinstance(self.filter, After) or self.filter.is_new(entry)

    def _join(self) -> None:
        if self._look_back is not None:
            self._look_back.end()
        positions = self._hub.positions
        if positions is not None and isinstance(self.filter, After) and positions.has_passed(self.filter):
            self.filter = self.filter.filter  # so that it joins the group of clients that did not resume
        self._group = self._hub.join(self)

    def _leave(self) -> None:
        if self._group is not None:
            self._hub.leave(self, self._group)
            self._group = None
