"""Groups of subscriptions that get the same events in the same form: decided once, encoded once, sent to each."""

from __future__ import annotations

from ..access.visibility import Viewer
from ..counters import Counters
from ..delivery.pacing import Pacer
from ..events.event import Event
from ..timing import Clock, Later
from .filters import EventFilter
from .members import MAX_SHARED, Form, Member, Write
from .slow_members import SlowMembers

BUNDLE_SECONDS = 0.02
"""Minimum time between two bundles under load."""
WRITE_SHARE = 5
"""Writes to a group use at most 1/5 of the loop's time. More events then share a write."""
MAX_SECONDS = 0.05
"""Maximum time that an event waits for others to share its write."""
SMOOTHING = 8
"""Writes whose mean duration counts: one that was interrupted, such as the first, must not slow the stream down."""
MANY_MEMBERS = 100
"""Members to which a write counts as long from the first one on, before any was timed: it takes a millisecond."""
WRITES_PER_CHECK = 8
"""The first 8 long writes, and then one in 8, check which members read. A check takes 2 µs for each member."""
BUNDLE_EVENTS = 256
BUNDLE_BYTES = 256 * 1024


GroupKey = tuple[EventFilter, Viewer, Form]


class Group:
    """Subscriptions with the same filter, viewer and form.

    They share what is written. Under load, events share a write too, in bundles or as frames one after the other:
    a write costs far more than its bytes. An event after a pause is sent at once. Members that do not read get theirs
    later (slow_members.py), so that they do not delay the others.
    """

    def __init__(
        self,
        filter_: EventFilter,
        viewer: Viewer,
        form: Form,
        later: Later,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.filter = filter_
        self.viewer = viewer
        self.key: GroupKey = (filter_, viewer, form)
        self.members: dict[Member, None] = {}
        self._reading: dict[Member, None] = {}
        """Members that get the next write. The others are slow, or their connection is being closed."""
        self._slow = SlowMembers(form, self._reading, later, clock)
        self.quiet = True
        """Whether nothing was sent since the last :meth:`bookmark`."""
        self._pending: list[bytes] = []
        self._pending_seqs: list[int] = []
        self._pending_bytes = 0
        self._write_seconds = 0.0
        """Mean duration of a write to one member."""
        self._long_writes = 0
        """Long writes since the last one that found slow members, or since a member joined."""
        self._counters = counters
        self._clock = clock
        self._form = form
        self._pacer = Pacer(BUNDLE_SECONDS if form.bundle else 0.0, self._write_pending, later, clock)

    def add(self, member: Member) -> None:
        """Send the next events to a member too."""
        self._write_pending()
        self.members[member] = self._reading[member] = None
        self._long_writes = 0

    def remove(self, member: Member) -> None:
        """Send nothing to a member after what is pending."""
        self._write_pending()
        self._slow.remove(member)
        self.members.pop(member, None)
        self._reading.pop(member, None)

    def deliver(self, event: Event, body: bytes) -> None:
        """Send one event to all members, at once or with the next ones."""
        self.append(event.seq, self._form.codec.body(event, body))

    def append(self, seq: int, body: bytes) -> None:
        """Send a body that is in the members' form already, after those that are pending.

        :param seq: the newest number of the history at that time
        """
        self.quiet = False
        if self._pending_bytes + len(body) > BUNDLE_BYTES:
            self._write_pending()
        self._pending.append(body)
        self._pending_seqs.append(seq)
        self._pending_bytes += len(body)
        if len(self._pending) >= BUNDLE_EVENTS:
            self._write_pending()
        elif self._pacer.is_idle and not self._form.bundle:
            self._pacer.flush_now()
        else:
            self._pacer.request_flush()

    def flush(self) -> None:
        """Send what is pending to all members now, before something else."""
        self._write_pending()
        self._slow.flush()

    def bookmark(self, epoch: str, seq: int) -> None:
        """Send members the number up to which all events were decided, if they got none since the last call."""
        if self.quiet:
            self._slow.flush()
            for member in list(self.members):
                if not member.has_lost:  # its gap comes first
                    member.bookmark(epoch, seq)
        self.quiet = True

    def stop(self) -> None:
        """Send nothing more: no member is left."""
        self._pacer.end()
        self._slow.stop()

    def _write_pending(self) -> None:
        if not self._pending:
            return
        started = self._clock()
        write = Write(self._pending, self._pending_seqs[0], self._pending_seqs[-1])
        self._pending, self._pending_seqs, self._pending_bytes = [], [], 0
        readers = len(self._reading)
        self._write(write)
        if readers:
            seconds = (self._clock() - started) / readers
            self._write_seconds += (seconds - self._write_seconds) / SMOOTHING
        minimum = BUNDLE_SECONDS if self._form.bundle else 0.0
        wait = WRITE_SHARE * self._write_seconds * len(self._reading)
        self._pacer.seconds = min(MAX_SECONDS, max(minimum, wait))

    def _write(self, write: Write) -> None:
        """Write to the members that read. It is kept for those that do not."""
        self._counters.events_delivered += len(write.bodies) * len(self.members)
        made: dict[int, bytes] = {}
        slow = []
        is_long = self._pacer.seconds > BUNDLE_SECONDS or len(self._reading) >= MANY_MEMBERS
        checked = is_long and self._is_check_due()
        for member in self._reading:
            frames = made.get(member.number)
            if frames is None:
                if len(made) >= MAX_SHARED:
                    made.clear()
                frames = made[member.number] = self._form.write(member.number, write.bodies)
            outbox = member.connection.outbox
            if (checked and outbox.lags) or not outbox.put_at_once(frames):
                slow.append(member)
        if checked and slow:
            self._long_writes = 0
        for member in slow:
            del self._reading[member]
            if not member.connection.outbox.closed:
                self._slow.add(member)
        self._slow.append(write)

    def _is_check_due(self) -> bool:
        self._long_writes += 1
        return self._long_writes <= WRITES_PER_CHECK or self._long_writes % WRITES_PER_CHECK == 0
