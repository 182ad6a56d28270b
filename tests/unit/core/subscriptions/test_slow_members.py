"""Clients that do not read: they get all, in order, and delay nobody; each outbox keeps its limits."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from websocket_api.core.access.session import Session
from websocket_api.core.subscriptions.events import EventSubscription
from websocket_api.core.subscriptions.fanout import BUNDLE_SECONDS, MANY_MEMBERS, WRITES_PER_CHECK, Group
from websocket_api.core.subscriptions.job_subscription import JobSubscription
from websocket_api.core.subscriptions.minion_subscription import MinionSubscription
from websocket_api.core.subscriptions.slow_members import (
    FLUSH_SECONDS,
    MAX_JOINED_WRITES,
    MAX_KEPT_BYTES,
    SLICE_SECONDS,
)

from tests.unit.core.support import Client, World, filter_of

PAUSE = 2 * BUNDLE_SECONDS
"""Seconds after which what is pending was written to the clients that read."""


class Follower:
    """A client with a subscription to some events."""

    def __init__(
        self, world: World, session: Session | None = None, *, bundle: bool = True, drop: bool = False, **limits: int
    ) -> None:
        self.world = world
        self.client = Client(**limits)
        self.received: list[dict[str, Any]] = []
        self.subscription = EventSubscription(
            world.hub,
            self.client.connection,
            self.client.connection.next_number(),
            session or world.session(".*"),
            filter_of({"tag": "my/"}),
            bundle=bundle,
            drop=drop,
        )
        self.client.connection.add(self.subscription)
        self.subscription.start(None)

    def stop_reading(self) -> None:
        self.client.socket.stuck = True

    def read(self) -> list[int]:
        """Read everything, and return the numbers of all events so far."""
        self.client.socket.stuck = False
        self.client.outbox.pump()
        return self.numbers

    @property
    def numbers(self) -> list[int]:
        """The numbers of the events that have arrived."""
        self.received += self.client.got
        return [event["data"]["n"] for message in self.received for event in events_of(message)]


def events_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a frame."""
    return [message] if message["type"] == "event" else message.get("events", [])


def group_of(world: World) -> Group:
    (group,) = world.hub._groups.values()
    return group


def fire(world: World, numbers: range, seconds: float = PAUSE) -> None:
    """Fire an event for each number, and let time pass after each."""
    for number in numbers:
        world.fire("my/x", n=number)
        world.time.pass_(seconds)


def test_nothing_is_done_for_a_client_that_does_not_read_when_the_others_get_theirs() -> None:
    """Its outbox gets several frames together later."""
    world = World()
    stuck, reader = Follower(world), Follower(world)
    stuck.stop_reading()
    fire(world, range(1))
    before = stuck.client.outbox.bytes
    fire(world, range(1, 4))
    assert (reader.numbers, stuck.client.outbox.bytes) == ([0, 1, 2, 3], before)
    world.time.pass_(FLUSH_SECONDS)
    assert stuck.client.outbox.bytes > before
    assert len(stuck.client.outbox._waiting) == 2
    assert stuck.read() == [0, 1, 2, 3]


def test_a_client_that_reads_again_gets_all_at_once_and_belongs_to_the_others() -> None:
    """It does not wait for the next flush."""
    world = World()
    slow, reader = Follower(world), Follower(world)
    slow.stop_reading()
    fire(world, range(3), FLUSH_SECONDS)
    fire(world, range(3, 5))
    assert slow.read() == [0, 1, 2, 3, 4]
    fire(world, range(5, 6))
    assert slow.numbers == reader.numbers == list(range(6))
    assert not group_of(world)._slow._members


def test_a_client_that_was_busy_for_a_moment_gets_its_events_as_soon_as_it_reads() -> None:
    """Nothing waits in its outbox then."""
    world = World()
    slow = Follower(world)
    slow.stop_reading()
    world.time.pass_(FLUSH_SECONDS)
    fire(world, range(1), 0.0)
    assert slow.read() == [0]


def test_clients_that_stopped_together_share_the_bytes() -> None:
    """What is kept for a thousand of them takes the memory of one."""
    world = World()
    stuck = [Follower(world) for _ in range(3)]
    for one in stuck:
        one.stop_reading()
    fire(world, range(20))
    world.time.pass_(FLUSH_SECONDS)
    frames = [[waiting.frame for waiting in one.client.outbox._waiting] for one in stuck]
    assert len(frames[0]) > 1
    assert all(one is other for each in frames[1:] for one, other in zip(frames[0], each, strict=True))


