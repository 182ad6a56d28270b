"""subscribe, unsubscribe, get_event: the bus as clients see it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.operations.engine import Engine, Refused, Talker

WEB = [{"web*": ["test.*"]}]


async def fails(talker: Talker, kind: str, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await talker.ask(kind, **fields)
    return caught.value


def types(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


# subscribe


async def test_subscriptions_count_from_one() -> None:
    """In each connection, whatever is followed."""
    engine = Engine()
    talker = await engine.user()
    numbers = [(await talker.ask("subscribe", subscription=kind))["subscription"] for kind in ("event", "minions")]
    assert numbers == [1, 2]
    assert (await (await engine.user()).ask("subscribe", subscription="event"))["subscription"] == 1


async def test_the_reply_says_where_it_begins() -> None:
    """Events after this number are live."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x")
    reply = await talker.ask("subscribe", subscription="event")
    assert reply == {"subscription": 1, "epoch": "epoch1", "seq": 1, "recovered": None}


@pytest.mark.parametrize("kind", ["event", "job", "minions"])
async def test_the_reply_precedes_the_first_frame(kind: str) -> None:
    """A client knows the number before a frame of it comes."""
    engine = Engine()
    talker = await engine.user()
    jid = (await talker.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    more: dict[str, Any] = {"job": {"jid": jid}, "event": {"since": {"epoch": "epoch1", "seq": 0}}}.get(kind, {})
    running = talker.send({"type": "subscribe", "id": 99, "subscription": kind, **more})
    assert running is not None
    await running
    first, *rest = talker.client.got
    assert (first.get("id"), bool(rest)) == (99, True)


async def test_resuming_says_whether_everything_is_there() -> None:
    """True when nothing is missing."""
    engine = Engine()
    talker = await engine.user()
    for _ in range(3):
        engine.world.fire("my/x")
    reply = await talker.ask("subscribe", subscription="event", since={"epoch": "epoch1", "seq": 1})
    assert reply["recovered"] is True
    assert [frame["seq"] for frame in talker.frames] == [2, 3]


@pytest.mark.parametrize(("epoch", "seq"), [("other", 1), ("epoch1", 99)])
async def test_another_run_is_a_gap(epoch: str, seq: int) -> None:
    """A number of another run, or from the future, means nothing here: live from the head."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x")
    reply = await talker.ask("subscribe", subscription="event", since={"epoch": epoch, "seq": seq})
    engine.world.fire("my/y")
    assert reply["recovered"] is False
    gap, event = talker.frames
    assert (gap["type"], gap["reason"], gap["from"], gap["to"], gap["count"]) == ("gap", "epoch", None, None, None)
    assert event["seq"] == 2


async def test_what_is_forgotten_is_a_gap() -> None:
    """Not recovered, and the frame says what is missing."""
    engine = Engine()
    talker = await engine.user()
    for _ in range(3):
        engine.world.fire("my/x")
    engine.world.history.forget(engine.world.time.now + 1000)
    reply = await talker.ask("subscribe", subscription="event", since={"epoch": "epoch1", "seq": 1})
    assert reply["recovered"] is False
    (gap,) = talker.frames
    assert (gap["reason"], gap["from"], gap["to"]) == ("history", 2, 3)


async def test_who_resumes_across_a_lost_bus_has_not_recovered_everything() -> None:
    """All that was read is replayed, but something may be missing: the reply says so, the gap says where."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x")
    engine.world.hub.broke()
    engine.world.fire("my/y")
    since = {"epoch": "epoch1", "seq": 0}
    reply = await talker.ask("subscribe", subscription="event", since=since)
    assert reply["recovered"] is False
    assert [(frame["type"], frame.get("reason")) for frame in talker.frames] == [
        ("event", None),
        ("gap", "bus"),
        ("event", None),
    ]
    reply = await talker.ask("subscribe", subscription="event", since={**since, "seq": 2})
    assert reply["recovered"] is True
    assert (await talker.ask("get_event", since=since, full=True))["tag"] == "my/x"


