"""The slow members of a group: those that do not read. Their events are kept once, and sent to them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from ..delivery.pacing import Pacer
from ..timing import Clock, Later
from .members import MAX_SHARED, Form, Member, Write

FLUSH_SECONDS = 0.25
"""Minimum time between two flushes to the outbox of a slow member. It gets the rest as soon as it reads."""
SLICE_SECONDS = 0.001
"""Maximum time of a flush in one turn of the loop. To close a client whose outbox overflows takes 0.1 ms."""
MAX_KEPT_BYTES = 256 * 1024
"""Bytes of events that are kept; more are flushed at once."""
MAX_JOINED_BYTES, MAX_JOINED_WRITES = 32 * 1024, 8
"""Maximum of writes that are joined: half of the smallest outbox, where they wait and are dropped together."""


class JoinedWrites(NamedTuple):
    """The frames of several writes, with their first and last number and the number of events and of writes."""

    frames: bytes
    first: int
    last: int
    events: int
    writes: int


class SlowMembers:
    """Members whose outbox was not empty when events were sent to their group, or whose kernel buffers fill.

    A thousand clients that stop reading must not delay the others, so a write of the group does nothing for each of
    them. Four times a second what was kept is flushed to their outboxes, a few in each turn of the loop.

    :param form: how events are sent to them
    :param reading: the other members of the group; a slow member that reads again is added to them
    """

    def __init__(self, form: Form, reading: dict[Member, None], later: Later, clock: Clock) -> None:
        self._form = form
        self._reading = reading
        self._later = later
        self._clock = clock
        self._pacer = Pacer(FLUSH_SECONDS, self._start_flush, later, clock)
        self._members: dict[Member, int] = {}
        """The number of the first write that each outbox did not get."""
        self._resumes: dict[Member, Callable[[], None]] = {}
        """What each outbox calls when it is idle."""
        self._writes: list[Write] = []
        """What at least one of them lacks."""
        self._first = 0
        """The number of the first of these."""
        self._bytes = 0
        self._joined: dict[tuple[int, int], list[JoinedWrites]] = {}
        """All writes from a number on, by the number of the subscription and this number; until the next write."""
        self._remaining: Iterator[Member] | None = None
        """The members that the current flush has not reached yet; None between two flushes."""

    def add(self, member: Member) -> None:
        """Keep the events from the next write on for a member, until it reads or leaves."""
        self._members[member] = self._end
        self._resume_when_idle(member)

    def remove(self, member: Member) -> None:
        """Flush what was kept for a member that leaves the group."""
        if member in self._members:
            if member.connection.open:
                self._put(member)
            self._members.pop(member, None)
            self._reading.pop(member, None)
            self._cancel_resume(member)
            if not self._members:
                self._trim()

    def append(self, write: Write) -> None:
        """Keep a write that the other members got."""
        if not self._members:
            return
        self._writes.append(write)
        self._joined.clear()
        self._bytes += sum(map(len, write.bodies))
        if self._bytes > MAX_KEPT_BYTES:
            self._start_flush()
        else:
            self._pacer.request_flush()

    def flush(self) -> None:
        """Flush all now: something follows that must not overtake it."""
        for member in list(self._members):
            self._flush_to(member)
        self._trim()

    def stop(self) -> None:
        """Flush nothing more: no member is left."""
        self._pacer.end()

    @property
    def _end(self) -> int:
        """The number of the next write."""
        return self._first + len(self._writes)

    def _start_flush(self) -> None:
        if self._remaining is None:
            self._remaining = iter(list(self._members))
            self._continue_flush()

    def _continue_flush(self) -> None:
        """Flush to some members; continue with the others in the next turn of the loop."""
        assert self._remaining is not None  # noqa: S101 - it is None between two flushes only
        end = self._clock() + SLICE_SECONDS
        done = False
        try:
            for member in self._remaining:
                if member in self._members:
                    self._flush_to(member)
                if self._clock() >= end:
                    return
            done = True
        finally:  # if it fails for one member, the others still get theirs
            if not done:
                self._later(0.0, self._continue_flush)
        self._remaining = None
        self._trim()
        if self._writes:
            self._pacer.request_flush()

    def _resume(self, member: Member) -> None:
        """Send everything to a client that reads again. From now on it gets events together with the others."""
        self._resumes.pop(member, None)
        if member in self._members:
            self._put(member)
            del self._members[member]
            self._reading[member] = None

    def _flush_to(self, member: Member) -> None:
        """Flush what is kept for a member, and note whether it reads, or is being closed."""
        outbox = member.connection.outbox
        was_idle = outbox.idle
        reads = was_idle and not outbox.lags
        self._put(member)
        if outbox.closed:
            del self._members[member]
            self._cancel_resume(member)
        elif reads and outbox.idle:
            del self._members[member]
            self._cancel_resume(member)
            self._reading[member] = None
        else:
            self._members[member] = self._end
            if was_idle:
                self._resume_when_idle(member)

    def _resume_when_idle(self, member: Member) -> None:
        """Resume a member as soon as it has read what waits in its outbox."""
        outbox = member.connection.outbox
        self._cancel_resume(member)
        if not outbox.idle:
            resume = self._resumes[member] = partial(self._resume, member)
            outbox.when_idle(resume)

    def _cancel_resume(self, member: Member) -> None:
        resume = self._resumes.pop(member, None)
        if resume is not None:
            member.connection.outbox.cancel(resume)

    def _put(self, member: Member) -> None:
        """Put what is kept for a member into its outbox, which may close the connection."""
        put, owner = member.connection.outbox.put, member if member.drop else None
        for joined in self._since(member.number, self._members[member]):
            put(joined.frames, owner, joined.first, joined.last, joined.events, writes=joined.writes)

    def _since(self, number: int, start: int) -> list[JoinedWrites]:
        """Return all writes from a number on, as members with this number of a subscription get them."""
        made = self._joined.get((number, start))
        if made is None:
            if len(self._joined) >= MAX_SHARED:
                self._joined.clear()
            writes = self._writes[start - self._first :]
            made = self._joined[number, start] = list(_join(self._form, number, writes))
        return made

    def _trim(self) -> None:
        """Drop the writes that no member lacks."""
        first = min(self._members.values(), default=self._end)
        del self._writes[: first - self._first]
        self._first = first
        self._bytes = sum(len(body) for write in self._writes for body in write.bodies)
        self._joined.clear()


def _join(form: Form, number: int, writes: list[Write]) -> Iterator[JoinedWrites]:
    """Yield the frames of writes, several together if they are small."""
    parts: list[bytes] = []
    size = start = 0
    for index, write in enumerate(writes):
        frames = form.write(number, write.bodies)
        if len(parts) == MAX_JOINED_WRITES or (parts and size + len(frames) > MAX_JOINED_BYTES):
            yield _joined(parts, writes[start:index])
            parts, size, start = [], 0, index
        parts.append(frames)
        size += len(frames)
    if parts:
        yield _joined(parts, writes[start:])


def _joined(parts: list[bytes], writes: list[Write]) -> JoinedWrites:
    events = sum(len(write.bodies) for write in writes)
    return JoinedWrites(b"".join(parts), writes[0].first, writes[-1].last, events, len(writes))