def test_the_pause_between_writes_depends_on_those_that_read() -> None:
    """Others cost nothing when the group writes."""
    world = World()
    stuck, reader = [Follower(world) for _ in range(100)], Follower(world)
    for one in [*stuck, reader]:
        write_slowly(world, one, 0.001)
    fire(world, range(10))
    assert group_of(world)._pacer.seconds > 2 * BUNDLE_SECONDS
    for one in stuck:
        one.stop_reading()
    fire(world, range(10, 12))
    assert group_of(world)._pacer.seconds == BUNDLE_SECONDS


def test_a_client_whose_kernel_buffers_fill_delays_no_long_writes() -> None:
    """The kernel takes megabytes for a client that does not read. Before that it gets its events together."""
    world = World()
    lagging, reader = [Follower(world) for _ in range(100)], Follower(world)
    for one in [*lagging, reader]:
        write_slowly(world, one, 0.001)
    fire(world, range(3), FLUSH_SECONDS)
    for one in lagging:
        one.client.socket.lags = True
    fire(world, range(3, 5))
    assert group_of(world)._pacer.seconds == BUNDLE_SECONDS
    world.time.pass_(FLUSH_SECONDS)
    fire(world, range(5, 6))
    assert (lagging[0].numbers, reader.numbers) == ([*range(5)], [*range(6)])
    for one in lagging:
        one.client.socket.lags = False
    world.time.pass_(FLUSH_SECONDS)
    assert not group_of(world)._slow._members
    fire(world, range(6, 7))
    assert lagging[0].numbers == [*range(7)]


def test_kernel_buffers_are_checked_now_and_then_while_all_read() -> None:
    """A client that stops reading later is found too."""
    world = World()
    one, reader = Follower(world), Follower(world)
    asked: list[bool] = []

    def unsent() -> bool:
        asked.append(True)
        return one.client.socket.lags

    one.client.socket.unsent = unsent  # type: ignore[method-assign]
    for each in (one, reader):
        write_slowly(world, each, 0.01)
    fire(world, range(100))
    assert WRITES_PER_CHECK < len(asked) < 30
    one.client.socket.lags = True
    fire(world, range(100, 100 + WRITES_PER_CHECK))
    assert one.subscription in group_of(world)._slow._members
    assert reader.numbers == [*range(100 + WRITES_PER_CHECK)]


def test_many_clients_whose_kernel_buffers_fill_are_noticed_before_writes_were_long() -> None:
    """The first write to them is long already."""
    world = World()
    lagging = [Follower(world) for _ in range(MANY_MEMBERS)]
    for one in lagging:
        one.client.socket.lags = True
    reader = Follower(world)
    fire(world, range(1))
    assert (list(group_of(world)._reading), reader.numbers) == ([reader.subscription], [0])


def test_kernel_buffers_do_not_matter_while_writes_are_short() -> None:
    """To ask for them costs a system call for each client."""
    world = World()
    lagging = Follower(world)
    lagging.client.socket.lags = True
    fire(world, range(3))
    assert (lagging.numbers, group_of(world)._slow._members) == ([0, 1, 2], {})


def test_a_lagging_client_whose_socket_accepts_no_more_gets_the_rest_when_it_reads() -> None:
    """It does not wait for the next flush."""
    world = World()
    lagging, reader = Follower(world), Follower(world)
    for one in (lagging, reader):
        write_slowly(world, one, 0.01)
    fire(world, range(3), FLUSH_SECONDS)
    lagging.client.socket.lags = True
    fire(world, range(3, 5), FLUSH_SECONDS)
    write = lagging.client.socket.write

    def write_and_fill(data: bytes) -> None:
        write(data)
        lagging.client.socket.stuck = True

    lagging.client.socket.write = write_and_fill  # type: ignore[method-assign]
    fire(world, range(5, 6), FLUSH_SECONDS)
    fire(world, range(6, 7))
    lagging.client.socket.write = write  # type: ignore[method-assign]
    assert lagging.read() == [*range(7)]