async def test_every_kind_of_frame_is_as_promised() -> None:
    """Events, bundles, jobs, minions, gaps and bookmarks, whole and cut."""
    engine = Engine(ann=[".*", "@wheel"], bob=WEB)
    ann, bob = await engine.user("ann"), await engine.user("bob")
    for talker in (ann, bob):
        await talker.ask("subscribe", subscription="event")
        await talker.ask("subscribe", subscription="event", bundle=True, without_return=True)
        await talker.ask("subscribe", subscription="minions")
    jid = (await ann.ask("cmd", fun="test.ping", tgt="*", metadata={"a": 1}))["jid"]
    for talker in (ann, bob):
        await talker.ask("subscribe", subscription="job", jid=jid)
        await talker.ask("subscribe", subscription="job", jid=[jid], without_return=True, minions=["web1"])
        await talker.ask("subscribe", subscription="job", jid="*")
        await talker.ask("subscribe", subscription="minions", connected=True)
    runner = (await ann.ask("runner", fun="manage.up"))["jid"]
    await ann.ask("subscribe", subscription="job", jid=runner)
    engine.world.fire("salt/presence/present", present=["web1", "db"])
    engine.world.fire("my/disk", cmd="_minion_event", id="web1", data={"free": 1})
    for minion in ("web1", "web2", "db"):
        engine.returns(jid, minion, {"a": [1, None]}, retcode=minion == "db")
    engine.world.fire(f"salt/run/{runner}/ret", fun="runner.manage.up", user="ann", success=True, **{"return": ["a"]})
    engine.world.time.pass_(1)
    engine.world.hub.broke()
    for _ in range(2):
        engine.world.hub.bookmark()
    seen = set(types(ann.frames))
    assert seen == {"event", "events", "job", "minions", "live", "gap", "bookmark"}
    assert set(types(bob.frames)) == seen


