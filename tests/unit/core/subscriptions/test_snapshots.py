"""Live pictures of jobs and of the fleet: a snapshot, ``live``, then what changed."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.access.session import Session
from websocket_api.core.access.turns import TURN_SECONDS
from websocket_api.core.jobs.job import Job
from websocket_api.core.subscriptions.jobs import JobSubscription
from websocket_api.core.subscriptions.minions import MinionSubscription

from tests.unit.core.support import JID, Client, World, ticks


def delete_key(world: World, name: str) -> None:
    """Play the reading of the key store after a key was deleted."""
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


def follow_fleet(
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


def told(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """What a client knows of the minions after these frames."""
    known: dict[str, Any] = {}
    for message in messages:
        known.update(message.get("minions", {}))
    return known


def reader(client: Client) -> list[dict[str, Any]]:
    client.socket.stuck = False
    client.outbox.pump()
    return client.got


# Jobs


def test_a_job_begins_with_a_snapshot_and_live() -> None:
    """The whole job as it is now, then ``live``."""
    world, client = World(), Client()
    world.publish("a", "b")
    world.answer("a", 17)
    follow_job(world, client)
    job, live = client.got
    assert (job["type"], job["jid"], job["seq"], live["type"], live["seq"]) == ("job", JID, 2, "live", 2)
    assert {name: part["state"] for name, part in job["minions"].items()} == {"a": "returned", "b": "pending"}
    assert (job["job"]["total"], job["job"]["done"], "minions" in job["job"]) == (2, 1, False)


def test_a_large_snapshot_comes_in_pieces() -> None:
    """At most 500 minions a frame, none left out."""
    world, client = World(), Client()
    world.publish(*[f"m{number}" for number in range(1200)])
    follow_job(world, client)
    got = client.got
    assert [len(message.get("minions", ())) for message in got] == [500, 500, 200, 0]
    assert len(told(got)) == 1200


def test_a_snapshot_larger_than_the_outbox_waits_for_the_client() -> None:
    """However large a picture is and however slowly it is read, it arrives; what changes meanwhile is in it."""
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
    states = {name: part["state"] for name, part in told(got).items()}
    assert (len(states), states["m0"], states["m5999"]) == (6000, "returned", "returned")
    assert kinds(got).count("live") == 1


def test_changes_name_only_those_that_changed() -> None:
    """After ``live`` a frame has the job's counts and the parts that are other than before."""
    world, client = World(), Client()
    world.publish("a", "b")
    follow_job(world, client)
    client.got  # noqa: B018 - forget the snapshot
    world.answer("a", 17)
    world.time.pass_(0)
    (change,) = client.got
    assert (set(change["minions"]), change["minions"]["a"]["return"], change["job"]["done"]) == ({"a"}, 17, 1)


def test_changes_are_told_at_most_ten_times_a_second() -> None:
    """Many returns share a frame, and the last state always comes."""
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
    assert {part["state"] for part in told([*got, *changes]).values()} == {"returned"}


def test_each_job_has_its_own_pace() -> None:
    """One busy job does not hold up another."""
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


def test_a_part_of_a_job_is_all_that_some_see() -> None:
    """Minions, counts and target are cut to what may be seen, in the snapshot and in changes."""
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


def test_only_the_minions_that_were_asked_for() -> None:
    """A subscription may be about some minions of the job."""
    world, client = World(), Client()
    world.publish("a", "b")
    follow_job(world, client, only=("a",))
    assert set(client.got[0]["minions"]) == {"a"}


def test_without_return_leaves_it_out() -> None:
    """States without values, for who shows progress only."""
    world, client = World(), Client()
    world.publish("a")
    follow_job(world, client, without_return=True)
    world.answer("a", "big")
    world.time.pass_(0)
    assert all("return" not in part for message in client.got for part in message.get("minions", {}).values())


def test_without_return_leaves_out_a_runners_too() -> None:
    """A runner's return stands in the job itself."""
    world, client = World(), Client()
    world.fire(f"salt/run/{JID}/new", fun="runner.manage.up", user="ann", jid=JID)
    follow_job(world, client, without_return=True)
    world.fire(f"salt/run/{JID}/ret", fun="runner.manage.up", user="ann", success=True, jid=JID, **{"return": "big"})
    world.time.pass_(0)
    got = client.got
    assert got[-1]["job"]["state"] == "complete"
    assert all("return" not in message.get("job", {}) for message in got)


