"""Subscriptions to jobs and minions: a snapshot, ``live``, then changes."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.access.session import Session
from websocket_api.core.access.turns import TURN_SECONDS
from websocket_api.core.jobs.job import Job
from websocket_api.core.jobs.job_object import job_object
from websocket_api.core.subscriptions import job_chunks
from websocket_api.core.subscriptions.job_subscription import JobSubscription
from websocket_api.core.subscriptions.minion_subscription import MinionSubscription

from tests.unit.core.support import JID, Client, World, ticks


def delete_key(world: World, name: str) -> None:
    """Read the key store after a key was deleted."""
    world.minions.read_keys(
        {minion.id: minion.key or "" for minion in world.minions.all().values() if minion.id != name}
    )


def follow_job(
    world: World, client: Client, session: Session | None = None, jids: tuple[str, ...] = (JID,), **more: Any
) -> JobSubscription:
    connection = client.connection
    jobs = [world.jobs.get(jid) or Job(jid) for jid in jids]
    session = session or world.session(".*")
    subscription = JobSubscription(world.job_feed, connection, connection.next_number(), session, jobs, **more)
    connection.add(subscription)
    subscription.start()
    return subscription


def follow_minions(
    world: World, client: Client, session: Session | None = None, only: tuple[str, ...] = (), **more: Any
) -> MinionSubscription:
    connection = client.connection
    session = session or world.session(".*", "@wheel")
    subscription = MinionSubscription(world.minion_feed, connection, connection.next_number(), session, only, **more)
    connection.add(subscription)
    subscription.start()
    return subscription


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


def keys(world: World, *minions: str) -> None:
    world.minions.read_keys(dict.fromkeys(minions, "accepted"))


def received(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a client knows of the minions after these frames."""
    known: dict[str, Any] = {}
    for message in messages:
        known.update(message.get("minions", {}))
    return known


def reader(client: Client) -> list[dict[str, Any]]:
    client.socket.stuck = False
    client.outbox.pump()
    return client.got


# Jobs


def test_a_subscription_to_a_job_starts_with_a_snapshot_and_live() -> None:
    """The whole job as it is now, then ``live``."""
    world, client = World(), Client()
    world.publish("a", "b")
    world.answer("a", 17)
    follow_job(world, client)
    job, live = client.got
    assert (job["type"], job["jid"], job["seq"], live["type"], live["seq"]) == ("job", JID, 2, "live", 2)
    assert {name: part["state"] for name, part in job["minions"].items()} == {"a": "returned", "b": "pending"}
    assert (job["job"]["total"], job["job"]["done"], "minions" in job["job"]) == (2, 1, False)


def test_a_large_snapshot_is_sent_in_chunks() -> None:
    """At most 500 minions a frame, and none is left out."""
    world, client = World(), Client()
    world.publish(*[f"m{number}" for number in range(1200)])
    follow_job(world, client)
    got = client.got
    assert [len(message.get("minions", ())) for message in got] == [500, 500, 200, 0]
    assert len(received(got)) == 1200


def test_a_snapshot_larger_than_the_outbox_waits_for_the_client() -> None:
    """It arrives however slowly it is read, and includes changes made meanwhile."""
    world, client = World(), Client(max_frames=4)
    world.publish(*[f"m{number}" for number in range(6000)])
    client.socket.stuck = True
    client.connection.send({"type": "reply"})
    follow_job(world, client)
    world.answer("m0")
    world.answer("m5999")
    world.time.pass_(1)
    got = reader(client)
    world.time.pass_(1)
    got += reader(client)
    assert client.closed_with == []
    states = {name: part["state"] for name, part in received(got).items()}
    assert (len(states), states["m0"], states["m5999"]) == (6000, "returned", "returned")
    assert kinds(got).count("live") == 1


def test_a_change_has_the_changed_parts_only() -> None:
    """With the job's counts."""
    world, client = World(), Client()
    world.publish("a", "b")
    follow_job(world, client)
    client.got  # noqa: B018 - forget the snapshot
    world.answer("a", 17)
    world.time.pass_(0)
    (change,) = client.got
    assert (set(change["minions"]), change["minions"]["a"]["return"], change["job"]["done"]) == ({"a"}, 17, 1)