def test_flushes_leave_the_loop_to_others() -> None:
    """A thousand clients that stop reading get theirs in many turns of the loop, and others get theirs between."""
    world = World()
    stuck, reader = [Follower(world) for _ in range(100)], Follower(world)
    for one in stuck:
        one.stop_reading()
        slowly(world, one, SLICE_SECONDS / 10)
    turns: list[int] = []
    count_turns(world, turns, lambda: sum(one.client.outbox.bytes > 0 for one in stuck))
    fire(world, range(1), 1.0)
    assert turns[-1] == 100
    assert max(after - before for before, after in itertools.pairwise(turns)) <= 11
    assert reader.numbers == [0]


def test_connections_that_overflow_at_once_are_closed_in_several_turns_of_the_loop() -> None:
    """To close a thousand takes a tenth of a second."""
    world = World()
    stuck = [Follower(world, max_frames=4) for _ in range(100)]
    closed: list[Follower] = []
    for one in stuck:
        one.stop_reading()

        def close(one: Follower = one) -> None:
            world.time.now += SLICE_SECONDS / 2
            closed.append(one)

        one.client.outbox._on_overflow = close
    turns: list[int] = []
    count_turns(world, turns, lambda: len(closed))
    fire(world, range(40))
    world.time.pass_(1)
    assert closed == stuck
    assert max(after - before for before, after in itertools.pairwise(turns)) <= 3
    assert not group_of(world)._slow._members


def test_a_fault_of_one_client_does_not_keep_the_others_from_theirs() -> None:
    """The loop logs the fault."""
    world = World()
    stuck = [Follower(world) for _ in range(3)]
    for one in stuck:
        one.stop_reading()
    outbox = stuck[1].client.outbox
    put = outbox.put

    def fail(*args: Any, **kwargs: Any) -> None:
        outbox.put = put  # type: ignore[method-assign]
        raise RuntimeError("a fault")

    outbox.put = fail  # type: ignore[method-assign]
    world.fire("my/x", n=0)
    with pytest.raises(RuntimeError):
        world.time.pass_(1)
    world.time.pass_(1)
    assert [one.read() for one in stuck] == [[0]] * 3


def test_many_bytes_are_flushed_at_once() -> None:
    """What is kept outside of the outboxes is small compared with their limit."""
    world = World(size=1 << 24)
    stuck, fill = Follower(world, max_bytes=1 << 24), "f" * 10_000
    stuck.stop_reading()
    fire(world, range(1), FLUSH_SECONDS)
    for number in range(1, 100):
        world.fire("my/x", n=number, fill=fill)
        world.time.pass_(0.001)
        kept = sum(len(body) for write in group_of(world)._slow._writes for body in write.bodies)
        assert kept <= MAX_KEPT_BYTES + 11_000
    assert stuck.client.outbox.bytes > 0
    world.time.pass_(PAUSE)
    assert stuck.read() == list(range(100))


def test_frames_for_an_outbox_are_small_beside_its_limit() -> None:
    """A client that may lose events loses the oldest only, and is not closed."""
    world = World()
    stuck = Follower(world, bundle=False, drop=True, max_frames=2 * MAX_JOINED_WRITES)
    stuck.stop_reading()
    fire(world, range(100), FLUSH_SECONDS / 50)
    world.time.pass_(FLUSH_SECONDS)
    numbers = stuck.read()
    (gap,) = [message for message in stuck.received if message["type"] == "gap"]
    assert (stuck.client.closed_with, gap["count"] + len(numbers)) == ([], 100)
    assert numbers == list(range(gap["count"], 100))
    assert len(numbers) >= MAX_JOINED_WRITES


def test_a_gap_comes_after_what_was_kept() -> None:
    """The engine lost the bus after these events."""
    world = World()
    stuck = Follower(world)
    stuck.stop_reading()
    fire(world, range(2), FLUSH_SECONDS)
    fire(world, range(2, 4))
    world.hub.append_gap()
    assert stuck.read() == [0, 1, 2, 3]
    assert [message["type"] for message in stuck.received] == ["events"] * 4 + ["gap"]


def test_a_bookmark_comes_after_what_was_kept() -> None:
    """To resume from it would lose these events."""
    world = World()
    stuck = Follower(world)
    stuck.stop_reading()
    fire(world, range(1), FLUSH_SECONDS)
    fire(world, range(1, 2))
    world.hub.bookmark_all()
    assert stuck.read() == [0, 1]
    assert [message["type"] for message in stuck.received] == ["events", "events", "bookmark"]


