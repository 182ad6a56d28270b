"""Frames that wait for a slow client: in order, limited, and without effect on others."""

from __future__ import annotations

import contextlib

from websocket_api.core.delivery.outbox import TRANSPORT_BYTES, Outbox

from tests.unit.core.support import Socket


class Stream:
    """A subscription that would rather lose events than the connection."""

    def __init__(self) -> None:
        self.dropped: list[tuple[int, int, int]] = []

    def count_lost(self, first: int, last: int, count: int) -> None:
        self.dropped.append((first, last, count))

    def gap_frame(self) -> bytes | None:
        if not self.dropped:
            return None
        gap = b"<gap %d-%d>" % (self.dropped[0][0], self.dropped[-1][1])
        self.dropped.clear()
        return gap


class Slow:
    """An outbox whose client does not read until a test lets it."""

    def __init__(self, *, max_bytes: int = 100, max_frames: int = 10) -> None:
        self.socket = Socket()
        self.socket.stuck = True
        self.overflows: list[None] = []
        self.outbox = Outbox(
            self.socket, max_bytes=max_bytes, max_frames=max_frames, on_overflow=lambda: self.overflows.append(None)
        )

    def read(self) -> bytes:
        """Let the client read everything, and return what it received."""
        self.socket.stuck = False
        self.outbox.pump()
        got = b"".join(self.socket.written)
        self.socket.written.clear()
        return got


def test_an_idle_connection_gets_a_frame_at_once() -> None:
    """No frame waits while the client reads."""
    slow = Slow()
    slow.socket.stuck = False
    slow.outbox.put(b"a")
    assert slow.socket.written == [b"a"]
    assert slow.outbox.idle


def test_frames_wait_in_order() -> None:
    """Waiting frames are sent in order when the client reads again."""
    slow = Slow()
    for number in range(5):
        slow.outbox.put(b"%d" % number)
    assert slow.socket.written == []
    assert (slow.outbox.bytes, slow.outbox.idle) == (5, False)
    assert slow.read() == b"01234"
    assert (slow.outbox.bytes, slow.outbox.idle) == (0, True)


def test_a_new_frame_does_not_overtake_waiting_frames() -> None:
    """Also after the transport has written, and before it pumps."""
    slow = Slow()
    slow.outbox.put(b"a")
    slow.socket.stuck = False
    slow.outbox.put(b"b")
    assert slow.read() == b"ab"


