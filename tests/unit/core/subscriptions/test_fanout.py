"""Events that come quickly share a write, whatever the form; how quickly is measured by what writing costs."""

from __future__ import annotations

import pytest
from websocket_api.core.subscriptions.events import EventSubscription
from websocket_api.core.subscriptions.fanout import BUNDLE_SECONDS, MAX_SECONDS, WRITE_SHARE

from tests.unit.core.support import Client, Socket, World, filter_of


class Slow(Socket):
    """A socket to which a write takes a while."""

    def __init__(self, world: World, seconds: float) -> None:
        super().__init__()
        self._world = world
        self._seconds = seconds
        self.once = 0.0
        """Seconds that the next write takes instead."""

    def write(self, data: bytes) -> None:
        super().write(data)
        self._world.time.now += self.once or self._seconds
        self.once = 0.0


def follower(world: World, seconds: float, *, bundle: bool = False) -> Client:
    """Somebody who follows everything, event by event or in bundles."""
    client = Client()
    client.socket = client.outbox._transport = Slow(world, seconds)
    session = world.session(".*")
    EventSubscription(world.hub, client.connection, 1, session, filter_of({}), bundle=bundle).start(None)
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
    world.time.pass_(0.001 * WRITE_SHARE)
    assert len(client.socket.written) == 2
    assert [message["data"]["n"] for message in client.got] == list(range(10))


@pytest.mark.parametrize("seconds", [0.001, 1.0])
def test_events_wait_in_proportion_to_a_write_but_never_long(seconds: float) -> None:
    """Writing takes at most a part of the time, and what waits leaves in the end."""
    world = World()
    client = follower(world, seconds)
    world.fire("my/x", n=0)
    world.fire("my/x", n=1)
    wait = min(MAX_SECONDS, seconds * WRITE_SHARE) - seconds
    world.time.pass_(max(0.0, wait - 0.0005))
    assert len(client.socket.written) == (1 if wait > 0 else 2)
    world.time.pass_(0.001)
    assert len(client.socket.written) == 2


def test_bundles_to_many_leave_less_often() -> None:
    """A write that takes long would else take all the time: of a machine whose cores clients need too."""
    world = World()
    client = follower(world, 0.008, bundle=True)
    for number in range(80):
        world.fire("my/x", n=number)
        world.time.pass_(0.001)
    world.time.pass_(MAX_SECONDS)
    sizes = [len(message["events"]) for message in client.got]
    assert sum(sizes) == 80
    assert len(sizes) == 3  # the first at once, the others after WRITE_SHARE times 0.008 seconds each
    assert BUNDLE_SECONDS < WRITE_SHARE * 0.008 < MAX_SECONDS


def test_one_write_that_was_interrupted_slows_nothing_down() -> None:
    """A process that is not let run for a moment measures that as if it had written."""
    world = World()
    client = follower(world, 0.001, bundle=True)
    for number in range(200):
        if number == 100:
            client.socket.once = 0.02
        world.fire("my/x", n=number)
        world.time.pass_(0.001)
    world.time.pass_(MAX_SECONDS)
    sizes = [len(message["events"]) for message in client.got]
    assert WRITE_SHARE * 0.02 > MAX_SECONDS  # in which 50 events come: they would be written together
    assert max(sizes) <= BUNDLE_SECONDS / 0.001 + 1
