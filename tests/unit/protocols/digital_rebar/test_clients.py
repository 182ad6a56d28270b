"""Clients of Digital Rebar on a bus: what they registered for, once, in order, and only what they may see."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.delivery.connection import Connection
from websocket_api.errors import ApiError
from websocket_api.protocols.digital_rebar import clients as rebar
from websocket_api.protocols.digital_rebar.subscription import RebarSubscription

from tests.unit.core.support import JID, Client, World

ALL = (".*", "@runner", "@wheel", "@events")


def one_after_the_other(text: bytes) -> bytes:
    """Stand in for the door, which makes a websocket frame of each line."""
    return text.replace(b"\n", b"")


class RebarClient(Client):
    """One connection of this door."""

    def __init__(self, world: World, *auth_list: Any, user: str = "ann", **limits: Any) -> None:
        super().__init__(**limits)

        def close(code: int, reason: str) -> None:
            self.closed_with.append((code, reason))

        self.connection = Connection("127.0.0.1", self.outbox, one_after_the_other, close, world.rebar.codec)
        self.session = world.session(*(auth_list or ALL), user=user)
        self.connection.set_session(self.session)
        self.subscription: RebarSubscription = world.rebar.follow(self.connection, self.session)
        self._world = world

    def say(self, text: str | bytes) -> None:
        self.subscription.handle(text)

    def register(self, *filters: str) -> None:
        """Register, and forget the acknowledgements."""
        for text in filters:
            self.say(f"register {text}")
        answers = self.got
        assert [(one["Type"], one["Action"]) for one in answers] == [("websocket", "register")] * len(filters), answers

    @property
    def heard(self) -> list[tuple[str, str, str]]:
        """Type, action and key of every frame so far; forget them."""
        self._world.time.pass_(1)
        return [(one["Type"], one["Action"], one["Key"]) for one in self.got]


def test_a_client_hears_nothing_before_it_registers() -> None:
    """And nothing after it has deregistered."""
    world = World()
    client = RebarClient(world)
    world.fire("my/a")
    assert client.got == []
    client.register("events.*.*")
    world.fire("my/b")
    assert client.heard == [("events", "b", "my/b")]
    client.say("deregister events.*.*")
    assert client.heard == [("websocket", "deregister", "events.*.*")]
    world.fire("my/c")
    assert client.heard == []


def test_every_request_is_acknowledged_by_an_event() -> None:
    """Of type websocket, with the filter as it was sent for a key."""
    world = World()
    client = RebarClient(world)
    client.say("register  profiles.*.* ")
    (ack,) = client.got
    assert ack["Time"].endswith("Z")
    del ack["Time"]
    assert ack == {
        "Type": "websocket",
        "Action": "register",
        "Key": "profiles.*.*",
        "Principal": "user:ann",
        "Object": None,
        "Original": None,
    }


def test_an_event_that_several_filters_ask_for_comes_once() -> None:
    """However many filters fit."""
    world = World()
    client = RebarClient(world)
    client.register("*.*.*", "jobs.*.*", "jobs.create.*", "jobs.create,save.*", f"*.create.{JID}")
    world.publish("web1")
    assert client.heard == [("jobs", "create", JID)]


def test_one_of_several_filters_is_taken_back() -> None:
    """The others stay; a filter that was registered twice is one filter, however it is written."""
    world = World()
    client = RebarClient(world)
    client.register("jobs.create,save.*", "events.*.*", "jobs.save,create.*")
    client.say("deregister jobs.save,create.*")
    assert client.heard == [("websocket", "deregister", "jobs.save,create.*")]
    world.publish("web1")
    world.fire("my/x")
    assert client.heard == [("events", "x", "my/x")]
    client.say("deregister jobs.save,create.*")
    (fault,) = client.got
    assert (fault["Type"], fault["Action"], fault["Object"]["code"]) == ("websocket", "error", "not_found")


@pytest.mark.parametrize(
    "text", ["", "register", "register jobs.*", "deregister a.b.c", b"\x00", "register " + "x" * 10_000]
)
def test_a_bad_frame_is_an_error_event_and_no_more(text: str | bytes) -> None:
    """It names the fault, repeats at most a little of what was sent, and the client goes on."""
    world = World()
    client = RebarClient(world)
    client.register("events.*.*")
    client.say(text)
    (fault,) = client.got
    assert (fault["Type"], fault["Action"]) == ("websocket", "error")
    assert set(fault["Object"]) == {"code", "message", "details", "retryable"}
    assert len(fault["Key"]) <= 256
    world.fire("my/x")
    assert client.heard == [("events", "x", "my/x")]
    assert client.closed_with == []


def test_filters_are_limited() -> None:
    """One too many is an error event; one that is there already is none."""
    world = World()
    client = RebarClient(world, max_frames=20_000)
    client.register(*[f"events.*.{number}" for number in range(5)])
    for number in range(10_000):
        client.say(f"register events.*.{number}")
    answers = client.got
    assert [one["Action"] for one in answers[:5]] == ["register"] * 5
    assert {one["Object"]["code"] for one in answers[5:]} == {"too_many"}
    assert len(answers) == 10_000
    assert len(client.subscription.filter.patterns) == 5
    client.say("deregister events.*.0")
    assert client.heard == [("websocket", "deregister", "events.*.0")]
    client.register("events.*.new")
    assert client.closed_with == []


def test_answers_and_events_keep_their_order() -> None:
    """What came before a deregistration is heard before it is acknowledged."""
    world = World()
    client = RebarClient(world)
    client.register("events.*.*")
    for number in range(3):
        world.fire(f"my/{number}")  # the second and third wait for the pacer
    client.say("deregister events.*.*")
    assert [key for _, _, key in client.heard] == ["my/0", "my/1", "my/2", "events.*.*"]


# Who sees what


def test_only_what_may_be_seen_comes() -> None:
    """Visibility is the event pipeline's: lists of minions are cut before they are told one by one."""
    world = World()
    world.targets.sets["web*"] = {"web1"}
    some, ping, all_ = RebarClient(world, {"web*": ["test.*"]}), RebarClient(world, "test.ping"), RebarClient(world)
    for client in (some, ping, all_):
        client.register("*.*.*")
    world.fire("salt/presence/change", new=["web1", "db"], lost=["web2"])
    world.fire("salt/key", id="web1", act="accepted")
    world.fire("my/secret", x=1)
    world.fire(f"salt/run/{JID}/new", fun="runner.manage.up", user="bob", jid=JID)
    changes = [("minions", "update", "web1"), ("minions", "update", "db"), ("minions", "destroy", "web2")]
    assert some.heard == changes[:1]
    assert ping.heard == changes
    assert all_.heard == [
        *changes,
        ("keys", "accept", "web1"),
        ("events", "secret", "my/secret"),
        ("runs", "create", JID),
    ]


