"""Clients of Digital Rebar: events that match their filters, once, in order, and only visible ones."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.delivery.connection import Connection
from websocket_api.errors import ApiError
from websocket_api.protocols.digital_rebar import clients as rebar
from websocket_api.protocols.digital_rebar.subscription import RebarSubscription

from tests.unit.core.support import JID, Client, World

ALL = (".*", "@runner", "@wheel", "@events")


def frame_lines(text: bytes) -> bytes:
    """Stand in for the protocol's framing, which makes a websocket frame of each line."""
    return text.replace(b"\n", b"")


class RebarClient(Client):
    """One connection of this protocol."""

    def __init__(self, world: World, *auth_list: Any, user: str = "ann", **limits: Any) -> None:
        super().__init__(**limits)

        def close(code: int, reason: str) -> None:
            self.closed_with.append((code, reason))

        self.connection = Connection("127.0.0.1", self.outbox, frame_lines, close, world.rebar.codec)
        self.session = world.session(*(auth_list or ALL), user=user)
        self.connection.set_session(self.session)
        self.subscription: RebarSubscription = world.rebar.follow(self.connection, self.session)
        self._world = world

    def say(self, text: str | bytes) -> None:
        self.subscription.handle(text)

    def register(self, *filters: str) -> None:
        """Register a filter, and drop the acknowledgements."""
        for text in filters:
            self.say(f"register {text}")
        answers = self.got
        assert [(one["Type"], one["Action"]) for one in answers] == [("websocket", "register")] * len(filters), answers

    @property
    def received(self) -> list[tuple[str, str, str]]:
        """Return type, action and key of every frame so far, and drop the frames."""
        self._world.time.pass_(1)
        return [(one["Type"], one["Action"], one["Key"]) for one in self.got]


def test_a_client_gets_nothing_before_it_registers() -> None:
    """And nothing after it has deregistered."""
    world = World()
    client = RebarClient(world)
    world.fire("my/a")
    assert client.got == []
    client.register("events.*.*")
    world.fire("my/b")
    assert client.received == [("events", "b", "my/b")]
    client.say("deregister events.*.*")
    assert client.received == [("websocket", "deregister", "events.*.*")]
    world.fire("my/c")
    assert client.received == []


def test_every_request_is_acknowledged_by_an_event() -> None:
    """Of type websocket, with the filter as sent for its key."""
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


def test_an_event_that_matches_several_filters_is_sent_once() -> None:
    """However many match."""
    world = World()
    client = RebarClient(world)
    client.register("*.*.*", "jobs.*.*", "jobs.create.*", "jobs.create,save.*", f"*.create.{JID}")
    world.publish("web1")
    assert client.received == [("jobs", "create", JID)]


def test_one_of_several_filters_can_be_deregistered() -> None:
    """The others stay; equal filters count as one, however they are written."""
    world = World()
    client = RebarClient(world)
    client.register("jobs.create,save.*", "events.*.*", "jobs.save,create.*")
    client.say("deregister jobs.save,create.*")
    assert client.received == [("websocket", "deregister", "jobs.save,create.*")]
    world.publish("web1")
    world.fire("my/x")
    assert client.received == [("events", "x", "my/x")]
    client.say("deregister jobs.save,create.*")
    (fault,) = client.got
    assert (fault["Type"], fault["Action"], fault["Object"]["code"]) == ("websocket", "error", "not_found")


@pytest.mark.parametrize(
    "text", ["", "register", "register jobs.*", "deregister a.b.c", b"\x00", "register " + "x" * 10_000]
)
def test_an_invalid_frame_causes_an_error_event_only(text: str | bytes) -> None:
    """It names the fault, repeats only a short part of the frame, and the connection stays open."""
    world = World()
    client = RebarClient(world)
    client.register("events.*.*")
    client.say(text)
    (fault,) = client.got
    assert (fault["Type"], fault["Action"]) == ("websocket", "error")
    assert set(fault["Object"]) == {"code", "message", "details", "retryable"}
    assert len(fault["Key"]) <= 256
    world.fire("my/x")
    assert client.received == [("events", "x", "my/x")]
    assert client.closed_with == []


def test_filters_are_limited() -> None:
    """One too many causes an error event; a repeated one does not."""
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
    assert client.received == [("websocket", "deregister", "events.*.0")]
    client.register("events.*.new")
    assert client.closed_with == []


def test_answers_and_events_keep_their_order() -> None:
    """Events from before a deregistration are sent before its acknowledgement."""
    world = World()
    client = RebarClient(world)
    client.register("events.*.*")
    for number in range(3):
        world.fire(f"my/{number}")  # the second and third wait for the pacer
    client.say("deregister events.*.*")
    assert [key for _, _, key in client.received] == ["my/0", "my/1", "my/2", "events.*.*"]


