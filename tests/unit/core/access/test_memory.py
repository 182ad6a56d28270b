"""One user's memory over all connections is bounded, and nobody else pays for it."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any

import pytest
from websocket_api.core.access.memory import LIMIT, SMALL_BYTES, Memory, message_bytes
from websocket_api.core.delivery.collected import Collected
from websocket_api.core.delivery.outbox import Outbox
from websocket_api.errors import ApiError

from tests.unit.core.support import Socket
from tests.unit.operations.engine import ALL, Engine, Refused

LARGE = b"x" * 6000


class Reader:
    """A connection of a user."""

    def __init__(self, memory: Memory) -> None:
        self.socket = Socket()
        self.closed = 0
        self.outbox = Outbox(self.socket, max_bytes=1 << 20, max_frames=1000, on_overflow=self._close)
        self.outbox.charge(memory)

    def _close(self) -> None:
        self.closed += 1

    def read(self) -> None:
        self.socket.stuck = False
        self.outbox.pump()

    def hold(self, *frames: bytes, owner: Stream | None = None) -> Reader:
        """Let frames wait: the client does not read from now on."""
        self.socket.stuck = True
        for number, frame in enumerate(frames):
            self.outbox.put(frame, owner, number, number, 1)
        return self


class Stream:
    """A subscription that would rather lose events than the connection."""

    def __init__(self) -> None:
        self.lost = 0

    def count_lost(self, first: int, last: int, count: int) -> None:
        self.lost += count

    def gap_frame(self) -> bytes | None:
        return b"<gap of %d>" % self.lost


def test_what_waits_for_all_connections_is_counted_and_given_back() -> None:
    """Whether it waits in the outbox or was handed to the transport."""
    memory = Memory(100_000)
    readers = [Reader(memory) for _ in range(3)]
    for reader in readers:
        reader.outbox.put(LARGE)
        assert memory.bytes == 0, "it was read at once"
        reader.socket.stuck = True
        reader.outbox.put(LARGE)
        reader.outbox.put(b"small")
        reader.outbox.put(LARGE)
        assert memory.bytes == 2 * len(LARGE) + 5
        reader.read()
        assert memory.bytes == 0


def test_what_the_transport_holds_is_counted_until_it_is_written() -> None:
    """A large frame for a client that reads nothing goes to the transport at once."""
    memory = Memory(100_000)
    reader = Reader(memory)
    write = reader.socket.write

    def write_slowly(data: bytes) -> None:
        write(data)
        reader.socket.stuck = True

    reader.socket.write = write_slowly  # type: ignore[method-assign]
    reader.outbox.put(LARGE)
    assert memory.bytes == len(LARGE)
    reader.socket.stuck = False
    reader.outbox.pump()
    assert memory.bytes == 0


def test_a_frame_beyond_the_limit_ends_its_own_connection() -> None:
    """The other connections of the user stay, and those of other users have their own limit."""
    memory, other = Memory(2 * len(LARGE)), Memory(2 * len(LARGE))
    first, second, bob = Reader(memory), Reader(memory), Reader(other)
    for reader in (first, second, bob):
        reader.socket.stuck = True
        reader.outbox.put(LARGE)
    second.outbox.put(b"more than fits")
    bob.outbox.put(b"more than fits")
    assert (first.closed, second.closed, bob.closed) == (0, 1, 0)
    assert memory.bytes == len(LARGE), "what waited for the closed connection is released"


@pytest.mark.parametrize("seed", range(4))
def test_the_connection_that_holds_the_most_makes_room(seed: int) -> None:
    """Not the one that happens to get the next frame, in whatever order they came."""
    memory = Memory(10 * len(LARGE))
    readers = [Reader(memory) for _ in range(4)]
    random.Random(seed).shuffle(readers)
    most, some, few, reading = readers
    few.hold(LARGE)
    most.hold(*[LARGE] * 5)
    some.hold(*[LARGE] * 4)
    reading.outbox.put(LARGE)
    assert [one.closed for one in (most, some, few, reading)] == [1, 0, 0, 0]
    assert reading.socket.written == [LARGE]
    few.outbox.put(LARGE)
    assert [one.closed for one in (most, some, few, reading)] == [1, 0, 0, 0]
    assert memory.bytes == 6 * len(LARGE)


def test_a_small_frame_of_a_client_that_reads_costs_nobody_anything() -> None:
    """It is not counted, so it needs no room."""
    memory = Memory(2 * len(LARGE))
    stuck, reading = Reader(memory).hold(LARGE, LARGE), Reader(memory)
    reading.outbox.put(b"small")
    assert (stuck.closed, reading.socket.written) == (0, [b"small"])


def test_the_connection_that_holds_the_most_gets_a_gap_if_it_prefers_that() -> None:
    """A quarter of its events at once, as often as it needs, and what must not be dropped ends it."""
    memory, stream = Memory(100 * len(LARGE)), Stream()
    stuck, reading = Reader(memory), Reader(memory)
    stuck.hold(*[LARGE] * 96, owner=stream).hold(*[LARGE] * 4)
    reading.outbox.put(LARGE)
    assert (stuck.closed, stream.lost, reading.socket.written) == (0, 25, [LARGE])
    for _ in range(26):
        reading.hold(LARGE)
    assert (stuck.closed, stream.lost) == (0, 44)
    stuck.read()
    assert b"".join(stuck.socket.written) == b"<gap of 44>" + 56 * LARGE
    stuck.socket.written.clear()
    stuck.hold(*[LARGE] * 74)
    reading.outbox.put(LARGE)
    assert (stuck.closed, reading.closed) == (1, 0)


def test_what_other_requests_of_the_user_take_closes_no_connection_that_holds_less() -> None:
    """The one that needs room ends if it would hold the most itself."""
    memory = Memory(10 * len(LARGE))
    stuck, reading = Reader(memory).hold(LARGE), Reader(memory)
    memory.add("requests", 9 * len(LARGE))
    reading.outbox.put(LARGE)
    assert (stuck.closed, reading.closed) == (0, 1)


def test_a_connection_that_ended_or_changed_its_user_makes_no_room() -> None:
    """And nothing refers to it any longer."""
    memory, other = Memory(2 * len(LARGE)), Memory()
    left, moved, reading = (Reader(memory) for _ in range(3))
    moved.hold(LARGE, LARGE).outbox.charge(other)
    left.hold(LARGE).outbox.close()
    memory.add("requests", 2 * len(LARGE))
    reading.outbox.put(LARGE)
    assert (moved.closed, left.closed, reading.closed) == (0, 0, 1)
    assert not memory._holders


@pytest.mark.parametrize("end", ["close", "flush"])
def test_the_end_of_a_connection_releases_its_memory(end: str) -> None:
    """Also what it had handed to the transport."""
    memory = Memory(100_000)
    reader = Reader(memory)
    reader.socket.stuck = True
    reader.outbox.put(LARGE)
    getattr(reader.outbox, end)()
    assert memory.bytes == 0


def test_a_login_moves_what_waits_to_the_new_user() -> None:
    """It is never counted twice."""
    totals: Counter[str] = Counter()
    ann, bob = Memory(100_000, totals), Memory(100_000, totals)
    reader = Reader(ann)
    reader.socket.stuck = True
    reader.outbox.put(LARGE)
    reader.outbox.charge(bob)
    assert (ann.bytes, bob.bytes, totals["outboxes"]) == (0, len(LARGE), len(LARGE))


def test_a_reply_beyond_the_limit_is_refused_while_it_is_encoded() -> None:
    """Nothing stays counted."""
    memory = Memory(len(LARGE))
    collected = Collected(memory)
    steps = collected.collect([LARGE, LARGE])
    next(steps)
    with pytest.raises(ApiError) as caught:
        next(steps)
    assert (caught.value.code, caught.value.details) == ("too_many", {"limit": LIMIT})
    collected.release()
    collected.release()
    assert memory.bytes == 0


@pytest.mark.parametrize("value", [[[]] * 3000, [{}] * 3000, {str(key): 0 for key in range(3000)}, ["x"] * 3000])
def test_the_memory_of_a_message_is_not_underestimated_much(value: Any) -> None:
    """A few bytes of text can stand for an object that takes sixty."""
    text = json.dumps(value)
    assert message_bytes(text) >= 64 * len(value)
    assert message_bytes(text[:SMALL_BYTES]) == 0


async def test_large_requests_in_work_are_bounded_for_their_user_only() -> None:
    """Another user is served, and the memory is given back with the reply."""
    engine = Engine(limits={"memory_per_user": 1_000_000}, ann=ALL, bob=ALL)
    ann, bob = await engine.user("ann"), await engine.user("bob")
    memory = ann.connection.session.holdings.memory  # type: ignore[union-attr]
    memory.add("requests", 1_000_000)
    body = {"text": ["y"] * 5000}
    with pytest.raises(Refused) as caught:
        await ann.ask("event", tag="a/b", body=body)
    assert caught.value.error["details"] == {"limit": LIMIT}
    await bob.ask("event", tag="a/b", body=body)
    memory.add("requests", -1_000_000)
    await ann.ask("event", tag="a/b", body=body)
    await asyncio.sleep(0)
    assert memory.bytes == 0
    assert not +engine.services.sessions.memory


async def test_an_answer_that_an_http_client_does_not_read_is_counted() -> None:
    """Until the client has read it or has left."""
    pytest.importorskip("tornado")
    from tests.unit.protocols.leaving import running_engine

    async with running_engine() as running:
        services = running.engine.services
        for number in range(40):
            running.engine.world.fire(
                f"salt/job/20261123150000{number:06}/new", fun="a.b", arg=["x" * 200_000], minions=["web1"]
            )
        peer = await running.peer(receive_bytes=4096)
        await peer.request("GET", "/jobs", token=running.token)
        await running.until(lambda: services.sessions.memory["replies"] > 4_000_000)
        await running.until(lambda: len(running.clients) == 0)
        assert services.sessions.memory["replies"] > 4_000_000
        peer.reset()
        await running.until(lambda: services.sessions.memory["replies"] == 0)