def test_what_was_kept_comes_before_the_end_of_a_subscription() -> None:
    """And nothing comes after it."""
    world = World()
    stuck, reader = Follower(world), Follower(world)
    stuck.stop_reading()
    fire(world, range(1), FLUSH_SECONDS)
    fire(world, range(1, 3))
    stuck.client.connection.remove(stuck.subscription.number)
    stuck.client.connection.send({"type": "reply"})
    fire(world, range(3, 5), FLUSH_SECONDS)
    assert (stuck.read(), stuck.received[-1]) == ([0, 1, 2], {"type": "reply"})
    assert reader.numbers == list(range(5))


@pytest.mark.parametrize("slow", [False, True])
def test_frames_of_many_numbers_are_not_kept_at_once(slow: bool) -> None:
    """One user may have thousands of subscriptions in a group, each with a number of its own."""
    world = World(size=1 << 24)
    session, mebibyte = world.session(".*"), 1 << 20
    followers = []
    for number in range(1, 101):
        one = Follower(world, session, bundle=False, max_bytes=1 << 24)
        one.client.connection.remove(one.subscription.number)
        one.subscription = EventSubscription(world.hub, one.client.connection, number, session, filter_of({}))
        one.subscription.start(None)
        one.client.socket.stuck = slow
        one.client.socket.write = lambda _: None  # type: ignore[method-assign]
        one.client.outbox._waiting = deque(maxlen=0)
        followers.append(one)
    tracemalloc.start()
    try:
        world.fire("my/x", fill="f" * mebibyte)
        world.time.pass_(1.0)
        assert tracemalloc.get_traced_memory()[1] < 40 * mebibyte
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("fired", [20, 40, 60])
def test_what_was_dropped_is_reported_before_the_end_of_a_subscription(fired: int) -> None:
    """A client that resumes later starts after the last event that it received."""
    world = World()
    stuck = Follower(world, bundle=False, drop=True, max_frames=2 * MAX_JOINED_WRITES)
    stuck.stop_reading()
    fire(world, range(fired), 0.0)
    stuck.client.connection.remove(stuck.subscription.number)
    stuck.client.connection.send({"type": "reply"})
    numbers = stuck.read()
    gap, *events, reply = stuck.received
    assert (gap["type"], reply) == ("gap", {"type": "reply"})
    assert numbers == list(range(gap["to"], fired))
    assert len(numbers) == len(events) > 0


def test_subscriptions_that_ended_leave_nothing_in_the_outbox_of_a_client_that_reads_too_slowly() -> None:
    """It may subscribe and unsubscribe for hours, and always leave something unread."""
    world = World(events=10_000)
    client = Client(max_frames=16)
    connection, session = client.connection, world.session(".*")
    client.socket.stuck = True
    connection.send({"type": "reply"})
    kinds: list[Callable[[int], Any]] = [
        lambda number: EventSubscription(world.hub, connection, number, session, filter_of({"tag": "my/"})),
        lambda number: EventSubscription(world.hub, connection, number, session, filter_of({"tag": "my/"}), drop=True),
        lambda number: JobSubscription(world.job_feed, connection, number, session, None),
        lambda number: MinionSubscription(world.minion_feed, connection, number, session),
    ]
    fire(world, range(30), 0.0)
    for _ in range(10):
        for kind in kinds:
            for since in (None, 0):
                subscription = kind(connection.next_number())
                connection.add(subscription)
                subscription.start(*([since] if isinstance(subscription, EventSubscription) else []))
                fire(world, range(2), FLUSH_SECONDS)
                connection.remove(subscription.number)
        client.outbox._waiting.clear()  # the client reads these, but not what the transport holds
        client.outbox._count(-client.outbox.bytes, -client.outbox._frames)
    assert (client.closed_with, client.outbox._paused) == ([], [])


def test_a_position_comes_after_the_gap_before_it() -> None:
    """A client that loses its connection between the two would never learn of the gap."""
    world = World()
    stuck = Follower(world, drop=True, max_frames=2 * MAX_JOINED_WRITES)
    stuck.stop_reading()
    fire(world, range(10))
    world.hub.bookmark_all()
    fire(world, range(10, 60))
    stuck.read()
    assert [message["type"] for message in stuck.received[:2]] == ["gap", "bookmark"]


def test_what_was_kept_comes_before_events_of_new_permissions() -> None:
    """The client joins another group."""
    world = World()
    session = world.session(".*")
    stuck = Follower(world, session)
    stuck.stop_reading()
    fire(world, range(1), FLUSH_SECONDS)
    fire(world, range(1, 2))
    session.viewer = world.session({"@events": ["tag:my/*"]}).viewer
    stuck.subscription.regroup()
    fire(world, range(2, 3), 0.0)
    assert stuck.read() == [0, 1, 2]


