"""One client's stream of events: what it missed first, then with the others of its group what is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ApiError
from ..access.sessions import Session
from ..access.user_limits import Hold
from ..delivery import frames
from ..delivery.connection import Connection
from ..events.event import Event
from ..events.history import Hole
from .fanout import BUNDLE_EVENTS, Form, Group
from .filters import Wanted

if TYPE_CHECKING:
    from .hub import Hub

REPLAY_BYTES = 64 * 1024  # in a bundle of a replay: how full the outbox is shall be known in time


class EventSubscription:
    """One client's stream of events. ``position`` is the last number that it was looked at for.

    :param bundle: several events may share a frame
    :param drop: events may be dropped, and counted, when the client reads too slowly
    :raises ApiError: its user has too many patterns
    """

    def __init__(
        self,
        hub: Hub,
        connection: Connection,
        number: int,
        session: Session,
        filter_: Wanted,
        *,
        bundle: bool = False,
        drop: bool = False,
    ) -> None:
        self.number = number
        self.session = session
        self.connection = connection
        self.filter: Wanted = filter_
        self.form = Form(bundle, connection.codec, connection.wrap)
        self.drop = drop
        self.position = hub.history.seq
        self._hub = hub
        self._patterns = hub.limits.patterns.take(session.share, filter_.weight, filter_)
        self._look_back: Hold | None = None
        self._group: Group | None = None
        self._stopped = False
        self._lost: tuple[int, int, int] | None = None
        self._replayed: list[bytes] = []
        """Bodies of a replay that are gathered for a bundle; none is left between two turns."""
        self._replayed_bytes = 0

    def reserve(self, since: int) -> None:
        """Hold what a replay of all after ``since`` counts for.

        :raises ApiError: its user looks back at too many events
        """
        events = self._hub.history.count_after(since)
        if events:
            self._look_back = self._hub.limits.look_backs.take(self.session.share, events)

    def start(self, since: int | None) -> None:
        """Begin, after ``since`` where that is asked for; the replay precedes what is live."""
        if since is not None:
            self.position = since
            self._go_on()
        else:
            self._join()

    def _go_on(self) -> None:
        """Replay at once, or when it is the user's turn."""
        self._hub.turns.soon(self.session.share, self.catch_up)

    def catch_up(self) -> None:
        """Replay as much as the outbox takes; go on when it has drained; join the others at the head.

        A long history is gone through in turns: who may see little of it is not held back by its outbox.
        """
        hub, turns = self._hub, self._hub.turns
        while not self._stopped and self.position < hub.history.seq:
            if not hub.history.has_all_after(self.position):
                self.tell_gap("history", self.position + 1, hub.history.oldest - 1)
                self.position = hub.history.oldest - 1
            for entry in hub.history.after(self.position):
                if self.connection.outbox.full:
                    self._send_replayed()
                    self.connection.outbox.when_drained(self._go_on)
                    return
                if turns.is_over:
                    self._send_replayed()
                    turns.again(self.session.share, self.catch_up)
                    return
                self.position = entry.seq
                if isinstance(entry, Hole):
                    self._send_replayed()
                    self.tell_gap(entry.reason, entry.seq, entry.seq)
                    continue
                try:
                    self._replay(entry)
                except ApiError as why:
                    self._send_replayed()
                    self.refuse(why)
                    return
            self._send_replayed()
        if not self._stopped:
            self._join()

    def tell_gap(self, reason: str, first: int | None, last: int | None) -> None:
        """Say that events are missing here."""
        count = None if first is None or last is None or reason == "bus" else last - first + 1
        oldest = self._hub.history.oldest
        self.connection.send(frames.gap(self.number, reason, count=count, first=first, last=last, oldest=oldest))

    def tell_ended(self, why: ApiError) -> None:
        """Say that nothing comes any more."""
        self.connection.send(frames.ended(self.number, why))

    def refuse(self, why: ApiError) -> None:
        """End the subscription, for what it asks for."""
        self.connection.remove(self.number)
        self.tell_ended(why)

    def bookmark(self, epoch: str, seq: int) -> None:
        """Say how far everything was looked at."""
        self.connection.send(frames.bookmark(self.number, epoch, seq))

    @property
    def has_lost(self) -> bool:
        """Whether events were dropped of which the client was not told yet."""
        return self._lost is not None

    def lost(self, first: int, last: int, count: int) -> None:
        """Note that events were dropped, because the client reads too slowly."""
        self._hub.counters.events_dropped += count
        before = self._lost
        self._lost = (first, last, count) if before is None else (before[0], last, before[2] + count)

    def gap(self) -> bytes | None:
        """Return the frame that tells what was dropped."""
        lost, self._lost = self._lost, None
        if lost is None or self._stopped:
            return None
        first, last, count = lost
        oldest = self._hub.history.oldest
        gap = frames.gap(self.number, "overflow", count=count, first=first, last=last, oldest=oldest)
        return self.connection.frame(gap)

    def regroup(self) -> None:
        """Move to those who see the same, after the permissions changed."""
        if self._group is not None:
            self._leave()
            self._join()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True
        self._hub.turns.drop(self.session.share, self.catch_up)
        self._patterns.end()
        if self._look_back is not None:
            self._look_back.end()
        self._leave()

    def _replay(self, event: Event) -> None:
        body = self._hub.view(self.filter, self.session.viewer, event)
        if body is not None:
            self._replayed.append(self.form.codec.body(event, body))
            self._replayed_bytes += len(body)
        event.cuts.clear()
        if not self.form.bundle or len(self._replayed) >= BUNDLE_EVENTS or self._replayed_bytes >= REPLAY_BYTES:
            self._send_replayed()

    def _send_replayed(self) -> None:
        bodies, self._replayed, self._replayed_bytes = self._replayed, [], 0
        if bodies:
            self._hub.counters.events_delivered += len(bodies)
            self.connection.outbox.put(self.form.write(self.number, bodies))

    def _join(self) -> None:
        if self._look_back is not None:
            self._look_back.end()
        self._group = self._hub.join(self)

    def _leave(self) -> None:
        if self._group is not None:
            self._group.flush()
            self._hub.leave(self, self._group)
            self._group = None
