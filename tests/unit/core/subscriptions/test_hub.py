"""Events from the bus to clients: complete, in order, encoded once, and only for users who may see them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from websocket_api.core.access.session import Session
from websocket_api.core.access.turns import TURN_SECONDS
from websocket_api.core.subscriptions.events import EventSubscription
from websocket_api.core.subscriptions.hub import (
    ALONE_EVENTS,
    ALONE_SECONDS,
    BUNDLED_SECONDS,
    IDLE_SECONDS,
    SINGLE_SECONDS,
)
from websocket_api.core.subscriptions.slow_members import FLUSH_SECONDS

from tests.unit.core.support import JID, Client, World, filter_of, ticks

ALL = ".*"


def follow(
    world: World, client: Client, session: Session | None = None, since: int | None = None, **message: Any
) -> EventSubscription:
    """Subscribe as the operation does, without the reply."""
    connection = client.connection
    subscription = EventSubscription(
        world.hub,
        connection,
        connection.next_number(),
        session or world.session(ALL),
        filter_of(message),
        bundle=message.get("bundle", False),
        drop=message.get("overflow") == "drop",
    )
    connection.add(subscription)
    subscription.start(since)
    return subscription


def noise(world: World, count: int, tag: str = "my/noise", **data: Any) -> None:
    for number in range(count):
        world.fire(tag, number=number, **data)


def read(client: Client) -> list[dict[str, Any]]:
    """Let the client read everything, and return what it received."""
    client.socket.stuck = False
    client.outbox.pump()
    return client.got


def seqs(messages: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of the events in single frames and bundles."""
    found: list[int] = []
    for message in messages:
        if message["type"] == "event":
            found.append(message["seq"])
        elif message["type"] == "events":
            found += [event["seq"] for event in message["events"]]
    return found


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [kind for kind, _ in itertools.groupby(message["type"] for message in messages)]


# Live


def test_events_are_sent_in_order_with_their_numbers() -> None:
    """Each event of the bus has the next number."""
    world, client = World(), Client()
    follow(world, client)
    noise(world, 3)
    got = client.got
    assert got[0] == {"type": "event", "subscription": 1, "seq": 1, "tag": "my/noise", "data": {"number": 0}}
    assert seqs(got) == [1, 2, 3]


def test_a_subscription_starts_with_new_events() -> None:
    """Without ``since``, earlier events are not sent."""
    world, client = World(), Client()
    noise(world, 3)
    follow(world, client)
    assert client.got == []
    noise(world, 1)
    assert seqs(client.got) == [4]


def test_only_matching_events_are_sent() -> None:
    """Other events leave gaps in the numbers, which mean nothing."""
    world, client = World(), Client()
    follow(world, client, tag="my/")
    for tag in ("my/a", "your/b", "my/c"):
        world.fire(tag)
    assert seqs(client.got) == [1, 3]


def test_hidden_events_are_not_sent() -> None:
    """Each subscriber gets what its own permissions show."""
    world, everything, some = World(), Client(), Client()
    follow(world, everything)
    follow(world, some, world.session({"@events": ["tag:my/*"]}))
    for tag in ("my/a", "your/b"):
        world.fire(tag)
    assert (seqs(everything.got), seqs(some.got)) == ([1, 2], [1])


def test_a_viewer_of_a_part_gets_a_reduced_event() -> None:
    """The other viewer gets the whole event."""
    world, everything, some = World(), Client(), Client()
    world.targets.sets["web*"] = {"web1"}
    follow(world, everything)
    follow(world, some, world.session({"web*": ["test.*"]}))
    world.publish("web1", "db")
    assert everything.got[0]["data"]["minions"] == ["web1", "db"]
    cut = some.got[0]
    assert (cut["seq"], cut["data"]["minions"], "tgt" in cut["data"]) == (1, ["web1"], False)


def test_equal_views_share_the_bytes() -> None:
    """Two clients with the same filter, number, format and view get the same object: it is encoded once."""
    world, clients = World(), [Client(), Client()]
    for client in clients:
        follow(world, client)
    noise(world, 1)
    assert clients[0].socket.written[0] is clients[1].socket.written[0]