def test_a_runner_that_ends_while_its_snapshot_is_sent_is_complete() -> None:
    """It has no minions whose part could change: the job itself is sent again."""
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
    """What is drawn for one is drawn for all of its kind."""
    world, clients = World(), [Client(), Client()]
    world.publish("a")
    for client in clients:
        follow_job(world, client)
        client.got  # noqa: B018 - forget the snapshot
    world.answer("a")
    world.time.pass_(0)
    assert clients[0].socket.written[0] is clients[1].socket.written[0]


def test_after_a_change_of_permissions_the_job_is_drawn_anew() -> None:
    """What may be seen now is sent whole."""
    world, client = World(), Client()
    world.targets.sets["web*"] = {"web1"}
    world.publish("web1", "db")
    session = world.session({"web*": ["test.*"]})
    subscription = follow_job(world, client, session)
    client.got  # noqa: B018 - forget the snapshot
    session.viewer = world.session("test.*").viewer
    subscription.regroup()
    assert set(client.got[0]["minions"]) == {"web1", "db"}


def test_a_job_that_may_no_longer_be_seen_ends_the_subscription() -> None:
    """The client is told that nothing more comes, and why."""
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


def test_who_left_a_job_gets_nothing_and_nothing_is_kept() -> None:
    """When nobody follows a job any more, it costs nothing."""
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


def test_the_fleet_begins_with_a_snapshot_and_live() -> None:
    """All minions that may be seen, then ``live``."""
    world, client = World(), Client()
    keys(world, "a", "b")
    follow_fleet(world, client)
    minions, live = client.got
    assert set(minions["minions"]) == {"a", "b"}
    assert minions["minions"]["a"] == {"id": "a", "key": "accepted", "connected": None, "seen": None, "grains": None}
    assert live["type"] == "live"


def test_a_large_fleet_comes_in_pieces() -> None:
    """At most 500 minions a frame."""
    world, client = World(), Client()
    keys(world, *[f"m{number}" for number in range(1200)])
    follow_fleet(world, client)
    assert [len(message.get("minions", ())) for message in client.got] == [500, 500, 200, 0]


def test_a_change_of_a_large_fleet_comes_in_pieces_too() -> None:
    """When the grains of thousands were read, one frame with all of them would hold up whoever reads it."""
    world, client = World(), Client()
    names = [f"m{number}" for number in range(1200)]
    keys(world, *names)
    follow_fleet(world, client)
    client.got  # noqa: B018 - forget the snapshot
    world.fire("salt/presence/present", present=names)
    world.time.pass_(1)
    got = client.got
    assert [len(message["minions"]) for message in got] == [500, 500, 200]
    assert set(told(got)) == set(names)


def test_a_fleet_larger_than_the_outbox_waits_for_the_client() -> None:
    """A snapshot alone never ends a connection; what changes meanwhile is in it, or follows."""
    world, client = World(), Client(max_frames=4)
    names = [f"m{number:04}" for number in range(6000)]
    keys(world, *names)
    client.socket.stuck = True
    client.connection.send({"type": "reply"})
    follow_fleet(world, client)
    world.fire("salt/presence/present", present=["m0000", "m5999"])
    delete_key(world, "m5998")
    delete_key(world, "m0001")
    world.time.pass_(1)
    got = reader(client)
    world.time.pass_(1)
    got += reader(client)
    known = {name: view for name, view in told(got).items() if view is not None}
    assert client.closed_with == []
    assert set(known) == set(names) - {"m5998", "m0001"}
    assert [known[name]["connected"] for name in ("m0000", "m5999", "m0002")] == [True, True, None]
    assert kinds(got).count("live") == 1


def test_changes_of_the_fleet_come_together() -> None:
    """Ten times a second at most, the last state always, a removed minion as null."""
    world, client = World(), Client()
    keys(world, "a", "b")
    follow_fleet(world, client)
    client.got  # noqa: B018 - forget the snapshot
    world.fire("salt/presence/present", present=["a"])
    world.time.pass_(0)
    assert told(client.got)["a"]["connected"] is True
    for _ in range(50):
        world.fire("salt/presence/change", lost=["a"])
        world.fire("salt/presence/change", new=["a"])
        world.time.pass_(0.01)
    delete_key(world, "b")
    world.time.pass_(1)
    got = client.got
    assert len(got) <= 7
    assert (told(got)["a"]["connected"], told(got)["b"]) == (True, None)


def test_a_minion_that_may_not_be_seen_is_never_named() -> None:
    """Not in the snapshot, not when it changes, and not when it goes."""
    world, client = World(), Client()
    world.targets.sets["web*"] = {"web1"}
    keys(world, "web1", "db")
    follow_fleet(world, client, world.session({"web*": ["test.*"]}))
    world.fire("salt/presence/present", present=["web1", "db"])
    delete_key(world, "db")
    world.time.pass_(1)
    assert set(told(client.got)) == {"web1"}