async def test_all_jobs_are_followed_by_a_star() -> None:
    """Those that are known, whole, and those that come; each cut to what the user may see."""
    engine = Engine(ann=[".*"], bob=WEB)
    ann, bob = await engine.user("ann"), await engine.user("bob")
    first = (await ann.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    await ann.ask("cmd", fun="cmd.run", tgt="db", args=["x"])
    await bob.ask("subscribe", subscription="job", jid="*", without_return=True)
    second = (await ann.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    engine.world.time.pass_(1)
    engine.returns(first, "web1", "long")
    engine.world.time.pass_(1)
    frames = bob.frames
    assert types(frames) == ["job", "live", "job", "job"]
    told = [(frame["jid"], sorted(frame["minions"])) for frame in frames if frame["type"] == "job"]
    assert told == [(first, ["web1", "web2"]), (second, ["web1", "web2"]), (first, ["web1"])]


async def test_subscriptions_are_bounded() -> None:
    """Each costs a decision at every event; an ended one makes room."""
    engine = Engine(limits={"subscriptions_per_connection": 2})
    talker = await engine.user()
    for _ in range(2):
        await talker.ask("subscribe", subscription="event")
    fault = await fails(talker, "subscribe", subscription="event")
    assert (fault.code, fault.error["details"]) == ("too_many", {"limit": "subscriptions_per_connection"})
    await talker.ask("unsubscribe", subscription=1)
    assert (await talker.ask("subscribe", subscription="event"))["subscription"] == 3


async def test_a_job_that_may_not_be_seen_cannot_be_followed() -> None:
    """Nor one that there is not; the answer is the same."""
    engine = Engine(ann=[".*"], bob=["cmd.run"])
    ann, bob = await engine.user("ann"), await engine.user("bob")
    jid = (await ann.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    hidden = await fails(bob, "subscribe", subscription="job", jid=jid)
    unknown = await fails(bob, "subscribe", subscription="job", jid="20261123120000000009")
    assert (hidden.code, hidden.error["message"]) == ("not_found", unknown.error["message"])


async def test_a_wrong_regular_expression_is_refused() -> None:
    """With its place."""
    fault = await fails(await Engine().user(), "subscribe", subscription="event", tag=["a", "("], match_type="regex")
    assert (fault.code, fault.error["details"][0]["path"]) == ("bad_message", "/tag/1")


async def test_a_subscription_belongs_to_the_token_it_was_made_with() -> None:
    """When that ends it ends, and says so; the connection of somebody else lives on."""
    engine = Engine(ann=[".*"], bob=["@events"])
    ann, token = await engine.user("ann"), engine.accounts.give("bob")
    engine.services.sessions.on_end(ann.connection.session_ended)
    await ann.ask("subscribe", subscription="event", token=token)
    await ann.ask("logout", token=token)
    engine.world.fire("my/x")
    (ended,) = ann.frames
    assert (ended["type"], ended["subscription"], ended["error"]["code"]) == ("ended", 1, "unauthenticated")
    assert ann.client.closed_with == []


# unsubscribe


async def test_after_unsubscribe_nothing_comes() -> None:
    """The reply is the last word."""
    engine = Engine()
    talker = await engine.user()
    await talker.ask("subscribe", subscription="event")
    assert await talker.ask("unsubscribe", subscription=1) is True
    engine.world.fire("my/x")
    assert talker.frames == []


async def test_what_is_not_there_cannot_be_ended() -> None:
    """Nor twice, nor another connection's."""
    engine = Engine()
    talker, other = await engine.user(), await engine.user()
    await other.ask("subscribe", subscription="event")
    assert (await fails(talker, "unsubscribe", subscription=1)).code == "not_found"


# get_event


async def test_get_event_waits_for_the_next() -> None:
    """The first call begins with what comes from then on; the result is the event's data."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x", number=0)
    later = talker.start("get_event", tag="my/", wait=5)
    await asyncio.sleep(0)
    engine.world.fire("your/x", number=1)
    engine.world.fire("my/x", number=2)
    assert await later() == {"number": 2}


async def test_none_is_missed_between_two_calls() -> None:
    """The next call goes on after the last event that this connection got with the same filter."""
    engine = Engine()
    talker = await engine.user()
    assert await talker.ask("get_event", tag="my/", wait=0) is None
    for number in range(3):
        engine.world.fire("my/x", number=number)
    got = [await talker.ask("get_event", tag="my/", wait=0) for _ in range(4)]
    assert got == [{"number": 0}, {"number": 1}, {"number": 2}, None]


async def test_each_filter_has_its_own_place() -> None:
    """Reading one does not move the other."""
    engine = Engine()
    talker = await engine.user()
    for tag in ("my/", "m"):
        await talker.ask("get_event", tag=tag, wait=0)
    engine.world.fire("my/x", number=1)
    assert await talker.ask("get_event", tag="my/", wait=0) == {"number": 1}
    assert await talker.ask("get_event", tag="m", wait=0) == {"number": 1}


async def test_places_are_bounded() -> None:
    """A client that asks with ever other filters does not fill the memory."""
    engine = Engine(limits={"subscriptions_per_connection": 3})
    talker = await engine.user()
    for number in range(20):
        await talker.ask("get_event", tag=f"my/{number}", wait=0)
    assert len(talker.connection.read_until) <= 4


async def test_full_tells_tag_and_number() -> None:
    """And the minion, of what a minion sent itself."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/disk", cmd="_minion_event", id="web1", data={"free": 1})
    since = {"epoch": "epoch1", "seq": 0}
    event = await talker.ask("get_event", tag="my/", full=True, since=since, wait=0)
    assert event == {"seq": 1, "tag": "my/disk", "data": {"free": 1}, "minion": "web1"}


async def test_get_event_shows_what_may_be_seen() -> None:
    """What is hidden is passed over, what is cut is cut."""
    engine = Engine(ann=[".*"], bob=WEB)
    bob = await engine.user("bob")
    await bob.ask("get_event", wait=0)
    engine.world.fire("my/x")
    engine.world.fire("salt/presence/present", present=["web1", "db"])
    assert await bob.ask("get_event", wait=0) == {"present": ["web1"]}


@pytest.mark.parametrize("since", [{"epoch": "other", "seq": 0}, {"epoch": "epoch1", "seq": 99}])
async def test_a_position_that_cannot_be_had_is_a_gap(since: dict[str, Any]) -> None:
    """The error names the oldest number there is."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x")
    fault = await fails(talker, "get_event", since=since)
    assert (fault.code, fault.error["retryable"], fault.error["details"]) == ("gap", True, {"oldest": 1})


@pytest.mark.parametrize("data", ["started", 17, None, [1]])
async def test_a_minion_may_send_any_value(data: Any) -> None:
    """Salt's own minions send a sentence when they start."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("salt/minion/web1/start", cmd="_minion_event", id="web1", data=data)
    since = {"epoch": "epoch1", "seq": 0}
    assert await talker.ask("get_event", since=since, wait=0) == data
    assert (await talker.ask("get_event", since=since, full=True, wait=0))["data"] == data


# event on minions


async def test_an_event_for_minions_is_fired_on_their_own_buses() -> None:
    """By Salt's function, with the client's token."""
    engine = Engine()
    assert await (await engine.user()).ask("event", tag="my/x", body={"a": 1}, tgt="web*") is True
    (sent,) = engine.commands.published
    assert (sent["fun"], sent["arg"], sent["tgt"]) == ("event.fire", [{"a": 1}, "my/x"], "web*")
    assert engine.fired == []


async def test_an_event_is_fired_and_seen() -> None:
    """With who fired it."""
    engine = Engine()
    talker = await engine.user()
    await talker.ask("subscribe", subscription="event", tag="my/")
    assert await talker.ask("event", tag="my/x", body={"a": 1}) is True
    (seen,) = talker.frames
    assert seen["data"] == {"a": 1, "_user": "ann", "_eauth": "pam", "_via": "websocket_api"}


@pytest.mark.parametrize(
    ("hook", "tag"),
    [
        ("github/push", "salt/netapi/hook/github/push"),
        ("a/b/", "salt/netapi/hook/a/b"),
        ("/", "salt/netapi/hook"),
        ("", "salt/netapi/hook"),
    ],
)
async def test_a_webhook_becomes_salt_apis_event(hook: str, tag: str) -> None:
    """Every user may hand one over; slashes at the end are dropped, as salt-api does."""
    engine = Engine(viewer=["test.ping"])
    user = await engine.user("viewer")
    assert await user.ask("hook", hook=hook, post={"x": 1}, get={"q": "1"}, headers={"H": "v"}, body="x=1")
    assert engine.fired == [(tag, {"post": {"x": 1}, "get": {"q": "1"}, "headers": {"H": "v"}, "body": "x=1"})]


async def test_a_webhook_of_a_stranger_is_refused_unless_the_operator_lets_strangers() -> None:
    """Then each address may hand over ten a second."""
    engine = Engine()
    stranger = Talker(engine)
    with pytest.raises(Refused) as refused:
        await stranger.ask("hook", hook="x")
    assert refused.value.code == "unauthenticated"
    engine.set(webhook_disable_auth=True)
    for _ in range(10):
        await stranger.ask("hook", hook="x")
    with pytest.raises(Refused) as refused:
        await stranger.ask("hook", hook="x")
    assert refused.value.code == "too_many"
    engine.world.time.now += 1.1
    await stranger.ask("hook", hook="x")
    assert len(engine.fired) == 11


async def test_a_webhook_cannot_break_out_of_its_tag() -> None:
    """An empty line would end the tag on the wire."""
    engine = Engine()
    with pytest.raises(Refused) as refused:
        await (await engine.user()).ask("hook", hook="x\n\nkey")
    assert refused.value.code == "bad_message"
    assert engine.fired == []