def test_changes_are_sent_at_most_ten_times_a_second() -> None:
    """Returns share a frame, and the last state is always sent."""
    world, client = World(), Client()
    minions = [f"m{number}" for number in range(1000)]
    world.publish(*minions)
    follow_job(world, client)
    got = client.got
    for minion in minions:
        world.answer(minion)
        world.time.pass_(0.001)
    world.time.pass_(1)
    changes = client.got
    assert 10 <= len(changes) <= 12
    assert changes[-1]["job"]["state"] == "complete"
    assert {part["state"] for part in received([*got, *changes]).values()} == {"returned"}


def test_each_job_has_its_own_pace() -> None:
    """One busy job does not delay another."""
    world, client = World(), Client()
    other = "20261123120000000009"
    world.publish("a")
    world.fire(f"salt/job/{other}/new", fun="test.ping", arg=[], minions=["a"])
    follow_job(world, client, jids=(JID, other))
    assert kinds(client.got) == ["job", "job", "live"]
    world.answer("a")
    done = {"cmd": "_return", "id": "a", "fun": "test.ping", "return": True, "retcode": 0}
    world.fire(f"salt/job/{other}/ret/a", **done, jid=other)
    world.time.pass_(0)
    assert sorted(message["jid"] for message in client.got) == [JID, other]


def test_a_viewer_of_some_minions_gets_a_reduced_job() -> None:
    """Minions, counts and target, in the snapshot and in changes."""
    world, client = World(), Client()
    world.targets.sets["web*"] = {"web1"}
    world.publish("web1", "db", arg=("x",))
    follow_job(world, client, world.session({"web*": ["test.*"]}))
    job = client.got[0]
    assert (set(job["minions"]), job["job"]["total"]) == ({"web1"}, 1)
    assert (job["job"]["tgt"], job["job"]["arg"]) == (None, None)
    world.answer("db")
    world.answer("web1")
    world.time.pass_(1)
    assert all(set(message["minions"]) <= {"web1"} for message in client.got)


