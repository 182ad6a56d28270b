"""One user's memory over all connections is bounded, and nobody else pays for it."""

from __future__ import annotations

import asyncio
import json
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
    """A connection of a user; it does not read until a test lets it."""

    def __init__(self, memory: Memory) -> None:
        self.socket = Socket()
        self.closed = 0
        self.outbox = Outbox(self.socket, max_bytes=1 << 20, max_frames=100, on_overflow=self._close)
        self.outbox.charge(memory)

    def _close(self) -> None:
        self.closed += 1

    def read(self) -> None:
        self.socket.stuck = False
        self.outbox.pump()


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
