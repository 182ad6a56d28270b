"""A subscription to all jobs: a snapshot, ``live``, then changes. The cost does not depend on the number of jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websocket_api.core.access.session import Session
from websocket_api.core.access.turns import TURN_SECONDS
from websocket_api.core.jobs.job import Job
from websocket_api.core.jobs.part import Part
from websocket_api.core.subscriptions.job_chunks import MAX_CHUNK_JOBS
from websocket_api.core.subscriptions.job_subscription import JobSubscription
from websocket_api.core.subscriptions.jobs import MAX_WATCHED
from websocket_api.core.subscriptions.minion_subscription import MinionSubscription

from tests.unit.core.support import Client, World, ticks


def jid(number: int) -> str:
    return f"20261123120000{number:06}"


def publish(world: World, number: int, *minions: str, fun: str = "test.ping", user: str = "root") -> str:
    """Put a job on the bus."""
    new = {"tgt": "*", "tgt_type": "glob", "missing": [], "jid": jid(number), "arg": [], "user": user}
    world.fire(f"salt/job/{jid(number)}/new", fun=fun, minions=list(minions), **new)
    return jid(number)


def answer(world: World, number: int, minion: str, value: Any = True) -> None:
    """Put a minion's return on the bus."""
    data = {"cmd": "_return", "id": minion, "jid": jid(number), "fun": "test.ping", "return": value, "retcode": 0}
    world.fire(f"salt/job/{jid(number)}/ret/{minion}", success=True, **data)


def follow(world: World, client: Client, session: Session | None = None, **more: Any) -> JobSubscription:
    connection = client.connection
    session = session or world.session(".*")
    subscription = JobSubscription(world.job_feed, connection, connection.next_number(), session, None, **more)
    connection.add(subscription)
    subscription.start()
    return subscription


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of the jobs in these frames."""
    return [int(message["jid"][-6:]) for message in messages if message["type"] == "job"]


def test_the_snapshot_has_all_jobs_newest_first() -> None:
    """Each one complete, then ``live``; Salt's internal jobs are left out."""
    world, client = World(), Client()
    for number in (1, 2, 3):
        publish(world, number, "a", "b")
    publish(world, 4, "a", fun="saltutil.find_job")
    answer(world, 2, "a", 17)
    follow(world, client)
    *jobs, live = client.got
    assert (numbers(jobs), live["type"]) == ([3, 2, 1], "live")
    assert {name: part["state"] for name, part in jobs[1]["minions"].items()} == {"a": "returned", "b": "pending"}


def test_new_jobs_and_changes_follow() -> None:
    """A new job is sent whole, a changed one with its changed parts."""
    world, client = World(), Client()
    publish(world, 1, "a", "b")
    follow(world, client)
    client.got  # noqa: B018 - forget the snapshot
    publish(world, 2, "a", "b")
    world.time.pass_(1)
    answer(world, 1, "b")
    world.time.pass_(1)
    new, changed = client.got
    assert (new["jid"], set(new["minions"]), new["job"]["state"]) == (jid(2), {"a", "b"}, "running")
    assert (changed["jid"], set(changed["minions"]), changed["job"]["done"]) == (jid(1), {"b"}, 1)


def test_the_size_of_a_change_does_not_depend_on_the_number_of_jobs() -> None:
    """One return needs as many bytes with a thousand jobs as with one."""
    sizes = []
    for jobs in (1, 1000):
        world, client = World(events=5000), Client()
        world.jobs._retention._max_jobs = 2000
        for number in range(1, jobs + 1):
            publish(world, number, "a", "b")
        follow(world, client)
        world.time.pass_(1)
        client.socket.written.clear()
        answer(world, 1, "a")
        world.time.pass_(1)
        (change,) = client.got
        sizes.append(len(json.dumps({**change, "seq": 0})))
    assert sizes[0] == sizes[1]


def test_changes_are_sent_at_most_ten_times_a_second() -> None:
    """Returns of a job share a frame, and its last state is always sent."""
    world, client = World(), Client()
    minions = [f"m{number}" for number in range(500)]
    for number in (1, 2):
        publish(world, number, *minions)
    follow(world, client)
    client.got  # noqa: B018
    for minion in minions:
        answer(world, 1, minion)
        answer(world, 2, minion)
        world.time.pass_(0.002)
    world.time.pass_(1)
    got = client.got
    for number in (1, 2):
        changes = [message for message in got if message["jid"] == jid(number)]
        assert 10 <= len(changes) <= 12
        assert changes[-1]["job"]["state"] == "complete"