def test_only_who_was_told_of_a_minion_learns_that_it_is_gone() -> None:
    """A minion that came and went between two frames is nobody's news."""
    world, client = World(), Client()
    keys(world, "a")
    follow_fleet(world, client)
    world.time.pass_(1)
    client.got  # noqa: B018 - forget the snapshot
    world.fire("salt/key", id="new", act="accept")
    delete_key(world, "new")
    world.time.pass_(1)
    assert client.got == []


def test_gone_is_said_once() -> None:
    """Of a minion that is gone already, nothing more is said."""
    world, client = World(), Client()
    keys(world, "a", "b")
    subscription = follow_fleet(world, client)
    delete_key(world, "b")
    world.time.pass_(1)
    client.got  # noqa: B018 - forget what was
    subscription.regroup()
    assert set(told(client.got)) == {"a"}


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
    """Who may ping a minion sees it; its key needs the wheel that lists keys, its grains the function that tells."""
    world, client = World(), Client()
    keys(world, "a")
    world.minions.read_grains({"a": {"os": "Debian"}})
    follow_fleet(world, client, world.session(*auth))
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
def test_only_the_grains_that_were_asked_for_and_may_be_seen(
    wanted: bool | tuple[str, ...], auth: str, grains: dict[str, str] | None
) -> None:
    """In the snapshot and in what changes, beside somebody who wants all of them."""
    world, client, other = World(), Client(), Client()
    keys(world, "a")
    world.minions.read_grains({"a": {"os": "Debian", "role": "web"}})
    session = world.session(auth)
    follow_fleet(world, other, session)
    follow_fleet(world, client, session, grains=wanted)
    assert client.got[0]["minions"]["a"]["grains"] == grains
    world.fire("salt/presence/present", present=["a"])
    world.time.pass_(1)
    assert told(client.got)["a"]["grains"] == grains
    assert told(other.got)["a"]["grains"] == (None if auth == "test.ping" else {"os": "Debian", "role": "web"})


def test_only_the_minions_of_the_fleet_that_were_asked_for() -> None:
    """A page about one minion need not get them all."""
    world, client = World(), Client()
    keys(world, "a", "b")
    follow_fleet(world, client, only=("b",))
    world.fire("salt/presence/present", present=["a", "b"])
    world.time.pass_(1)
    assert set(told(client.got)) == {"b"}


def test_after_a_change_of_permissions_the_fleet_is_drawn_anew() -> None:
    """What may no longer be seen is gone, what may be seen now is there."""
    world, client = World(), Client()
    world.targets.sets |= {"web*": {"web1", "both"}, "db*": {"db", "both"}}
    keys(world, "web1", "db", "both")
    session = world.session({"web*": ["test.*"]})
    subscription = follow_fleet(world, client, session)
    assert set(told(client.got)) == {"web1", "both"}
    session.viewer = world.session({"db*": ["test.*"]}).viewer
    subscription.regroup()
    after = told(client.got)
    assert {name: view is None for name, view in after.items()} == {"web1": True, "db": False, "both": False}


def test_who_left_the_fleet_gets_nothing() -> None:
    """An ended subscription is told nothing more."""
    world, client = World(), Client()
    keys(world, "a")
    subscription = follow_fleet(world, client)
    client.connection.remove(subscription.number)
    client.got  # noqa: B018 - forget the snapshot
    world.fire("salt/presence/present", present=["a"])
    world.time.pass_(1)
    assert client.got == []


def test_fleet_view_lists_what_was_asked_for_and_is_there() -> None:
    """Unknown names are left out."""
    world = World()
    keys(world, "a", "b")
    viewer = world.session(".*").viewer
    assert list(world.minion_feed.visible(viewer)) == ["a", "b"]
    assert list(world.minion_feed.visible(viewer, ["b", "stranger"])) == ["b"]


def test_a_fleet_that_may_not_be_seen_is_looked_at_in_turns() -> None:
    """Thousands of minions of which nothing is shown hold nobody up, and the snapshot ends all the same."""
    world, client = World(), Client()
    world.minions.read_keys({f"m{number}": "accepted" for number in range(5000)})
    ticks(world, TURN_SECONDS / 3)
    MinionSubscription(world.minion_feed, client.connection, 1, world.session("sys.doc")).start()
    assert (client.got, len(world.turns)) == ([], 1)
    while len(world.turns):
        world.time.pass_(TURN_SECONDS)
    assert [message["type"] for message in client.got] == ["live"]