@pytest.mark.parametrize("changes", [False, True])
def test_the_minions_of_a_reduced_job_are_counted_for_a_chunk_after_a_change(
    changes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for each chunk, because that takes as long as all of the chunk. Each has the counts at its time."""
    counted: list[Job] = []

    def count(job: Job, *more: Any, **named: Any) -> dict[str, Any]:
        counted.append(job)
        return job_object(job, *more, **named)

    monkeypatch.setattr(job_chunks, "job_object", count)
    world, client = World(), Client(max_frames=4)
    names = [f"m{number}" for number in range(2000)]
    world.targets.sets["m*"] = set(names)
    world.publish("db", *names)
    client.socket.stuck = True
    client.connection.send({"type": "reply"})
    follow_job(world, client, world.session({"m*": ["test.*"]}))
    assert len(counted) == 1
    if changes:
        world.answer("m0")
    got = [frame for frame in reader(client) if frame["type"] == "job"]
    # Three chunks were made before the change: one was sent, one waits, and one has no room.
    assert [frame["job"]["done"] for frame in got[:4]] == [0, 0, 0, int(changes)]
    assert len(counted) == (2 if changes else 1)


def test_only_requested_minions_of_a_job_are_sent() -> None:
    """A subscription may name some minions."""
    world, client = World(), Client()
    world.publish("a", "b")
    follow_job(world, client, only=("a",))
    assert set(client.got[0]["minions"]) == {"a"}


def test_without_return_sends_states_without_values() -> None:
    """For clients that show progress only."""
    world, client = World(), Client()
    world.publish("a")
    follow_job(world, client, without_return=True)
    world.answer("a", "big")
    world.time.pass_(0)
    assert all("return" not in part for message in client.got for part in message.get("minions", {}).values())


def test_without_return_leaves_out_the_return_of_a_runner() -> None:
    """It is in the job object itself."""
    world, client = World(), Client()
    world.fire(f"salt/run/{JID}/new", fun="runner.manage.up", user="ann", jid=JID)
    follow_job(world, client, without_return=True)
    world.fire(f"salt/run/{JID}/ret", fun="runner.manage.up", user="ann", success=True, jid=JID, **{"return": "big"})
    world.time.pass_(0)
    got = client.got
    assert got[-1]["job"]["state"] == "complete"
    assert all("return" not in message.get("job", {}) for message in got)


def test_a_runner_that_ends_while_its_snapshot_is_sent_is_complete() -> None:
    """It has no parts that could change: the job object is sent again."""
    world, client = World(), Client(max_frames=4)
    world.fire(f"salt/run/{JID}/new", fun="runner.manage.up", user="ann", jid=JID)
    client.socket.stuck = True
    for _ in range(2):
        client.connection.send({"type": "reply"})
    follow_job(world, client)
    world.fire(f"salt/run/{JID}/ret", fun="runner.manage.up", user="ann", success=True, jid=JID, **{"return": "big"})
    world.time.pass_(1)
    got = reader(client)
    world.time.pass_(1)
    states = [message["job"]["state"] for message in [*got, *reader(client)] if message["type"] == "job"]
    assert states == ["running", "complete"]


def test_equal_views_of_a_job_share_the_bytes() -> None:
    """A chunk is encoded once for all equal viewers."""
    world, clients = World(), [Client(), Client()]
    world.publish("a")
    for client in clients:
        follow_job(world, client)
        client.got  # noqa: B018 - forget the snapshot
    world.answer("a")
    world.time.pass_(0)
    assert clients[0].socket.written[0] is clients[1].socket.written[0]


def test_changed_permissions_send_a_new_snapshot_of_the_job() -> None:
    """Complete, as it is visible now."""
    world, client = World(), Client()
    world.targets.sets["web*"] = {"web1"}
    world.publish("web1", "db")
    session = world.session({"web*": ["test.*"]})
    subscription = follow_job(world, client, session)
    client.got  # noqa: B018 - forget the snapshot
    session.viewer = world.session("test.*").viewer
    subscription.regroup()
    assert set(client.got[0]["minions"]) == {"web1", "db"}


def test_a_job_that_becomes_hidden_ends_the_subscription() -> None:
    """The client gets the reason."""
    world, client = World(), Client()
    world.publish("a")
    session = world.session("test.*")
    subscription = follow_job(world, client, session)
    client.got  # noqa: B018 - forget the snapshot
    session.viewer = world.session("cmd.run").viewer
    subscription.regroup()
    (ended,) = client.got
    assert (ended["type"], ended["subscription"], ended["error"]["code"]) == ("ended", 1, "forbidden")
    assert client.connection.subscriptions == {}
    assert session.held == 0
    world.answer("a")
    world.time.pass_(1)
    assert client.got == []


def test_nothing_is_sent_or_kept_after_unsubscribe_from_a_job() -> None:
    """A job without followers costs nothing."""
    world, client = World(), Client()
    world.publish("a")
    subscription = follow_job(world, client)
    assert world.job_feed.followed_jobs() == [JID]
    client.connection.remove(subscription.number)
    client.got  # noqa: B018 - forget the snapshot
    world.answer("a")
    world.time.pass_(1)
    assert (client.got, world.job_feed.followed_jobs()) == ([], [])


# The fleet


def test_a_subscription_to_minions_starts_with_a_snapshot_and_live() -> None:
    """All visible minions, then ``live``."""
    world, client = World(), Client()
    keys(world, "a", "b")
    follow_minions(world, client)
    minions, live = client.got
    assert set(minions["minions"]) == {"a", "b"}
    assert minions["minions"]["a"] == {"id": "a", "key": "accepted", "connected": None, "seen": None, "grains": None}
    assert live["type"] == "live"


def test_many_minions_are_sent_in_chunks() -> None:
    """At most 500 minions a frame."""
    world, client = World(), Client()
    keys(world, *[f"m{number}" for number in range(1200)])
    follow_minions(world, client)
    assert [len(message.get("minions", ())) for message in client.got] == [500, 500, 200, 0]


def test_changes_of_many_minions_are_sent_in_chunks() -> None:
    """One frame with the grains of thousands would block its reader."""
    world, client = World(), Client()
    names = [f"m{number}" for number in range(1200)]
    keys(world, *names)
    follow_minions(world, client)
    client.got  # noqa: B018 - forget the snapshot
    world.fire("salt/presence/present", present=names)
    world.time.pass_(1)
    got = client.got
    assert [len(message["minions"]) for message in got] == [500, 500, 200]
    assert set(received(got)) == set(names)


def test_a_snapshot_of_minions_larger_than_the_outbox_waits() -> None:
    """It never ends a connection by itself; changes made meanwhile are included, or follow."""
    world, client = World(), Client(max_frames=4)
    names = [f"m{number:04}" for number in range(6000)]
    keys(world, *names)
    client.socket.stuck = True
    client.connection.send({"type": "reply"})
    follow_minions(world, client)
    world.fire("salt/presence/present", present=["m0000", "m5999"])
    delete_key(world, "m5998")
    delete_key(world, "m0001")
    world.time.pass_(1)
    got = reader(client)
    world.time.pass_(1)
    got += reader(client)
    known = {name: view for name, view in received(got).items() if view is not None}
    assert client.closed_with == []
    assert set(known) == set(names) - {"m5998", "m0001"}
    assert [known[name]["connected"] for name in ("m0000", "m5999", "m0002")] == [True, True, None]
    assert kinds(got).count("live") == 1


def test_changes_of_minions_are_sent_together() -> None:
    """Ten times a second at most, always the last state, a removed minion as null."""
    world, client = World(), Client()
    keys(world, "a", "b")
    follow_minions(world, client)
    client.got  # noqa: B018 - forget the snapshot
    world.fire("salt/presence/present", present=["a"])
    world.time.pass_(0)
    assert received(client.got)["a"]["connected"] is True
    for _ in range(50):
        world.fire("salt/presence/change", lost=["a"])
        world.fire("salt/presence/change", new=["a"])
        world.time.pass_(0.01)
    delete_key(world, "b")
    world.time.pass_(1)
    got = client.got
    assert len(got) <= 7
    assert (received(got)["a"]["connected"], received(got)["b"]) == (True, None)


def test_a_hidden_minion_is_never_named() -> None:
    """Not in the snapshot, not when it changes, not when it is removed."""
    world, client = World(), Client()
    world.targets.sets["web*"] = {"web1"}
    keys(world, "web1", "db")
    follow_minions(world, client, world.session({"web*": ["test.*"]}))
    world.fire("salt/presence/present", present=["web1", "db"])
    delete_key(world, "db")
    world.time.pass_(1)
    assert set(received(client.got)) == {"web1"}


def test_a_removal_is_sent_only_to_clients_that_know_the_minion() -> None:
    """A minion that came and left between two frames is not mentioned."""
    world, client = World(), Client()
    keys(world, "a")
    follow_minions(world, client)
    world.time.pass_(1)
    client.got  # noqa: B018 - forget the snapshot
    world.fire("salt/key", id="new", act="accept")
    delete_key(world, "new")
    world.time.pass_(1)
    assert client.got == []


def test_a_removal_is_sent_once() -> None:
    """Nothing more about that minion follows."""
    world, client = World(), Client()
    keys(world, "a", "b")
    subscription = follow_minions(world, client)
    delete_key(world, "b")
    world.time.pass_(1)
    client.got  # noqa: B018 - forget what was
    subscription.regroup()
    assert set(received(client.got)) == {"a"}


@pytest.mark.parametrize(
    ("auth", "key", "grains"),
    [
        (("test.ping",), None, None),
        (("test.ping", "grains.items"), None, {"os": "Debian"}),
        (("test.ping", "@wheel"), "accepted", None),
        ((".*",), None, {"os": "Debian"}),
        (("@wheel",), "accepted", None),
    ],
)
def test_keys_and_grains_need_their_own_permission(
    auth: tuple[str, ...], key: str | None, grains: dict[str, str] | None
) -> None:
    """``test.ping`` shows a minion; its key needs ``key.list_all``, its grains ``grains.items``."""
    world, client = World(), Client()
    keys(world, "a")
    world.minions.read_grains({"a": {"os": "Debian"}})
    follow_minions(world, client, world.session(*auth))
    seen = client.got[0]["minions"]["a"]
    assert (seen["key"], seen["grains"]) == (key, grains)


@pytest.mark.parametrize(
    ("wanted", "auth", "grains"),
    [
        (True, ".*", {"os": "Debian", "role": "web"}),
        (False, ".*", None),
        (("role", "rack"), ".*", {"role": "web"}),
        ((), ".*", {}),
        (("role",), "test.ping", None),
    ],
)
def test_only_requested_and_visible_grains_are_sent(
    wanted: bool | tuple[str, ...], auth: str, grains: dict[str, str] | None
) -> None:
    """In the snapshot and in changes, beside a client that gets all grains."""
    world, client, other = World(), Client(), Client()
    keys(world, "a")
    world.minions.read_grains({"a": {"os": "Debian", "role": "web"}})
    session = world.session(auth)
    follow_minions(world, other, session)
    follow_minions(world, client, session, grains=wanted)
    assert client.got[0]["minions"]["a"]["grains"] == grains
    world.fire("salt/presence/present", present=["a"])
    world.time.pass_(1)
    assert received(client.got)["a"]["grains"] == grains
    assert received(other.got)["a"]["grains"] == (None if auth == "test.ping" else {"os": "Debian", "role": "web"})


def test_only_requested_minions_are_sent() -> None:
    """A page about one minion need not get all."""
    world, client = World(), Client()
    keys(world, "a", "b")
    follow_minions(world, client, only=("b",))
    world.fire("salt/presence/present", present=["a", "b"])
    world.time.pass_(1)
    assert set(received(client.got)) == {"b"}


def test_changed_permissions_send_a_new_snapshot_of_minions() -> None:
    """Hidden minions are removed, visible ones are added."""
    world, client = World(), Client()
    world.targets.sets |= {"web*": {"web1", "both"}, "db*": {"db", "both"}}
    keys(world, "web1", "db", "both")
    session = world.session({"web*": ["test.*"]})
    subscription = follow_minions(world, client, session)
    assert set(received(client.got)) == {"web1", "both"}
    session.viewer = world.session({"db*": ["test.*"]}).viewer
    subscription.regroup()
    after = received(client.got)
    assert {name: view is None for name, view in after.items()} == {"web1": True, "db": False, "both": False}


def test_nothing_is_sent_after_unsubscribe_from_minions() -> None:
    """The subscription has ended."""
    world, client = World(), Client()
    keys(world, "a")
    subscription = follow_minions(world, client)
    client.connection.remove(subscription.number)
    client.got  # noqa: B018 - forget the snapshot
    world.fire("salt/presence/present", present=["a"])
    world.time.pass_(1)
    assert client.got == []


def test_visible_lists_requested_known_minions() -> None:
    """Unknown names are left out."""
    world = World()
    keys(world, "a", "b")
    viewer = world.session(".*").viewer
    assert list(world.minion_feed.visible(viewer)) == ["a", "b"]
    assert list(world.minion_feed.visible(viewer, ["b", "stranger"])) == ["b"]


def test_a_snapshot_of_hidden_minions_takes_turns() -> None:
    """Thousands of hidden minions block no other user, and the snapshot ends."""
    world, client = World(), Client()
    world.minions.read_keys({f"m{number}": "accepted" for number in range(5000)})
    ticks(world, TURN_SECONDS / 3)
    MinionSubscription(world.minion_feed, client.connection, 1, world.session("sys.doc")).start()
    assert (client.got, len(world.turns)) == ([], 1)
    while len(world.turns):
        world.time.pass_(TURN_SECONDS)
    assert [message["type"] for message in client.got] == ["live"]