def test_nothing_is_kept_for_clients_that_are_gone() -> None:
    """Whether they left or were closed."""
    world = World()
    left, closed, reader = Follower(world), Follower(world, max_frames=2), Follower(world)
    for one in (left, closed):
        one.stop_reading()
    fire(world, range(30))
    assert [code for code, _ in closed.client.closed_with] == [4410]
    left.client.connection.release()
    slow = group_of(world)._slow
    assert (slow._members, slow._writes, slow._joined) == ({}, [], {})
    closed.client.connection.release()
    reader.client.connection.release()
    assert world.hub._groups == {}
    world.time.pass_(1)


@pytest.mark.parametrize("seed", range(30))
def test_every_client_gets_every_event_once_and_in_order(seed: int) -> None:
    """Whatever it does: what is missing is in a gap that counts it, or its connection was closed before."""
    chance = random.Random(seed)
    world = World(events=10_000)
    session = world.session(".*")
    limits = {"max_frames": chance.choice([16, 60, 1000]), "max_bytes": 1 << 16}
    bundle = chance.random() < 0.6
    followers = [Follower(world, session, bundle=bundle, drop=chance.random() < 0.5, **limits) for _ in range(8)]
    for one in followers:
        write_slowly(world, one, chance.choice([0.0, 0.002]))
    began = {id(one): 0 for one in followers}
    sent = 0
    for _ in range(400):
        one, what = chance.choice(followers), chance.random()
        if what < 0.1:
            one.client.socket.lags = not one.client.socket.lags
        elif what < 0.25:
            one.stop_reading()
        elif what < 0.4:
            one.read()
        elif what < 0.42:
            one.client.connection.send({"type": "reply"})
        elif what < 0.48:
            chance.choice([world.hub.bookmark, world.hub.bookmark_all])()
        elif what < 0.5:
            one.subscription.regroup()
        elif what < 0.52 and not one.client.closed_with:
            new = Follower(world, session, bundle=bundle, drop=one.subscription.drop, **limits)
            followers.append(new)
            began[id(new)] = sent
        for _ in range(chance.choice([0, 0, 1, 1, 2, 30])):
            world.fire("my/x", n=sent)
            sent += 1
        world.time.pass_(chance.choice([0.0, 0.001, 0.01, 0.1]))
    world.time.pass_(1)
    closed = 0
    for one in followers:
        one.read()
        assert_complete(one, began[id(one)], None if one.client.closed_with else sent)
        closed += bool(one.client.closed_with)
    assert closed < len(followers)


def assert_complete(one: Follower, start: int, end: int | None) -> None:
    """Check that events and gaps add up to all between two numbers.

    :param end: None for a connection that was closed
    """
    next_ = start
    for message in one.received:
        for event in events_of(message):
            assert event["data"]["n"] == next_
            next_ += 1
        if message["type"] == "gap":
            assert message["reason"] == "overflow"
            assert message["from"] == next_ + 1
            next_ += message["count"]
            assert message["to"] == next_
        if message["type"] == "bookmark":
            assert message["seq"] <= next_  # to resume from it loses nothing
    assert end is None or next_ == end


def write_slowly(world: World, one: Follower, seconds: float) -> None:
    """Make each write to a client take some time."""
    write = one.client.socket.write

    def write_slowly(data: bytes) -> None:
        write(data)
        world.time.now += seconds

    one.client.socket.write = write_slowly  # type: ignore[method-assign]


def slowly(world: World, one: Follower, seconds: float) -> None:
    """Make each flush to a client take some time."""
    put = one.client.outbox.put

    def put_slowly(*args: Any, **kwargs: Any) -> None:
        world.time.now += seconds
        put(*args, **kwargs)

    one.client.outbox.put = put_slowly  # type: ignore[method-assign]


def count_turns(world: World, turns: list[int], value: Callable[[], int]) -> None:
    """Record a value before each turn of the loop that comes, and at the end of each."""
    later = world.time.later

    def later_counted(seconds: float, call: Callable[[], None]) -> None:
        def counted() -> None:
            turns.append(value())
            call()
            turns.append(value())

        later(seconds, counted)

    world.hub.later = later_counted
    group = group_of(world)
    group._slow._later = later_counted
    group._slow._pacer._later = later_counted
