"""Events that come quickly share a write, whatever the form; how quickly is measured by what writing costs."""

from __future__ import annotations

import pytest
from websocket_api.live import filters
from websocket_api.live.groups import BUNDLE_SECONDS, REST
from websocket_api.live.streams import EventSubscription

from tests.unit.live.support import Client, Socket, World


class Slow(Socket):
    """A socket to which a write takes a while."""

    def __init__(self, world: World, seconds: float) -> None:
        super().__init__()
        self._world = world
        self._seconds = seconds

    def write(self, data: bytes) -> None:
        super().write(data)
        self._world.time.now += self._seconds


def follower(world: World, seconds: float) -> Client:
    """Somebody who follows everything, event by event."""
    client = Client()
    client.socket = client.outbox._transport = Slow(world, seconds)
    EventSubscription(world.hub, client.connection, 1, world.session(".*"), filters.make({})).start(None)
    return client


def test_a_single_event_leaves_at_once() -> None:
    """Nobody waits for a turn of the loop when nothing was written lately."""
    world = World()
    client = follower(world, 0.001)
    world.fire("my/x")
    assert [message["type"] for message in client.got] == ["event"]


def test_events_share_a_write_while_the_last_one_is_rested_from() -> None:
    """Each is a frame of its own all the same, and none overtakes another."""
    world = World()
    client = follower(world, 0.001)
    for number in range(10):
        world.fire("my/x", n=number)
    assert len(client.socket.written) == 1
    world.time.pass_(0.0011 * REST)
    assert len(client.socket.written) == 2
    assert [message["data"]["n"] for message in client.got] == list(range(10))


@pytest.mark.parametrize("seconds", [0.001, 1.0])
def test_events_wait_in_proportion_to_a_write_but_never_long(seconds: float) -> None:
    """Writing takes at most a part of the time, and the bound is that of bundles."""
    world = World()
    client = follower(world, seconds)
    world.fire("my/x", n=0)
    world.fire("my/x", n=1)
    wait = min(BUNDLE_SECONDS, seconds * (1 + REST)) - seconds
    world.time.pass_(max(0.0, wait - 0.0005))
    assert len(client.socket.written) == (1 if wait > 0 else 2)
    world.time.pass_(0.001)
    assert len(client.socket.written) == 2
