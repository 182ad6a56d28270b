"""What waits for one connection: bounded, so that a client who does not read costs nobody else anything."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

TRANSPORT_BYTES = 65536  # so much may wait in the transport itself before the outbox begins to hold back


class Transport(Protocol):
    """Where frames go. It calls :meth:`Outbox.pump` whenever what it holds has been written."""

    def busy(self) -> bool:
        """Tell whether bytes of ours still wait in the transport."""
        ...

    def write(self, data: bytes) -> None:
        """Write bytes now, or as soon as the peer reads."""
        ...


class Droppable(Protocol):
    """A subscription that would rather lose events than the connection (``overflow: drop``)."""

    def lost(self, first: int, last: int, count: int) -> None:
        """Note that so many events, the first and last of these numbers, were dropped."""
        ...

    def gap(self) -> bytes | None:
        """Return a frame that tells what was lost since the last call; None if nothing was."""
        ...


class Waiting(NamedTuple):
    """A frame that waits; with ``owner`` it may be dropped, and stands for these events."""

    frame: bytes
    owner: Droppable | None
    first: int
    last: int
    events: int


def _nobody() -> None:
    """Nobody is called any more."""


class Outbox:
    """Frames on their way to one client, in order.

    :param transport: writes bytes
    :param most_bytes: bound of what waits here, in bytes
    :param most_frames: bound of what waits here, in frames
    :param on_overflow: called once when a frame does not fit; the connection is then to be closed
    """

    def __init__(
        self, transport: Transport, *, most_bytes: int, most_frames: int, on_overflow: Callable[[], None]
    ) -> None:
        self._transport = transport
        self.most_bytes = most_bytes
        self._most_frames = most_frames
        self._on_overflow = on_overflow
        self._waiting: deque[Waiting] = deque()
        self._paused: list[tuple[Callable[[], bool], Callable[[], None]]] = []
        """Who sends more, and what tells that there is room for it."""
        self._losers: dict[Droppable, None] = {}
        """Whose events were dropped and who has not been told yet."""
        self.bytes = 0
        self.closed = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits, here or in the transport."""
        return not self._waiting and not self._transport.busy()

    @property
    def full(self) -> bool:
        """Whether half of what may wait does: a replay then pauses until :meth:`when_drained`."""
        return self.bytes * 2 > self.most_bytes or len(self._waiting) * 2 > self._most_frames

    def has_room(self, size: int) -> bool:
        """Tell whether a piece of something long may follow, which waits until then, by :meth:`when_room`.

        Beside what waits already it may take half of the bound, so that whatever else comes fits too. When nothing
        waits it may have any size: the transport takes it.
        """
        fits = (self.bytes + size) * 2 <= self.most_bytes and (len(self._waiting) + 1) * 2 <= self._most_frames
        return fits or self.idle

    def put(self, frame: bytes, owner: Droppable | None = None, first: int = 0, last: int = 0, count: int = 0) -> None:
        """Send a frame, after what waits already; one that does not fit ends the connection.

        :param owner: its frames may be dropped to make room, the oldest first; ``first``, ``last`` and ``count`` say
            which events this one holds
        """
        if self.closed or not frame:
            return
        if not self._waiting and not self._transport.busy():
            self._transport.write(frame)
            return
        if not self._fits(len(frame)) and not self._made_room(len(frame)):
            overflow = self._on_overflow
            self.close()
            overflow()
            return
        self._waiting.append(Waiting(frame, owner, first, last, count))
        self.bytes += len(frame)

    def when_drained(self, call: Callable[[], None]) -> None:
        """Call once as soon as less than half of the bound waits."""
        self._paused.append((lambda: not self.full, call))

    def when_room(self, size: int, call: Callable[[], None]) -> None:
        """Call once as soon as there is room for a piece of this size."""
        self._paused.append((lambda: self.has_room(size), call))

    def pump(self) -> None:
        """Hand what waits to the transport, a portion at a time. The transport calls this when it has written."""
        while (self._waiting or self._losers) and not self._transport.busy():
            self._transport.write(b"".join(self._portion()))
        paused, self._paused = self._paused, []
        for has_room, call in paused:
            if self.closed:
                return
            if has_room():
                call()
            else:
                self._paused.append((has_room, call))

    def flush(self) -> None:
        """Hand over all that waits, and take nothing more: a close frame comes next."""
        while self._waiting or self._losers:
            self._transport.write(b"".join(self._portion()))
        self.close()

    def close(self) -> None:
        """Drop what waits; nothing more is sent."""
        self.closed = True
        self._waiting.clear()
        self._paused.clear()
        self._losers.clear()
        self._on_overflow = _nobody  # whoever it calls holds us: without it both are freed as soon as they are done
        self.bytes = 0

    def _portion(self) -> list[bytes]:
        portion: list[bytes] = []
        size = 0
        while self._waiting and size < TRANSPORT_BYTES:
            waiting = self._waiting.popleft()
            self.bytes -= len(waiting.frame)
            if waiting.owner is not None and waiting.owner in self._losers:
                self._tell(waiting.owner, portion)
            portion.append(waiting.frame)
            size += len(waiting.frame)
        if not self._waiting:
            for loser in list(self._losers):
                self._tell(loser, portion)
        return portion

    def _tell(self, loser: Droppable, portion: list[bytes]) -> None:
        del self._losers[loser]
        gap = loser.gap()
        if gap is not None:
            portion.append(gap)

    def _fits(self, size: int) -> bool:
        return self.bytes + size <= self.most_bytes and len(self._waiting) < self._most_frames

    def _made_room(self, size: int) -> bool:
        """Drop the oldest frames that may be dropped, until a new one fits.

        A quarter is freed at once: what is kept is moved, and that must not be done anew for every frame.
        """
        kept: deque[Waiting] = deque()
        most_bytes, most_frames = self.most_bytes * 3 // 4, self._most_frames * 3 // 4
        while self._waiting and (self.bytes + size > most_bytes or len(kept) + len(self._waiting) >= most_frames):
            waiting = self._waiting.popleft()
            if waiting.owner is None:
                kept.append(waiting)
                continue
            self.bytes -= len(waiting.frame)
            waiting.owner.lost(waiting.first, waiting.last, waiting.events)
            self._losers[waiting.owner] = None
        kept.extend(self._waiting)
        self._waiting = kept
        return self._fits(size)
