"""Groups of subscriptions that get the same events in the same form: decided once, encoded once, sent to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ..access.session import Session
from ..access.visibility import Viewer
from ..counters import Counters
from ..delivery.codecs import Codec
from ..delivery.connection import Connection
from ..delivery.outbox import Droppable
from ..delivery.pacing import Pacer
from ..events.event import Event
from ..timing import Clock, Later
from .after import Resume
from .filters import EventFilter

BUNDLE_SECONDS = 0.02
"""Minimum time between two bundles under load."""
WRITE_SHARE = 5
"""Writes to a group use at most 1/5 of the loop's time. More events then share a write."""
MAX_SECONDS = 0.05
"""Maximum time that an event waits for others to share its write."""
SMOOTHING = 8
"""Writes whose mean duration counts: one that was interrupted must not slow the stream down."""
BUNDLE_EVENTS = 256
BUNDLE_BYTES = 256 * 1024


class Form(NamedTuple):
    """How events are sent to a client."""

    bundle: bool
    codec: Codec
    wrap: Callable[[bytes], bytes]

    def write(self, number: int, bodies: Sequence[bytes]) -> bytes:
        """Return the frames for these bodies, which are in this codec: one bundle, or one frame each."""
        if self.bundle:
            return self.wrap(self.codec.events(number, bodies))
        return b"".join([self.wrap(self.codec.event(number, body)) for body in bodies])


class Member(Droppable, Protocol):
    """A subscription to events, as a group sees it."""

    number: int
    session: Session
    connection: Connection
    filter: EventFilter
    form: Form
    drop: bool
    """Whether events may be dropped if the client reads too slowly."""

    @property
    def has_lost(self) -> bool:
        """Whether events were dropped and not reported yet."""
        ...

    def bookmark(self, epoch: str, seq: int) -> None:
        """Send the number up to which all events were decided."""
        ...

    def send_gap(
        self, reason: str, first: int | None, last: int | None, *, masters: Mapping[str, Any] | None = None
    ) -> None:
        """Report that events are missing."""
        ...

    def settle(self, resume: Resume | None) -> None:
        """Continue with another filter, and report what is missing; without one, with all others if that is equal."""
        ...


GroupKey = tuple[EventFilter, Viewer, Form]


class Group:
    """Subscriptions with the same filter, viewer and form.

    They share what is written. Under load, events share a write too, in bundles or as frames one after the other:
    a write costs far more than its bytes. An event after a pause is sent at once.
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
        self.quiet = True
        """Whether nothing was sent since the last :meth:`bookmark`."""
        self._pending: list[bytes] = []
        self._pending_seqs: list[int] = []
        self._pending_bytes = 0
        self._write_seconds = 0.0
        """Mean duration of a write to all members."""
        self._counters = counters
        self._clock = clock
        self._form = form
        self._pacer = Pacer(BUNDLE_SECONDS if form.bundle else 0.0, self.flush, later, clock)

    def deliver(self, event: Event, body: bytes) -> None:
        """Send one event to all members, at once or with the next ones."""
        self.append(event.seq, self._form.codec.body(event, body))

    def append(self, seq: int, body: bytes) -> None:
        """Send a body that is in the members' form already, after those that are pending.

        :param seq: the newest number of the history at that time
        """
        self.quiet = False
        if self._pending_bytes + len(body) > BUNDLE_BYTES:
            self.flush()
        self._pending.append(body)
        self._pending_seqs.append(seq)
        self._pending_bytes += len(body)
        if len(self._pending) >= BUNDLE_EVENTS:
            self.flush()
        elif self._pacer.is_idle and not self._form.bundle:
            self._pacer.flush_now()
        else:
            self._pacer.request_flush()

    def flush(self) -> None:
        """Send what is pending; needed before a member joins or leaves."""
        if self._pending:
            started = self._clock()
            bodies, self._pending, self._pending_bytes = self._pending, [], 0
            seqs, self._pending_seqs = self._pending_seqs, []
            self._write(bodies, seqs[0], seqs[-1])
            seconds = self._clock() - started
            mean = self._write_seconds
            self._write_seconds = mean + (seconds - mean) / SMOOTHING if mean else seconds
            minimum = BUNDLE_SECONDS if self._form.bundle else 0.0
            self._pacer.seconds = min(MAX_SECONDS, max(minimum, WRITE_SHARE * self._write_seconds))

    def bookmark(self, epoch: str, seq: int) -> None:
        """Send members the number up to which all events were decided, if they got none since the last call."""
        if self.quiet:
            for member in list(self.members):
                if not member.has_lost:  # its gap comes first
                    member.bookmark(epoch, seq)
        self.quiet = True

    def stop(self) -> None:
        """Send nothing more: no member is left."""
        self._pacer.end()

    def _write(self, bodies: list[bytes], first: int, last: int) -> None:
        count = len(bodies)
        self._counters.events_delivered += count * len(self.members)
        made: dict[int, bytes] = {}
        for member in list(self.members):
            written = made.get(member.number)
            if written is None:
                written = made[member.number] = self._form.write(member.number, bodies)
            member.connection.outbox.put(written, member if member.drop else None, first, last, count)
