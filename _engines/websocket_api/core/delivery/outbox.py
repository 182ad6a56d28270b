"""Frames that wait for one connection: limited, so that a client that does not read costs no other client anything."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..access.memory import OUTBOXES, SMALL_BYTES, UNLIMITED, Memory
from .waiting import Droppable, Place, Transport, Waiting, drop_events

TRANSPORT_BYTES = 65536
"""Bytes that are handed to the transport at once; the rest waits in the outbox, where it can be dropped."""


def _always() -> bool:
    return True


def _do_nothing() -> None:
    """Do nothing, where a closed outbox would report an overflow."""


class Outbox:
    """Frames on their way to one client, in order.

    :param transport: writes bytes
    :param max_bytes: maximum of bytes that wait here
    :param max_frames: maximum of frames that wait here
    :param on_overflow: called once when a frame does not fit; the caller then closes the connection
    """

    def __init__(
        self, transport: Transport, *, max_bytes: int, max_frames: int, on_overflow: Callable[[], None]
    ) -> None:
        self._transport = transport
        self.max_bytes = max_bytes
        self._max_frames = max_frames
        self._on_overflow = on_overflow
        self._waiting: deque[Waiting] = deque()
        self._paused: list[tuple[Callable[[], bool], Callable[[], None]]] = []
        """Senders that wait: a function that returns whether there is room, and one to call then."""
        self._unreported: dict[Droppable, None] = {}
        """Subscriptions with dropped events; for each an empty frame waits."""
        self.bytes = self._frames = 0
        """Bytes and frames that wait. The frames of one write count as one."""
        self.closed = False
        self._memory = UNLIMITED
        """What the user takes over all connections."""
        self._handed = 0
        """Bytes that the transport may still hold, if they are many."""
        self._together = False
        """Whether small frames are collected, to be written at once."""
        self._collected = b""

    def charge(self, memory: Memory) -> None:
        """Count what waits as memory of a user from now on."""
        self._memory.add(OUTBOXES, -self.held)
        self._memory.leave(self)
        self._memory = memory
        memory.join(self)
        memory.add(OUTBOXES, self.held)

    @property
    def held(self) -> int:
        """Bytes of the user's memory that wait here or in the transport."""
        return self.bytes + self._handed

    @property
    def idle(self) -> bool:
        """Whether nothing waits, here or in the transport."""
        return not self._waiting and not self._transport.busy()

    @property
    def lags(self) -> bool:
        """Whether the peer has no room for all that was written; it costs a system call."""
        return self._transport.unsent()

    @property
    def full(self) -> bool:
        """Whether it is more than half full: a replay then pauses until :meth:`when_drained`."""
        return self.bytes * 2 > self.max_bytes or self._frames * 2 > self._max_frames

    def has_room(self, size: int) -> bool:
        """Return whether a chunk of a snapshot or reply may follow; if not, use :meth:`when_room`.

        Together with what waits it may use half of the limit, so that other frames fit too. If nothing waits it may
        have any size: the transport takes it.
        """
        fits = (
            self._memory.fits(size)
            and (self.bytes + size) * 2 <= self.max_bytes
            and (self._frames + 1) * 2 <= self._max_frames
        )
        return fits or self.idle

    def put_at_once(self, frame: bytes) -> bool:
        """Send a frame if nothing waits; return whether it was sent."""
        if self.closed or self._waiting or self._transport.busy() or not self._is_room_to_write(len(frame)):
            return False
        if frame:
            self._write(frame)
        return True

    def put(
        self,
        frame: bytes,
        owner: Droppable | None = None,
        first: int = 0,
        last: int = 0,
        count: int = 0,
        *,
        writes: int = 1,
    ) -> None:
        """Send a frame after those that wait; one that does not fit ends the connection.

        :param owner: its frames may be dropped to make room, oldest first
        :param first: number of the first event in the frame
        :param last: number of the last event in the frame
        :param count: events in the frame
        :param writes: number of writes that are joined in it, which were kept for a slow member
        """
        if self.closed or not frame or self.put_at_once(frame):
            return
        if not self._fits(len(frame), writes) and not self._make_room(len(frame), writes):
            self.overflow()
            return
        self._waiting.append(Waiting(frame, owner, first, last, count, writes))
        self._count(len(frame), writes)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write the small frames of a block at its end, in one system call."""
        self._together = True
        try:
            yield
        finally:
            self._together = False
            self._write_collected()

    def shed(self) -> None:
        """Release memory of the user, because this connection holds the most: drop events, or end the connection."""
        before = self.bytes
        self._drop_events(lambda: self.bytes * 4 > before * 3)
        if self.bytes == before:
            self.overflow()

    def make_room(self, size: int) -> bool:
        """Return whether the user's memory has room, which other connections may have to make: those that hold most."""
        return self._memory.fits(size) or self._memory.make_room(size, self)

    def overflow(self) -> None:
        """End the connection: its client reads too slowly."""
        self._write_collected()
        overflow = self._on_overflow
        self.close()
        overflow()

    def when_drained(self, call: Callable[[], None]) -> None:
        """Call once as soon as it is less than half full."""
        self._paused.append((lambda: not self.full, call))

    def when_room(self, size: int, call: Callable[[], None]) -> None:
        """Call once as soon as there is room for a chunk of this size."""
        self._paused.append((lambda: self.has_room(size), call))

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call once as soon as nothing waits, here or in the transport."""
        self._paused.append((lambda: self.idle, call))

    def when_reached(self, call: Callable[[], None]) -> None:
        """Call once as soon as all that waits now was handed to the transport, whatever is put here meanwhile."""
        place = Place(lambda: self._paused.append((_always, call)))
        self._unreported[place] = None
        self._waiting.append(Waiting(b"", place, 0, 0, 0, 0))

    def cancel(self, call: Callable[[], None]) -> None:
        """Do not call this any more: its sender has stopped. The client may keep the outbox full for hours."""
        self._paused = [waiting for waiting in self._paused if waiting[1] != call]

    def pump(self) -> None:
        """Hand waiting frames to the transport, a portion at a time. The transport calls this when it has written."""
        while self._waiting and not self._transport.busy():
            if portion := self._portion():
                self._write(b"".join(portion))
        if self._handed and not self._transport.busy():
            self._hand(0)
        for waiting in self._paused[:]:
            has_room, call = waiting
            if waiting in self._paused and has_room():  # else an earlier call has canceled it
                self._paused.remove(waiting)
                call()

    def flush(self) -> None:
        """Hand over all that waits, and accept nothing more: a close frame comes next."""
        self._write_collected()
        while self._waiting:
            self._transport.write(b"".join(self._portion()))
        self.close()

    def close(self) -> None:
        """Drop what waits; nothing more is sent."""
        self.closed = True
        self._collected = b""
        self._waiting.clear()
        self._paused.clear()
        self._unreported.clear()
        self._on_overflow = _do_nothing  # it refers to us: without it both are freed at once
        self._count(-self.bytes, -self._frames)
        self._hand(0)
        self._memory.leave(self)
        self._memory = UNLIMITED

    def _portion(self) -> list[bytes]:
        portion: list[bytes] = []
        size = 0
        while self._waiting and size < TRANSPORT_BYTES:
            waiting = self._waiting.popleft()
            self._count(-len(waiting.frame), -waiting.writes)
            frame: bytes | None = waiting.frame
            if waiting.owner is not None and not waiting.frame:
                del self._unreported[waiting.owner]
                frame = waiting.owner.gap_frame()
            if frame:
                portion.append(frame)
                size += len(frame)
        return portion

    def _count(self, number: int, frames: int) -> None:
        self.bytes += number
        self._frames += frames
        self._memory.add(OUTBOXES, number)

    def _hand(self, number: int) -> None:
        """Note how many bytes the transport may hold."""
        if number != self._handed:
            self._memory.add(OUTBOXES, number - self._handed)
            self._handed = number

    def _is_room_to_write(self, size: int) -> bool:
        return size <= SMALL_BYTES or self.make_room(size)

    def _write(self, data: bytes) -> None:
        if self._together and len(self._collected) + len(data) <= SMALL_BYTES:
            self._collected += data
            return
        self._write_collected()
        self._write_now(data)

    def _write_collected(self) -> None:
        data, self._collected = self._collected, b""
        if data:
            self._write_now(data)

    def _write_now(self, data: bytes) -> None:
        self._transport.write(data)
        if len(data) > SMALL_BYTES or self._handed:
            self._hand(len(data) if self._transport.busy() else 0)

    def _fits(self, size: int, writes: int) -> bool:
        return (
            self.bytes + size <= self.max_bytes and self._frames + writes <= self._max_frames and self.make_room(size)
        )

    def _make_room(self, size: int, writes: int) -> bool:
        """Drop the oldest droppable frames until a new one fits; return whether it does.

        A quarter is freed at once: the frames that stay are moved, and that must not happen for every new frame.
        """
        max_bytes, max_frames = self.max_bytes * 3 // 4, self._max_frames * 3 // 4
        self._drop_events(
            lambda: not self._memory.fits(size) or self.bytes + size > max_bytes or self._frames + writes > max_frames
        )
        return self._fits(size, writes)

    def _drop_events(self, goes_on: Callable[[], bool]) -> None:
        """Drop droppable frames, the oldest first, while a function returns True."""
        self._waiting = drop_events(self._waiting, self._unreported, self._count, goes_on)