def test_a_hidden_minion_cannot_be_asked_for() -> None:
    """A filter by key looks at what is left of an event, not at what was cut away."""
    world = World()
    world.targets.sets["web*"] = {"web1"}
    client = RebarClient(world, {"web*": ["test.*"]})
    client.register("minions.*.db")
    world.fire("salt/presence/present", present=["web1", "db"])
    assert client.heard == []


def test_clients_who_ask_for_the_same_share_the_bytes() -> None:
    """Same filters, same permissions: what is sent is one object."""
    world = World()
    one, two = RebarClient(world), RebarClient(world)
    one.register("events.*.*", "jobs.*.*")
    two.register("jobs.*.*", "events.*.*")
    assert one.subscription.group is two.subscription.group is not None
    world.fire("my/x")
    assert one.socket.written[0] is two.socket.written[0]


def test_changed_permissions_count() -> None:
    """What may not be seen any more stops."""
    world = World()
    client = RebarClient(world)
    client.register("events.*.*")
    client.session.viewer = world.session("test.ping").viewer
    client.subscription.regroup()
    world.fire("my/x")
    assert client.heard == []


# The end of a job


def test_a_jobs_end_is_told_once_after_its_last_return() -> None:
    """As `save`, with the job object; a minion that returns late is an update and no second end."""
    world = World()
    client = RebarClient(world)
    client.register("jobs.*.*")
    world.publish("web1", "web2", user="alice")
    world.answer("web1")
    assert client.heard == [("jobs", "create", JID), ("jobs", "update", JID)]
    world.answer("web2", "no", retcode=1)
    world.time.pass_(1)
    update, save = client.got
    assert (update["Action"], update["Object"]["id"], update["Object"]["return"]) == ("update", "web2", "no")
    assert (save["Action"], save["Key"], save["Principal"]) == ("save", JID, "user:alice")
    job = save["Object"]
    assert job == world.job_feed.view(world.jobs.get(JID), client.session.viewer)  # type: ignore[arg-type]
    assert (job["state"], sorted(job["minions"]), job["failed"]) == ("failed", ["web1", "web2"], 1)
    world.answer("web2")
    assert client.heard == [("jobs", "update", JID)]


def test_a_job_that_ends_by_silence_is_told_too() -> None:
    """Minions that are given up are missing from it."""
    world = World()
    client = RebarClient(world)
    client.register("jobs.save.*")
    job = world.jobs.get(world.publish("web1", "web2"))
    assert job is not None
    world.answer("web1")
    assert world.rebar.followed_jobs() == [JID]
    world.jobs.give_up(job, ["web2"], "missing")
    world.time.pass_(1)
    (save,) = client.got
    assert (save["Object"]["state"], save["Object"]["missing"]) == ("partial", 1)
    assert world.rebar.followed_jobs() == []
    world.answer("web2")
    assert client.heard == []