# Who sees what


def test_only_visible_events_are_sent() -> None:
    """Lists of minions are reduced before they become one event each."""
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
    assert some.received == changes[:1]
    assert ping.received == changes
    assert all_.received == [
        *changes,
        ("keys", "accept", "web1"),
        ("events", "secret", "my/secret"),
        ("runs", "create", JID),
    ]


def test_a_filter_by_key_does_not_match_hidden_minions() -> None:
    """It matches what is left of a reduced event."""
    world = World()
    world.targets.sets["web*"] = {"web1"}
    client = RebarClient(world, {"web*": ["test.*"]})
    client.register("minions.*.db")
    world.fire("salt/presence/present", present=["web1", "db"])
    assert client.received == []


def test_clients_with_equal_filters_share_the_bytes() -> None:
    """With equal permissions too, they get the same object."""
    world = World()
    one, two = RebarClient(world), RebarClient(world)
    one.register("events.*.*", "jobs.*.*")
    two.register("jobs.*.*", "events.*.*")
    assert one.subscription.group is two.subscription.group is not None
    world.fire("my/x")
    assert one.socket.written[0] is two.socket.written[0]


def test_changed_permissions_apply_at_once() -> None:
    """Events that became hidden are not sent any more."""
    world = World()
    client = RebarClient(world)
    client.register("events.*.*")
    client.session.viewer = world.session("test.ping").viewer
    client.subscription.regroup()
    world.fire("my/x")
    assert client.received == []


# The end of a job


def test_the_end_of_a_job_is_sent_once_after_its_last_return() -> None:
    """As `save`, with the job object; a late return is an update and no second end."""
    world = World()
    client = RebarClient(world)
    client.register("jobs.*.*")
    world.publish("web1", "web2", user="alice")
    world.answer("web1")
    assert client.received == [("jobs", "create", JID), ("jobs", "update", JID)]
    world.answer("web2", "no", retcode=1)
    world.time.pass_(1)
    update, save = client.got
    assert (update["Action"], update["Object"]["id"], update["Object"]["return"]) == ("update", "web2", "no")
    assert (save["Action"], save["Key"], save["Principal"]) == ("save", JID, "user:alice")
    job = save["Object"]
    assert job == world.job_feed.view(world.jobs.get(JID), client.session.viewer)  # type: ignore[arg-type]
    assert (job["state"], sorted(job["minions"]), job["failed"]) == ("failed", ["web1", "web2"], 1)
    world.answer("web2")
    assert client.received == [("jobs", "update", JID)]


def test_the_end_of_a_job_with_silent_minions_is_sent_too() -> None:
    """Minions that were given up are missing in it."""
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
    assert client.received == []


def test_a_job_object_is_reduced_to_visible_minions() -> None:
    """A viewer of no minion gets no event."""
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


def test_a_large_job_object_is_sent_without_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were sent one by one, and together they might not fit the outbox."""
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
    """One event, without a job object."""
    world = World()
    client = RebarClient(world)
    client.register("*.save.*")
    for what in ("new", "ret"):
        world.fire(f"salt/run/{JID}/{what}", fun="runner.manage.up", user="ann", jid=JID, **{"return": [1]})
    assert client.received == [("runs", "save", JID)]


def test_jobs_are_watched_while_a_client_waits_for_their_end() -> None:
    """Only visible jobs whose end a client registered for, and never Salt's internal ones."""
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


def test_find_job_is_not_watched() -> None:
    """Otherwise every question would cause another one."""
    world = World()
    client = RebarClient(world)
    client.register("*.*.*")
    world.publish("web1", fun="saltutil.find_job")
    assert world.rebar.followed_jobs() == []
    world.answer("web1")
    assert client.received == []


# Losses and ends


def test_a_lost_bus_is_reported() -> None:
    """As an event of type websocket; quiet clients get no bookmarks, which they could not use."""
    world = World()
    client = RebarClient(world)
    client.register("jobs.*.*")
    world.hub.append_gap()
    world.hub.bookmark()
    world.hub.bookmark()
    assert client.received == [("websocket", "gap", "bus")]


def test_a_client_that_does_not_read_is_closed() -> None:
    """With 4410, as in every protocol."""
    world = World()
    client = RebarClient(world, max_frames=10)
    client.register("events.*.*")
    client.socket.stuck = True
    for number in range(100):
        world.fire(f"my/{number}")
        world.time.pass_(1)
    assert [code for code, _ in client.closed_with] == [4410]


def test_the_connection_ends_with_its_token() -> None:
    """The client gets the reason, the connection closes with 4401, and no filter is left."""
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
    assert client.received == []