def test_equal_reduced_views_share_the_bytes() -> None:
    """The same holds for reduced events."""
    world, clients = World(), [Client(), Client()]
    world.targets.sets["web*"] = {"web1"}
    for client in clients:
        follow(world, client, world.session({"web*": ["test.*"]}))
    world.publish("web1", "db")
    assert clients[0].socket.written[0] is clients[1].socket.written[0]


def test_each_frame_has_the_clients_own_number() -> None:
    """Clients with other numbers get other frames."""
    world, client = World(), Client()
    for _ in range(2):
        follow(world, client)
    noise(world, 1)
    assert [message["subscription"] for message in client.got] == [1, 2]


def test_nothing_is_sent_after_stop() -> None:
    """The subscription leaves its group and all queues."""
    world, client = World(), Client()
    subscription = follow(world, client)
    client.connection.remove(subscription.number)
    noise(world, 1)
    assert client.got == []
    assert world.hub._groups == {}


def test_new_permissions_count_from_the_next_event() -> None:
    """The subscriber moves to the group of equal viewers."""
    world, client, other = World(), Client(), Client()
    session = world.session(ALL)
    subscription = follow(world, client, session)
    follow(world, other, world.session({"@events": ["tag:my/*"]}))
    world.fire("your/a")
    session.viewer = world.session({"@events": ["tag:my/*"]}).viewer
    subscription.regroup()
    world.fire("your/b")
    world.fire("my/c")
    assert seqs(client.got) == [1, 3]
    assert len(world.hub._groups) == 1


def test_without_return_leaves_out_the_return_only() -> None:
    """For this subscription only."""
    world, with_it, without = World(), Client(), Client()
    follow(world, with_it)
    follow(world, without, without_return=True)
    world.publish("web1")
    world.answer("web1", {"big": "value"})
    assert with_it.got[1]["data"]["return"] == {"big": "value"}
    data = without.got[1]["data"]
    assert ("return" in data, data["id"], data["retcode"]) == (False, "web1", 0)


def test_a_minions_event_is_shown_unwrapped() -> None:
    """``data`` is what the minion sent; its id is a field of its own."""
    world, client = World(), Client()
    follow(world, client)
    world.fire("my/disk", cmd="_minion_event", id="web1", data={"free": 17})
    message = client.got[0]
    assert (message["data"], message["minion"]) == ({"free": 17}, "web1")


# Faults


class Broken(Exception):
    """Fails on every access."""