def test_equal_viewers_share_the_bytes() -> None:
    """A change is encoded once for all of them."""
    world, clients = World(), [Client() for _ in range(3)]
    world.targets.sets["a"] = {"a"}
    for client in clients:
        follow(world, client)
    follow(world, other := Client(), world.session({"a": ["test.ping"]}, user="bob"))
    publish(world, 1, "a", "b")
    world.time.pass_(1)
    written = [client.socket.written[-1] for client in clients]
    assert written[0] is written[1] is written[2]
    assert set(other.got[-1]["minions"]) == {"a"}


def test_only_visible_parts_of_jobs_are_sent() -> None:
    """Other users' jobs are reduced to visible minions, or left out."""
    world, client = World(), Client()
    world.targets.sets["a"] = {"a"}
    publish(world, 1, "a", "b")
    publish(world, 2, "a", fun="cmd.run")
    follow(world, client, world.session({"a": ["test.ping"]}, user="bob"))
    publish(world, 3, "b")
    answer(world, 2, "a", "secret")
    answer(world, 1, "b", "secret")
    world.time.pass_(1)
    got = client.got
    assert numbers(got) == [1, 1]
    assert all(set(message["minions"]) <= {"a"} and message["job"]["tgt"] is None for message in got[:1])
    assert "secret" not in str(got)


def test_a_job_is_sent_once_it_is_announced() -> None:
    """A return may arrive before the announcement."""
    world, client = World(), Client()
    follow(world, client)
    answer(world, 1, "a")
    world.time.pass_(1)
    assert numbers(client.got) == []
    publish(world, 1, "a", "b")
    world.time.pass_(1)
    (job,) = client.got
    assert {name: part["state"] for name, part in job["minions"].items()} == {"a": "returned", "b": "pending"}


def test_runners_are_sent_too() -> None:
    """At their start and end; they have no minions."""
    world, client = World(), Client()
    follow(world, client, world.session(".*", "@runner"))
    client.got  # noqa: B018
    for action in ("new", "ret"):
        world.fire(f"salt/run/{jid(1)}/{action}", fun="runner.manage.up", user="ann", **{"return": ["a"]})
        world.time.pass_(1)
    assert [message["job"]["state"] for message in client.got] == ["running", "complete"]


def test_jobs_from_the_job_cache_are_sent() -> None:
    """The snapshot has all jobs in memory: after a restart the cache fills it."""
    world, client = World(), Client()
    follow(world, client)
    client.got  # noqa: B018
    world.jobs.add_cached(Job(jid(1), fun="test.ping", arg=[], parts={"a": Part("returned")}))
    world.time.pass_(1)
    assert numbers(client.got) == [1]


def test_changes_during_the_snapshot_follow_it() -> None:
    """However slowly a client reads, nothing is lost or sent out of order."""
    world, client = World(), Client(max_frames=8)
    world.jobs._retention._max_jobs = 2000
    for number in range(1, 1001):
        publish(world, number, "a")
    client.socket.stuck = True
    client.connection.send({"type": "reply"})
    follow(world, client)
    answer(world, 1, "a")
    publish(world, 1001, "a")
    world.fire(f"salt/run/{jid(5000)}/new", fun="runner.manage.up", user="ann")
    world.time.pass_(1)
    client.socket.stuck = False
    client.outbox.pump()
    world.time.pass_(1)
    got = client.got[1:]
    assert client.closed_with == []
    live = [message["type"] for message in got].index("live")
    states = {message["jid"]: message["job"]["state"] for message in got if message["type"] == "job"}
    assert numbers(got[:live]) == list(range(1000, 0, -1))
    assert (states[jid(1)], states[jid(1001)], states[jid(5000)]) == ("complete", "running", "running")


def test_a_long_snapshot_is_made_in_slices() -> None:
    """One slice in each turn of the loop, however many clients wait for theirs."""
    world, clients = World(), [Client(), Client()]
    world.jobs._retention._max_jobs = 2000
    for number in range(1, 1001):
        publish(world, number, "a")
    ticks(world, TURN_SECONDS / 4)
    for client in clients:
        follow(world, client)
    assert all(len(numbers(client.got)) < 1000 for client in clients)
    world.time.pass_(60)
    for client in clients:
        assert client.got[-1]["type"] == "live"


def test_changed_permissions_send_a_new_snapshot() -> None:
    """The subscription stays open even if nothing is visible."""
    world, client = World(), Client()
    publish(world, 1, "a")
    subscription = follow(world, client, world.session("sys.doc", user="bob"))
    assert numbers(client.got) == []
    subscription.session = world.session("test.*", user="bob")
    subscription.regroup()
    assert numbers(client.got) == [1]