def test_a_job_object_is_cut_to_what_may_be_seen() -> None:
    """Who sees one minion's part is told of that; who sees none, of nothing."""
    world = World()
    world.targets.sets["web*"] = {"web1"}
    some, none = RebarClient(world, {"web*": ["test.*"]}), RebarClient(world, "grains.items")
    for client in (some, none):
        client.register("jobs.*.*")
    world.publish("web1", "db", arg=("secret",))
    world.answer("db", "hidden")
    world.answer("web1")
    world.time.pass_(1)
    create, update, save = some.got
    assert [one["Action"] for one in (create, update, save)] == ["create", "update", "save"]
    assert (list(save["Object"]["minions"]), save["Object"]["arg"], save["Object"]["total"]) == (["web1"], None, 1)
    assert "db" not in str([create, update, save])
    assert "secret" not in str([create, update, save])
    assert none.got == []


def test_a_large_job_object_comes_without_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """They came one by one, and all of them at once might be more than can wait for a client."""
    monkeypatch.setattr(rebar, "MAX_OBJECT_BYTES", 1000)
    world = World()
    client = RebarClient(world)
    client.register("jobs.save.*")
    world.publish("web1", "web2")
    world.answer("web1", "x" * 600)
    world.answer("web2", "x" * 600)
    world.time.pass_(1)
    (save,) = client.got
    assert save["Object"]["minions"]["web1"]["state"] == "returned"
    assert "return" not in save["Object"]["minions"]["web1"]


def test_the_end_of_a_runner_is_its_return() -> None:
    """It has one event and needs no other; a job object of its own is not sent."""
    world = World()
    client = RebarClient(world)
    client.register("*.save.*")
    for what in ("new", "ret"):
        world.fire(f"salt/run/{JID}/{what}", fun="runner.manage.up", user="ann", jid=JID, **{"return": [1]})
    assert client.heard == [("runs", "save", JID)]


def test_silent_minions_are_asked_about_while_somebody_waits_for_the_end() -> None:
    """Only jobs that a client may see and whose end it registered for; never Salt's own questions."""
    world = World()
    world.publish("web1", fun="pkg.install")
    assert world.rebar.followed_jobs() == []
    updates, other, key, ends = (
        RebarClient(world),
        RebarClient(world, "test.ping"),
        RebarClient(world),
        RebarClient(world, "pkg.*"),
    )
    updates.register("jobs.create,update.*", "events.*.*")
    other.register("*.*.*")
    key.register(f"jobs.save.{JID[:-1]}9")
    assert world.rebar.followed_jobs() == []
    ends.register("jobs.*.*")
    assert world.rebar.followed_jobs() == [JID]
    ends.connection.release()
    assert world.rebar.followed_jobs() == []


def test_questions_about_jobs_are_not_followed() -> None:
    """Else every question would ask for another."""
    world = World()
    client = RebarClient(world)
    client.register("*.*.*")
    world.publish("web1", fun="saltutil.find_job")
    assert world.rebar.followed_jobs() == []
    world.answer("web1")
    assert client.heard == []


# Losses and ends


def test_a_lost_bus_is_told() -> None:
    """As an event of type websocket; quiet clients get no bookmarks, with which they could do nothing."""
    world = World()
    client = RebarClient(world)
    client.register("jobs.*.*")
    world.hub.append_gap()
    world.hub.bookmark()
    world.hub.bookmark()
    assert client.heard == [("websocket", "gap", "bus")]


def test_who_does_not_read_is_closed() -> None:
    """Over the bound of the outbox the connection ends with 4410, as on every door."""
    world = World()
    client = RebarClient(world, max_frames=10)
    client.register("events.*.*")
    client.socket.stuck = True
    for number in range(100):
        world.fire(f"my/{number}")
        world.time.pass_(1)
    assert [code for code, _ in client.closed_with] == [4410]


def test_an_ended_token_ends_it() -> None:
    """It is said why, the connection closes with 4401, and nothing is registered any more."""
    world = World()
    client = RebarClient(world)
    client.register("events.*.*")
    client.session.ended = ApiError("token_expired", "the token has expired: log in again")
    client.connection.end_session(client.session)
    (fault,) = client.got
    assert (fault["Action"], fault["Object"]["code"]) == ("error", "token_expired")
    assert [code for code, _ in client.closed_with] == [4401]
    client.say("register *.*.*")
    client.socket.written.clear()
    world.fire("my/x")
    assert client.heard == []
