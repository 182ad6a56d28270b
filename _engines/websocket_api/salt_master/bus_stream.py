"""Split what is read from the bus into frames, deliver these in slices, and decide when the next read may wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]

#: Seconds of delivering after which other tasks run, so that a burst of events does not delay clients.
SLICE_SECONDS = 0.005
#: Events wait for others only if they are less than this part of the longest delay apart: then several share a read.
#: A read after a pause costs 100 to 300 us, an event 25 us (measured).
BURST_GAP = 3 / 8
#: Earlier reads over which this distance is averaged: two events that a busy machine sends together are no burst.
BURST_READS = 4
#: Largest frame on the wire, in bytes: ``max_event_size`` is 1 MiB by default, but an operator may raise it.
MAX_FRAME_BYTES = 1 << 28

MaxDelay = Callable[[int], float]
"""``max_delay(events)`` returns the seconds for which events may wait for others to share a read.

``events`` is how many the last read returned.
"""


_INVALID = (ValueError, msgpack.exceptions.UnpackException, msgpack.exceptions.BufferFull)


class InvalidStreamError(Exception):
    """The start of the next frame is unknown."""


class Stream:
    """The bytes of one connection, starting with a frame.

    :param rest: what was already read of the first frame
    :param deliver: gets each frame
    :param max_delay: asked after each read
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        rest: bytes,
        deliver: Callable[[Any], None],
        max_delay: MaxDelay,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # raw: frames are {b"head", b"body"}. Each body is decoded separately, so that one bad event affects no other.
        self._unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=MAX_FRAME_BYTES)
        self._unpacker.feed(rest)
        self._unread = [rest]
        self._fed, self._delivered = len(rest), 0
        self._deliver = deliver
        self._max_delay = max_delay
        self._clock = clock
        self._events = 0
        """How many events of the last read were delivered so far."""
        self._read_at = 0.0
        """When the last read was."""
        self._before: deque[tuple[float, int]] = deque(maxlen=BURST_READS)
        """When the reads before it were, and how many events they returned."""
        self._slice_end = 0.0
        self.begin_slice()

    @property
    def rest(self) -> bytes:
        """The bytes that were read but not delivered yet."""
        return b"".join(self._unread)

    @property
    def is_over_time(self) -> bool:
        """Whether other tasks must run before more is delivered."""
        return self._clock() >= self._slice_end

    def begin_slice(self) -> None:
        """Note that other tasks have just run."""
        self._slice_end = self._clock() + SLICE_SECONDS

    def feed(self, chunk: bytes) -> bool:
        """Deliver frames of a chunk until the slice is over; return whether all are delivered.

        :raises InvalidStreamError: these bytes are no frames
        """
        if self._events:
            self._before.append((self._read_at, self._events))
        self._read_at, self._events = self._clock(), 0
        self._unread.append(chunk)
        self._fed += len(chunk)
        try:
            self._unpacker.feed(chunk)
        except _INVALID as error:
            raise InvalidStreamError(type(error).__name__) from None
        return self.deliver_rest()

    def deliver_rest(self) -> bool:
        """Deliver further frames until the slice is over; return whether all are delivered.

        :raises InvalidStreamError: these bytes are no frames
        """
        try:
            for frame in self._unpacker:
                self._deliver(frame)
                self._events += 1
                self._delivered = self._unpacker.tell()
                if self.is_over_time:
                    return False
        except _INVALID as error:
            raise InvalidStreamError(type(error).__name__) from None
        if self._events:
            last = self._unread[-1]
            self._unread = [last[len(last) - (self._fed - self._delivered) :]]
        return True

    def pause(self) -> float:
        """Return the seconds to wait before the next read; 0 unless events follow each other quickly."""
        longest = self._max_delay(self._events)
        left = self._read_at + longest - self._clock()
        return left if left > 0 and self._is_burst(longest * BURST_GAP) else 0.0

    def _is_burst(self, gap: float) -> bool:
        """Return whether the events of the last reads were less than ``gap`` seconds apart, on average."""
        before = self._before
        if not self._events or len(before) < BURST_READS:
            return False
        events = self._events + sum(number for _, number in before) - before[0][1]
        return self._read_at - before[0][0] < events * gap