def test_nothing_is_sent_after_unsubscribe() -> None:
    """And nothing is kept for the client."""
    world, client = World(), Client()
    subscription = follow(world, client)
    publish(world, 1, "a")
    client.connection.remove(subscription.number)
    world.time.pass_(1)
    publish(world, 2, "a")
    world.time.pass_(1)
    assert numbers(client.got) == []
    assert (world.job_feed._all_changed, world.job_feed._all_followers) == ({}, {})


def test_a_lost_bus_is_reported() -> None:
    """The snapshot may be out of date."""
    world, client = World(), Client()
    follow(world, client)
    world.job_feed.send_gap(world.hub.append_gap())
    assert [message["type"] for message in client.got] == ["live", "gap"]


def test_returns_are_left_out_on_request() -> None:
    """They are most of the bytes of a snapshot."""
    world, client = World(), Client()
    publish(world, 1, "a", "b")
    answer(world, 1, "a", "long")
    follow(world, client, without_return=True)
    answer(world, 1, "b", "long")
    world.time.pass_(1)
    assert "return" not in str([message.get("minions") for message in client.got]).replace("returned", "")


def test_large_jobs_are_sent_in_chunks() -> None:
    """At most 500 minions, 100 jobs or 256 KiB of returns together: the outbox notices in time that it is full."""
    world = World(events=9000)
    world.jobs._retention._max_jobs = 2000
    for number in range(1, 250):
        publish(world, number, "a")
    publish(world, 300, *[f"m{number}" for number in range(1200)])
    for number in (250, 251, 252):
        publish(world, number, "a")
        answer(world, number, "a", "x" * 200_000)
    subscription = follow(world, Client(max_bytes=1 << 24))
    chunks = list(world.job_feed.snapshot(subscription))
    assert [len(chunk) for chunk in chunks[:4]] == [1, 1, 2, 1]
    assert all(sum(len(message["minions"]) for message in chunk) <= 500 for chunk in chunks)
    assert max(len(chunk) for chunk in chunks) == MAX_CHUNK_JOBS
    assert sum(len(chunk) for chunk in chunks) == 252 + 3


def test_only_the_newest_unfinished_jobs_are_watched() -> None:
    """While a client follows: a question for each of thousands of jobs would cost the master too much."""
    world, client = World(), Client()
    for number in range(1, 60):
        publish(world, number, "a")
    answer(world, 59, "a")
    assert world.job_feed.followed_jobs() == []
    follow(world, client)
    assert world.job_feed.followed_jobs() == [jid(number) for number in range(58, 58 - MAX_WATCHED, -1)]


def test_connected_leaves_out_other_minions() -> None:
    """Without an accepted key, or disconnected; a minion that leaves is null, and may return."""
    world, client = World(), Client()
    world.minions.read_keys({"a": "accepted", "b": "accepted", "stranger": "pending"})
    world.minions.absent(["b"])
    session = world.session(".*", "@wheel")
    subscription = MinionSubscription(world.minion_feed, client.connection, 1, session, connected=True)
    client.connection.add(subscription)
    subscription.start()
    first, live = client.got
    assert (set(first["minions"]), live["type"]) == ({"a"}, "live")
    for change in ({"lost": ["a"], "new": ["b"]}, {"lost": [], "new": ["a"]}):
        world.fire("salt/presence/change", **change)
        world.time.pass_(1)
    away, back = client.got
    assert (away["minions"]["a"], away["minions"]["b"]["id"], back["minions"]["a"]["id"]) == (None, "b", "a")
    world.minions.read_keys({"a": "accepted", "b": "rejected", "stranger": "pending"})
    world.time.pass_(1)
    assert [message["minions"] for message in client.got] == [{"b": None}]


@pytest.mark.parametrize("one", [False, True])
def test_followers_see_the_end_of_a_job_in_a_full_registry(one: bool) -> None:
    """The end is sent a moment later, so the job must not be dropped before."""
    world, client = World(), Client()
    for number in range(150):
        publish(world, number, "gone")
    if one:
        job = world.jobs.get(jid(149))
        assert job is not None
        session, number = world.session(".*"), client.connection.next_number()
        JobSubscription(world.job_feed, client.connection, number, session, [job]).start()
    else:
        follow(world, client)
    world.time.pass_(1)
    client.got  # noqa: B018 - forget the snapshot
    answer(world, 149, "gone")
    for number in range(200, 240):
        publish(world, number, "a")
        answer(world, number, "a")
    world.time.pass_(1)
    assert [frame["job"]["state"] for frame in client.got if frame["jid"] == jid(149)] == ["complete"]