@pytest.mark.parametrize("registry", ["jobs", "minions"])
def test_an_event_that_a_registry_cannot_apply_is_delivered(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event is stored and delivered, and no number is left out."""
    world, client = World(), Client()
    follow(world, client)

    def fail(*_: Any) -> None:
        raise Broken

    with monkeypatch.context() as broken:
        broken.setattr(getattr(world, registry), "apply", fail)
        noise(world, 1)
    noise(world, 2)
    assert seqs(client.got) == [1, 2, 3]
    assert [entry.seq for entry in world.history.after(0)] == [1, 2, 3]


def test_an_error_in_one_view_does_not_affect_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failing viewer sees nothing; the others get the event."""
    world, odd, other = World(), Client(), Client()
    session = world.session("test.*")
    follow(world, odd, session)
    follow(world, other)

    def fail(*_: Any) -> bool:
        raise Broken

    monkeypatch.setattr(session.permissions, "may_see_tag", fail)
    noise(world, 2)
    assert seqs(other.got) == [1, 2]


# Resuming


@pytest.mark.parametrize("since", [0, 1, 4, 5])
def test_a_replay_is_followed_by_live_events(since: int) -> None:
    """Without loss or duplicates."""
    world, client = World(), Client()
    noise(world, 5)
    follow(world, client, since=since)
    noise(world, 3)
    assert seqs(client.got) == list(range(since + 1, 9))


def test_a_replay_uses_the_present_permissions() -> None:
    """Events that were visible when they happened may be hidden now."""
    world, client = World(), Client()
    for tag in ("my/a", "your/b"):
        world.fire(tag)
    follow(world, client, world.session({"@events": ["tag:my/*"]}), since=0)
    assert seqs(client.got) == [1]


def test_permissions_that_change_during_a_replay_count_at_once() -> None:
    """A paused replay continues with the new permissions."""
    world, client = World(), Client(max_frames=4)
    noise(world, 20, "your/noise")
    session = world.session(ALL)
    client.socket.stuck = True
    client.connection.send({"first": 1})
    subscription = follow(world, client, session, since=0)
    session.viewer = world.session({"@events": ["tag:my/*"]}).viewer
    subscription.regroup()
    world.fire("my/last")
    got = read(client)[1:]
    assert 0 < len(got) < 10
    assert got[-1]["tag"] == "my/last"


def test_a_replay_waits_for_a_slow_client() -> None:
    """A history larger than the outbox is replayed in steps; new events follow, and none is sent twice."""
    world, client = World(), Client(max_frames=10)
    noise(world, 100)
    client.socket.stuck = True
    client.connection.send({"reply": 1})
    follow(world, client, since=0)
    got: list[dict[str, Any]] = []
    for _ in range(40):
        assert client.closed_with == []
        noise(world, 1)
        got += read(client)[:]
        client.socket.stuck = True
    got += read(client)
    noise(world, 1)
    got += read(client)
    assert seqs(got[1:]) == list(range(1, 142))


def test_a_stopped_replay_does_not_continue() -> None:
    """And does not join the live group."""
    world, client = World(), Client(max_frames=4)
    noise(world, 50)
    client.socket.stuck = True
    client.connection.send({"reply": 1})
    subscription = follow(world, client, since=0)
    client.connection.remove(subscription.number)
    waiting = len(read(client))
    noise(world, 5)
    assert waiting < 10
    assert read(client) == []


def test_dropped_events_are_reported_as_a_gap() -> None:
    """With the missing range and the oldest available number; then the rest follows."""
    world, client = World(events=3), Client()
    noise(world, 10)
    follow(world, client, since=2)
    got = client.got
    assert got[0] == {
        "type": "gap",
        "subscription": 1,
        "reason": "history",
        "count": 5,
        "from": 3,
        "to": 7,
        "oldest": 8,
    }
    assert seqs(got) == [8, 9, 10]


def test_events_dropped_during_a_replay_are_a_gap() -> None:
    """The client reads more slowly than the history moves."""
    world, client = World(events=20), Client(max_frames=4)
    noise(world, 20)
    client.socket.stuck = True
    client.connection.send({"reply": 1})
    follow(world, client, since=0)
    noise(world, 100)
    got = read(client)[1:]
    gap = next(message for message in got if message["type"] == "gap")
    before = [number for number in seqs(got) if number < gap["from"]]
    after = [number for number in seqs(got) if number > gap["to"]]
    assert before + list(range(gap["from"], gap["to"] + 1)) + after == list(range(1, 121))
    assert (gap["reason"], gap["to"], gap["count"]) == ("history", 100, 100 - before[-1])


def test_an_empty_history_is_a_gap_up_to_the_newest_number() -> None:
    """All events were dropped."""
    world, client = World(), Client()
    noise(world, 5)
    world.history.drop_old(world.time.now + 10_000)
    follow(world, client, since=2)
    noise(world, 1)
    gap, event = client.got
    assert (gap["reason"], gap["from"], gap["to"], gap["oldest"], event["seq"]) == ("history", 3, 5, 6, 6)


def test_a_lost_bus_is_reported_in_its_place() -> None:
    """At once to followers, and at its position in a replay; the number of missing events is unknown."""
    world, client, later = World(), Client(), Client()
    follow(world, client)
    noise(world, 1)
    world.hub.append_gap()
    noise(world, 1)
    follow(world, later, since=0)
    for got in (client.got, later.got):
        assert [(message["type"], message.get("seq"), message.get("from")) for message in got] == [
            ("event", 1, None),
            ("gap", None, 2),
            ("event", 3, None),
        ]
        assert (got[1]["reason"], got[1]["count"], got[1]["to"]) == ("bus", None, 2)


# Bundles


def test_the_first_bundle_is_sent_at_once() -> None:
    """A single event does not wait."""
    world, client = World(), Client()
    follow(world, client, bundle=True)
    noise(world, 1)
    world.time.pass_(0)
    assert kinds(got := client.got) == ["events"]
    assert seqs(got) == [1]


def test_under_load_a_bundle_is_sent_every_20_ms() -> None:
    """Events within 20 ms share a frame."""
    world, client = World(), Client()
    follow(world, client, bundle=True)
    sizes = []
    for _ in range(100):
        noise(world, 1)
        world.time.pass_(0.001)
    world.time.pass_(0.02)
    got = client.got
    sizes = [len(message["events"]) for message in got]
    assert seqs(got) == list(range(1, 101))
    assert sizes[0] == 1
    assert len(got) == 6
    assert max(sizes) <= 21


def test_a_bundle_has_at_most_256_events() -> None:
    """A burst does not make a huge frame."""
    world, client = World(), Client()
    follow(world, client, bundle=True)
    noise(world, 600)
    world.time.pass_(0)
    assert [len(message["events"]) for message in client.got] == [256, 256, 88]


def test_a_bundle_has_at_most_256_kib() -> None:
    """A single event may be larger."""
    world, client = World(), Client(max_bytes=1 << 24)
    follow(world, client, bundle=True)
    noise(world, 7, text="x" * 100_000)
    noise(world, 1, text="x" * 400_000)
    world.time.pass_(0)
    assert [len(message["events"]) for message in client.got] == [2, 2, 2, 1, 1]


def test_a_new_member_gets_no_earlier_events() -> None:
    """Pending events are sent to the earlier members."""
    world, early, late = World(), Client(), Client()
    follow(world, early, bundle=True)
    noise(world, 1)
    follow(world, late, bundle=True)
    noise(world, 1)
    world.time.pass_(1)
    assert (seqs(early.got), seqs(late.got)) == ([1, 2], [2])


def test_a_leaving_member_gets_pending_events() -> None:
    """A change of permissions loses no event."""
    world, client = World(), Client()
    session = world.session(ALL)
    subscription = follow(world, client, session, bundle=True)
    noise(world, 2)
    session.viewer = world.session("@events").viewer
    subscription.regroup()
    noise(world, 1)
    world.time.pass_(1)
    assert seqs(client.got) == [1, 2, 3]


def test_a_gap_comes_after_the_bundle_before_it() -> None:
    """A lost bus does not overtake pending events."""
    world, client = World(), Client()
    follow(world, client, bundle=True)
    noise(world, 2)
    world.hub.append_gap()
    noise(world, 1)
    world.time.pass_(1)
    assert kinds(got := client.got) == ["events", "gap", "events"]
    assert seqs(got) == [1, 2, 4]


# Slow clients


def test_a_slow_client_is_closed_and_delays_no_other() -> None:
    """Over the limit its connection ends with 4410; the others have received everything by then."""
    world, slow, quick = World(), Client(max_frames=5), Client()
    follow(world, slow)
    follow(world, quick)
    slow.socket.stuck = True
    slow.outbox.put(b"x")
    noise(world, 20)
    world.time.pass_(FLUSH_SECONDS)
    assert [code for code, _ in slow.closed_with] == [4410]
    assert seqs(quick.got) == list(range(1, 21))


@pytest.mark.parametrize("bundle", [False, True])
def test_overflow_drop_drops_the_oldest_events_and_reports_them(bundle: bool) -> None:
    """Every event is either sent or counted in a gap, in its place."""
    world, client = World(), Client(max_frames=8)
    follow(world, client, overflow="drop", bundle=bundle)
    client.socket.stuck = True
    client.connection.send({"reply": 1})
    client.connection.send({"reply": 2})
    for _ in range(50):
        noise(world, 1)
        world.time.pass_(1)
    got = read(client)
    assert client.closed_with == []
    messages = [message for message in got if "reply" not in message]
    gap = messages[0]
    assert (gap["type"], gap["reason"], gap["from"]) == ("gap", "overflow", 1)
    assert gap["count"] == gap["to"]
    assert seqs(messages) == list(range(gap["to"] + 1, 51))
    assert len([message for message in got if "reply" in message]) == 2


def test_overflow_drop_applies_to_its_subscription_only() -> None:
    """Another subscription of the connection that may not lose events ends the connection."""
    world, client = World(), Client(max_frames=8)
    follow(world, client, overflow="drop")
    follow(world, client)
    client.socket.stuck = True
    client.connection.send({"reply": 1})
    noise(world, 20)
    world.time.pass_(FLUSH_SECONDS)
    assert [code for code, _ in client.closed_with] == [4410]


# Bookmarks


def test_a_quiet_subscription_gets_bookmarks() -> None:
    """So it need not replay events that do not concern it."""
    world, quiet, busy = World(), Client(), Client()
    follow(world, quiet, tag="never/")
    follow(world, busy, tag="my/")
    noise(world, 3)
    world.hub.bookmark()
    assert quiet.got == [{"type": "bookmark", "subscription": 1, "epoch": "epoch1", "seq": 3}]
    assert kinds(busy.got) == ["event"]
    world.hub.bookmark()
    assert kinds(busy.got) == ["bookmark"]


def test_resuming_from_a_bookmark_loses_nothing() -> None:
    """Later events are replayed, and no earlier one."""
    world, client, again = World(), Client(), Client()
    follow(world, client, tag="my/")
    noise(world, 3, "your/noise")
    world.hub.bookmark()
    mark = client.got[0]["seq"]
    noise(world, 2)
    follow(world, again, tag="my/", since=mark)
    assert seqs(again.got) == [4, 5]


def test_events_of_a_job_are_visible_by_the_announced_function() -> None:
    """The registry applies an event before it is sent, so the first return is decided by ``new``."""
    world, client = World(), Client()
    world.targets.sets["web*"] = {"web1"}
    follow(world, client, world.session({"web*": ["test.*"]}))
    world.publish("web1", fun="cmd.run")
    world.answer("web1", fun="test.ping")
    assert client.got == []
    assert world.jobs.get(JID) is not None


def test_a_replay_of_hidden_events_takes_turns() -> None:
    """The outbox does not pause it, so the clock does; no new event is lost or sent twice."""
    world, client = World(), Client()
    for number in range(20):
        world.fire("my/x", n=number)
    session = world.session("@events")
    ticks(world, TURN_SECONDS / 4)
    subscription = EventSubscription(world.hub, client.connection, 1, session, filter_of({}))
    subscription.start(0)
    first = [frame["data"]["n"] for frame in client.got]
    assert 0 < len(first) < 20
    world.fire("my/x", n=20)
    world.time.pass_(1)
    assert first + [frame["data"]["n"] for frame in client.got] == list(range(21))


def test_events_wait_longest_on_the_bus_while_nobody_subscribes_to_them() -> None:
    """A single client that gets each event by itself has all of them read soon; the last one to leave ends that."""
    world = World()
    assert world.hub.max_delay(1) == IDLE_SECONDS
    bundled = follow(world, Client(), bundle=True)
    assert world.hub.max_delay(1) == BUNDLED_SECONDS
    first, second = follow(world, Client()), follow(world, Client())
    other = follow(world, Client(), tag="my/")
    assert world.hub.max_delay(1) == SINGLE_SECONDS
    for one in (first, other):
        one.stop()
    assert world.hub.max_delay(1) == SINGLE_SECONDS
    second.regroup()
    assert world.hub.max_delay(1) == SINGLE_SECONDS
    second.stop()
    assert world.hub.max_delay(1) == BUNDLED_SECONDS
    bundled.stop()
    assert world.hub.max_delay(1) == IDLE_SECONDS


def test_few_events_wait_longer_on_the_bus_while_there_are_no_clients() -> None:
    """Many would not fit in the kernel's buffer. A subscription, or a request that waits for an event, ends that."""
    world = World()
    delays = [world.hub.max_delay(events, alone=True) for events in (0, ALONE_EVENTS, ALONE_EVENTS + 1)]
    assert delays == [ALONE_SECONDS, ALONE_SECONDS, IDLE_SECONDS]
    follow(world, Client())
    assert world.hub.max_delay(1, alone=True) == SINGLE_SECONDS
