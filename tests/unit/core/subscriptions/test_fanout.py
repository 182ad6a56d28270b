"""Events in quick succession share a write; the pause depends on the measured cost of a write."""

from __future__ import annotations

import pytest
from websocket_api.core.subscriptions.events import EventSubscription
from websocket_api.core.subscriptions.fanout import BUNDLE_SECONDS, MAX_SECONDS, SMOOTHING, WRITE_SHARE
from websocket_api.core.subscriptions.hub import BUNDLED_SECONDS

from tests.unit.core.support import Client, Socket, World, filter_of


class Slow(Socket):
    """A socket to which a write takes some time."""

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
    """Return a subscription to everything, with single events or bundles."""
    client = Client()
    client.socket = client.outbox._transport = Slow(world, seconds)
    session = world.session(".*")
    EventSubscription(world.hub, client.connection, 1, session, filter_of({}), bundle=bundle).start(None)
    return client


def measured(world: World, seconds: float, *, bundle: bool = False) -> Client:
    """Return a subscription whose writes were measured often, and that has got all."""
    client = follower(world, seconds, bundle=bundle)
    for _ in range(20 * SMOOTHING):
        world.fire("my/before")
        world.time.pass_(1.0)
    client.socket.written.clear()
    return client


def test_a_single_event_is_sent_at_once() -> None:
    """Without waiting for a turn of the loop, if nothing was written recently."""
    world = World()
    client = follower(world, 0.001)
    world.fire("my/x")
    assert [message["type"] for message in client.got] == ["event"]


def test_events_during_the_pause_after_a_write_share_the_next_one() -> None:
    """Each is still a frame of its own, in order."""
    world = World()
    client = measured(world, 0.001)
    for number in range(10):
        world.fire("my/x", n=number)
    assert len(client.socket.written) == 1
    world.time.pass_(0.001 * WRITE_SHARE)
    assert len(client.socket.written) == 2
    assert [message["data"]["n"] for message in client.got] == list(range(10))


@pytest.mark.parametrize("seconds", [0.001, 1.0])
def test_the_pause_is_proportional_to_the_cost_of_a_write(seconds: float) -> None:
    """Up to a maximum; then waiting events are sent."""
    world = World()
    client = measured(world, seconds)
    world.fire("my/x", n=0)
    world.fire("my/x", n=1)
    wait = min(MAX_SECONDS, seconds * WRITE_SHARE) - seconds
    world.time.pass_(max(0.0, wait - 0.0005))
    assert len(client.socket.written) == (1 if wait > 0 else 2)
    world.time.pass_(0.001)
    assert len(client.socket.written) == 2


def test_bundles_to_many_clients_are_sent_less_often() -> None:
    """Otherwise long writes would take all of the time."""
    world = World()
    client = measured(world, 0.008, bundle=True)
    for number in range(80):
        world.fire("my/x", n=number)
        world.time.pass_(0.001)
    world.time.pass_(MAX_SECONDS)
    sizes = [len(message["events"]) for message in client.got]
    assert sum(sizes) == 80
    assert len(sizes) == 3  # the first at once, the others after WRITE_SHARE times 0.008 seconds each
    assert BUNDLE_SECONDS < WRITE_SHARE * 0.008 < MAX_SECONDS


@pytest.mark.parametrize("phase", [0.001, 0.01, 0.019])
def test_what_is_read_together_is_sent_at_once(phase: float) -> None:
    """Bundles fall into step with the reads of the bus, however long after the first bundle these start."""
    world = World()
    client = follower(world, 0.0, bundle=True)
    world.fire("my/x")
    world.time.pass_(phase)
    waited = []
    for number in range(20):
        client.got  # noqa: B018 - forget what was sent
        world.fire("my/x", n=number)
        world.time.pass_(0.0)
        waited.append(not client.got)
        world.time.pass_(BUNDLED_SECONDS)
    assert (waited[0], any(waited[10:])) == (True, False)


@pytest.mark.parametrize("interrupted", [0, 100])
def test_one_interrupted_write_does_not_slow_the_stream(interrupted: int) -> None:
    """A paused process measures the pause as a long write. The first write is longer because nothing is cached."""
    world = World()
    client = follower(world, 0.001, bundle=True)
    for number in range(200):
        if number == interrupted:
            client.socket.once = 0.02
        world.fire("my/x", n=number)
        world.time.pass_(0.001)
    world.time.pass_(MAX_SECONDS)
    sizes = [len(message["events"]) for message in client.got]
    assert WRITE_SHARE * 0.02 > MAX_SECONDS  # in which 50 events come: they would be written together
    assert max(sizes) <= BUNDLE_SECONDS / 0.001 + 1
