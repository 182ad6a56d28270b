"""Who sees the same of the same events, in the same form: decided once, encoded once, written to each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ApiError
from ..access.visibility import Viewer
from ..counters import Counters
from ..delivery.codecs import Codec
from ..delivery.pacing import Pacer
from ..events.event import Event
from ..timing import Later
from .filters import Wanted

if TYPE_CHECKING:
    from .events import EventSubscription

BUNDLE_SECONDS = 0.02  # under load a bundle leaves at most this often
SHARE = 5  # writing to a group takes at most one part in so many of the time: the rest is others', and what waits grows
MOST_SECONDS = 0.05  # after which it leaves all the same
SMOOTH = 8  # writes of which the mean counts: one that was interrupted must not slow the stream down
BUNDLE_EVENTS = 256
BUNDLE_BYTES = 256 * 1024


class Form(NamedTuple):
    """How events travel to a client."""

    bundle: bool
    codec: Codec
    wrap: Callable[[bytes], bytes]

    def write(self, number: int, bodies: Sequence[bytes]) -> bytes:
        """Return what is written for these bodies, which are in this codec: one bundle, or frame after frame."""
        if self.bundle:
            return self.wrap(self.codec.events(number, bodies))
        return b"".join([self.wrap(self.codec.event(number, body)) for body in bodies])


GroupKey = tuple[Wanted, Viewer, Form]


class Group:
    """Subscribers who see the same of the same filter, in the same form.

    They share what is written. Under load events share a write too, in bundles or as frames one after the other: to
    write costs far more than what is written. An event after a pause leaves at once.
    """

    def __init__(
        self,
        filter_: Wanted,
        viewer: Viewer,
        form: Form,
        later: Later,
        clock: Callable[[], float],
        counters: Counters,
    ) -> None:
        self.filter = filter_
        self.viewer = viewer
        self.key: GroupKey = (filter_, viewer, form)
        self.members: dict[EventSubscription, None] = {}
        self.quiet = True
        """Whether nothing was sent since the last :meth:`bookmark`."""
        self._pending: list[bytes] = []
        self._pending_seqs: list[int] = []
        self._pending_bytes = 0
        self._took = 0.0
        """Seconds that a write to all members takes."""
        self._counters = counters
        self._clock = clock
        self._form = form
        self._pacer = Pacer(BUNDLE_SECONDS if form.bundle else 0.0, self.flush, later, clock)

    def deliver(self, event: Event, body: bytes) -> None:
        """Send one event to all members, now or with the next ones."""
        self.add(event.seq, self._form.codec.body(event, body))

    def add(self, seq: int, body: bytes) -> None:
        """Send what is in the form of the members already, behind what waits.

        :param seq: how far the history went when this happened
        """
        self.quiet = False
        if self._pending_bytes + len(body) > BUNDLE_BYTES:
            self.flush()
        self._pending.append(body)
        self._pending_seqs.append(seq)
        self._pending_bytes += len(body)
        if len(self._pending) >= BUNDLE_EVENTS:
            self.flush()
        elif self._pacer.rested and not self._form.bundle:
            self._pacer.now()
        else:
            self._pacer.poke()

    def flush(self) -> None:
        """Send what waits; needed before a member comes or goes."""
        if self._pending:
            began = self._clock()
            bodies, self._pending, self._pending_bytes = self._pending, [], 0
            seqs, self._pending_seqs = self._pending_seqs, []
            self._send(bodies, seqs[0], seqs[-1])
            took = self._clock() - began
            self._took = self._took + (took - self._took) / SMOOTH if self._took else took
            least = BUNDLE_SECONDS if self._form.bundle else 0.0
            self._pacer.seconds = min(MOST_SECONDS, max(least, SHARE * self._took))

    def bookmark(self, epoch: str, seq: int) -> None:
        """Tell who got nothing since the last call how far everything was looked at."""
        if self.quiet:
            for member in list(self.members):
                if not member.has_lost:  # its gap comes first
                    member.bookmark(epoch, seq)
        self.quiet = True

    def refuse(self, why: ApiError) -> None:
        """End what all members asked for."""
        for member in list(self.members):
            member.refuse(why)

    def end(self) -> None:
        """Send nothing any more: nobody is left."""
        self._pacer.end()

    def _send(self, bodies: list[bytes], first: int, last: int) -> None:
        count = len(bodies)
        self._counters.events_delivered += count * len(self.members)
        made: dict[int, bytes] = {}
        for member in list(self.members):
            written = made.get(member.number)
            if written is None:
                written = made[member.number] = self._form.write(member.number, bodies)
            member.connection.outbox.put(written, member if member.drop else None, first, last, count)