def test_pump_hands_out_a_portion_at_a_time() -> None:
    """The rest waits in the outbox, where it is limited."""
    slow = Slow(max_bytes=10 * TRANSPORT_BYTES)
    for _ in range(6):
        slow.outbox.put(b"x" * (TRANSPORT_BYTES // 2))
    slow.socket.stuck = False
    slow.socket.write = lambda data: (slow.socket.written.append(data), setattr(slow.socket, "stuck", True))  # type: ignore[assignment]
    slow.outbox.pump()
    assert [len(data) for data in slow.socket.written] == [TRANSPORT_BYTES]
    assert slow.outbox.bytes == 2 * TRANSPORT_BYTES


def test_bytes_are_limited() -> None:
    """A frame that does not fit ends the connection once, and frees what waited."""
    slow = Slow(max_bytes=10)
    slow.outbox.put(b"x" * 10)
    assert slow.overflows == []
    slow.outbox.put(b"y")
    slow.outbox.put(b"z")
    assert (len(slow.overflows), slow.outbox.bytes, slow.outbox.closed) == (1, 0, True)
    assert slow.read() == b""


def test_frames_are_limited() -> None:
    """Small frames are counted too."""
    slow = Slow(max_frames=3)
    for _ in range(3):
        slow.outbox.put(b"x")
    assert slow.overflows == []
    slow.outbox.put(b"x")
    assert len(slow.overflows) == 1


def test_a_frame_larger_than_the_limit_passes_if_nothing_waits() -> None:
    """The limit is on waiting bytes, not on the size of a frame."""
    slow = Slow(max_bytes=10)
    slow.socket.stuck = False
    slow.outbox.put(b"x" * 100)
    assert slow.read() == b"x" * 100


def test_nothing_is_sent_after_close() -> None:
    """A closed connection costs nothing."""
    slow = Slow()
    slow.outbox.put(b"a")
    slow.outbox.close()
    slow.outbox.put(b"b")
    assert (slow.read(), slow.outbox.bytes) == (b"", 0)


def test_frames_that_are_put_together_count_each() -> None:
    """They take one place in the queue, but the limit is on frames. They are dropped together."""
    slow, stream = Slow(max_frames=8), Stream()
    slow.outbox.put(b"123", stream, 1, 3, 3, writes=3)
    slow.outbox.put(b"45678", stream, 4, 8, 5, writes=5)
    assert slow.outbox.full
    slow.outbox.put(b"9", stream, 9, 9, 1)
    assert (slow.overflows, slow.outbox.bytes) == ([], 6)
    slow.outbox.put(b"abc", writes=3)
    assert len(slow.overflows) == 0
    slow.outbox.put(b"defgh", writes=5)
    assert (slow.overflows, slow.read()) == ([], b"<gap 1-9>abcdefgh")
    for _ in range(2):
        slow.socket.stuck = True
        slow.outbox.put(b"ijklm", writes=5)
    assert len(slow.overflows) == 1


def test_put_at_once_overtakes_nothing() -> None:
    """It leaves out what would have to wait, and what comes after the end."""
    slow = Slow()
    slow.socket.stuck = False
    assert slow.outbox.put_at_once(b"a")
    slow.socket.stuck = True
    assert not slow.outbox.put_at_once(b"b")
    slow.outbox.put(b"c")
    slow.socket.stuck = False
    assert not slow.outbox.put_at_once(b"d")
    assert slow.read() == b"ac"
    slow.outbox.close()
    assert not slow.outbox.put_at_once(b"e")


def test_when_idle_calls_once_when_all_is_written() -> None:
    """Not as soon as there is room."""
    slow = Slow()
    calls: list[bytes] = []
    slow.outbox.put(b"a")
    slow.outbox.when_idle(lambda: calls.append(b"".join(slow.socket.written)))
    slow.outbox.pump()
    assert calls == []
    slow.read()
    slow.read()
    assert calls == [b"a"]


def test_when_reached_calls_once_when_all_that_waited_before_is_handed_over() -> None:
    """What is put meanwhile does not delay it, and what it sends comes after that."""
    slow = Slow(max_bytes=10 * TRANSPORT_BYTES)
    calls: list[bytes] = []

    def reached() -> None:
        calls.append(b"".join(slow.socket.written)[-1:])
        slow.outbox.put(b"c")

    slow.outbox.put(b"a" * TRANSPORT_BYTES)
    slow.outbox.when_reached(reached)
    slow.outbox.put(b"b" * TRANSPORT_BYTES)
    assert not slow.outbox.idle
    slow.socket.stuck = False
    write = slow.socket.write
    slow.socket.write = lambda data: (write(data), setattr(slow.socket, "stuck", True))  # type: ignore[assignment]
    slow.outbox.pump()
    assert calls == []
    slow.socket.stuck = False
    slow.outbox.pump()
    assert calls == [b"b"]
    assert slow.read() == b"a" * TRANSPORT_BYTES + b"b" * TRANSPORT_BYTES + b"c"
    assert len(calls) == 1


def test_when_reached_calls_nothing_after_the_end() -> None:
    """And it counts neither as bytes nor as a frame."""
    slow = Slow(max_frames=1)
    calls: list[None] = []
    slow.outbox.when_reached(lambda: calls.append(None))
    slow.outbox.put(b"a")
    assert (slow.overflows, slow.outbox.bytes) == ([], 1)
    slow.outbox.close()
    assert (slow.read(), calls) == (b"", [])


def test_when_drained_calls_once_below_half() -> None:
    """A paused replay continues when there is room, with one call for each registration."""
    slow = Slow(max_frames=4)
    calls: list[None] = []
    for _ in range(3):
        slow.outbox.put(b"x")
    assert slow.outbox.full
    slow.outbox.when_drained(lambda: calls.append(None))
    slow.outbox.pump()  # the transport is still busy
    assert calls == []
    slow.read()
    slow.read()
    assert len(calls) == 1


def test_a_callback_can_register_itself_again() -> None:
    """A replay of several steps registers again at each step."""
    slow = Slow()
    calls: list[int] = []

    def step() -> None:
        calls.append(len(calls))
        if len(calls) < 3:
            slow.outbox.when_drained(step)

    slow.outbox.when_drained(step)
    for _ in range(5):
        slow.read()
    assert calls == [0, 1, 2]


def test_the_oldest_droppable_frames_make_room() -> None:
    """For ``overflow: drop``, a quarter at once; the gap is reported in the place of the missing events."""
    slow, stream = Slow(max_frames=8), Stream()
    for number in range(1, 10):
        slow.outbox.put(b"%d" % number, stream, number, number, 1)
    assert slow.overflows == []
    assert slow.read() == b"<gap 1-3>456789"


def test_other_frames_are_kept() -> None:
    """Replies and frames of other subscriptions stay, in order."""
    slow, stream = Slow(max_frames=8), Stream()
    for number in range(1, 5):
        slow.outbox.put(b"R%d" % number)
        slow.outbox.put(b"%d" % number, stream, number, number, 1)
    slow.outbox.put(b"R5")
    assert slow.read() == b"R1<gap 1-3>R2R3R44R5"


def test_a_gap_is_reported_even_if_all_frames_of_its_stream_were_dropped() -> None:
    """It comes in their place: what follows may be a position from which a client resumes, or the stream's end."""
    slow, stream = Slow(max_frames=2), Stream()
    slow.outbox.put(b"1", stream, 1, 1, 1)
    slow.outbox.put(b"A")
    slow.outbox.put(b"B")
    assert slow.read() == b"<gap 1-1>AB"


def test_events_that_are_dropped_later_are_reported_with_those_before() -> None:
    """One gap for each stream, in the place of the first of them; after that was sent, there is another."""
    slow, one, other = Slow(max_frames=8), Stream(), Stream()
    for number in range(1, 30):
        slow.outbox.put(b"%d," % number, (one, other)[number % 2], number, number, 1)
    assert slow.read() == b"<gap 1-21><gap 2-20>22,23,24,25,26,27,28,29,"
    slow.socket.stuck = True
    for number in range(30, 40):
        slow.outbox.put(b"%d," % number, one, number, number, 1)
    assert slow.read() == b"<gap 30-32>33,34,35,36,37,38,39,"
    assert (slow.outbox.bytes, slow.outbox._frames, slow.outbox.idle) == (0, 0, True)


def test_room_is_made_in_bytes_too() -> None:
    """A large frame pushes out as many small ones as it needs, and no more."""
    slow, stream = Slow(max_bytes=20), Stream()
    for number in range(1, 6):
        slow.outbox.put(b"%d" % number * 4, stream, number, number, 1)
    slow.outbox.put(b"abc")
    assert slow.read() == b"<gap 1-2>333344445555abc"


def test_the_connection_ends_if_dropping_does_not_help() -> None:
    """Frames that may not be dropped still count."""
    slow, stream = Slow(max_frames=2), Stream()
    slow.outbox.put(b"A")
    slow.outbox.put(b"B")
    slow.outbox.put(b"1", stream, 1, 1, 1)
    assert len(slow.overflows) == 1


def test_small_frames_of_a_block_leave_in_one_write() -> None:
    """Each write is a system call: the first frames of a subscription leave with its reply."""
    slow = Slow(max_bytes=100_000)
    slow.socket.stuck = False
    with slow.outbox.together():
        slow.outbox.put(b"a")
        slow.outbox.put(b"b")
        assert slow.socket.written == []
    slow.outbox.put(b"c")
    assert slow.socket.written == [b"ab", b"c"]


def test_large_frames_of_a_block_are_not_copied() -> None:
    """They leave at once, after the small ones before them."""
    slow, large = Slow(max_bytes=100_000), b"x" * 5000
    slow.socket.stuck = False
    with slow.outbox.together():
        for frame in (b"a", large, b"b", b"c" * 4095, b"d"):
            slow.outbox.put(frame)
    assert slow.socket.written == [b"a", large, b"b" + b"c" * 4095, b"d"]
    assert slow.socket.written[1] is large


def test_frames_of_a_block_are_not_overtaken_and_not_lost() -> None:
    """Not by frames that wait for a slow client, by its overflow, or by a close frame."""
    waits = Slow()
    waits.socket.stuck = False
    with waits.outbox.together():
        waits.outbox.put(b"a")
        waits.socket.stuck = True
        waits.outbox.put(b"b")
    assert waits.read() == b"ab"

    overflows = Slow(max_frames=1)
    overflows.socket.stuck = False
    with overflows.outbox.together():
        overflows.outbox.put(b"a")
        overflows.socket.stuck = True
        overflows.outbox.put(b"b")
        overflows.outbox.put(b"c")
    assert (overflows.socket.written, len(overflows.overflows)) == ([b"a"], 1)

    closes = Slow()
    closes.socket.stuck = False
    with closes.outbox.together():
        closes.outbox.put(b"a")
        closes.outbox.flush()
        closes.socket.write(b"close frame")
    assert closes.socket.written == [b"a", b"close frame"]


def test_a_fault_in_a_block_loses_no_frame() -> None:
    """And later frames leave at once."""
    slow = Slow()
    slow.socket.stuck = False
    with contextlib.suppress(ZeroDivisionError), slow.outbox.together():
        slow.outbox.put(b"a")
        raise ZeroDivisionError
    slow.outbox.put(b"b")
    assert slow.socket.written == [b"a", b"b"]
