"""subscribe and unsubscribe."""

from __future__ import annotations

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
    """On each connection, for all kinds."""
    engine = Engine()
    talker = await engine.user()
    numbers = [(await talker.ask("subscribe", subscription=kind))["subscription"] for kind in ("event", "minions")]
    assert numbers == [1, 2]
    assert (await (await engine.user()).ask("subscribe", subscription="event"))["subscription"] == 1


async def test_the_reply_has_the_start_position() -> None:
    """Events after this number are live."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x")
    reply = await talker.ask("subscribe", subscription="event")
    assert reply == {"subscription": 1, "epoch": "epoch1", "seq": 1, "recovered": None}


@pytest.mark.parametrize("kind", ["event", "job", "minions"])
async def test_the_reply_precedes_the_first_frame(kind: str) -> None:
    """A client knows the number before the first frame."""
    engine = Engine()
    talker = await engine.user()
    jid = (await talker.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    more: dict[str, Any] = {"job": {"jid": jid}, "event": {"since": {"epoch": "epoch1", "seq": 0}}}.get(kind, {})
    running = talker.send({"type": "subscribe", "id": 99, "subscription": kind, **more})
    assert running is not None
    await running
    first, *rest = talker.client.got
    assert (first.get("id"), bool(rest)) == (99, True)


async def test_resuming_reports_whether_the_replay_is_complete() -> None:
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
    """A number of another run or from the future is not valid: the stream starts with new events."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x")
    reply = await talker.ask("subscribe", subscription="event", since={"epoch": epoch, "seq": seq})
    engine.world.fire("my/y")
    assert reply["recovered"] is False
    gap, event = talker.frames
    assert (gap["type"], gap["reason"], gap["from"], gap["to"], gap["count"]) == ("gap", "epoch", None, None, None)
    assert event["seq"] == 2


async def test_events_outside_the_history_are_a_gap() -> None:
    """Not recovered, and the frame has the missing range."""
    engine = Engine()
    talker = await engine.user()
    for _ in range(3):
        engine.world.fire("my/x")
    engine.world.history.drop_old(engine.world.time.now + 1000)
    reply = await talker.ask("subscribe", subscription="event", since={"epoch": "epoch1", "seq": 1})
    assert reply["recovered"] is False
    (gap,) = talker.frames
    assert (gap["reason"], gap["from"], gap["to"]) == ("history", 2, 3)


async def test_resuming_across_a_lost_bus_is_not_recovered() -> None:
    """All events that were read are replayed, but some may be missing: the reply and the gap report it."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x")
    engine.world.hub.append_gap()
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


async def test_a_restart_of_the_engine_is_one_gap() -> None:
    """It has the numbers that may have been given out, and the times of the absence. Inside it, its rest is missing."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x")
    engine.world.history.append_restart(900, since=60.0, now=75.5)
    engine.world.fire("my/y")
    for position, first in ((1, 2), (300, 301)):
        since = {"epoch": "epoch1", "seq": position}
        reply = await talker.ask("subscribe", subscription="event", since=since)
        gap, event = talker.frames
        assert (reply["recovered"], event["tag"], event["seq"]) == (False, "my/y", 901)
        assert (gap["reason"], gap["count"], gap["from"], gap["to"]) == ("restart", None, first, 900)
        assert (gap["from_time"], gap["to_time"]) == ("1970-01-01T00:01:00+00:00", "1970-01-01T00:01:15.500000+00:00")
    reply = await talker.ask("subscribe", subscription="event", since={**since, "seq": 900})
    assert reply["recovered"] is True


async def test_every_frame_matches_its_schema() -> None:
    """Events, bundles, jobs, minions, gaps and bookmarks, complete and limited."""
    engine = Engine(ann=[".*", "@runner", "@wheel"], bob=WEB)
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
    engine.world.hub.append_gap()
    for _ in range(2):
        engine.world.hub.bookmark()
    seen = set(types(ann.frames))
    assert seen == {"event", "events", "job", "minions", "live", "gap", "bookmark"}
    assert set(types(bob.frames)) == seen


@pytest.mark.parametrize("kind", ["minions", "job", "batch"])
async def test_the_reply_says_whether_a_snapshot_is_resumed(kind: str) -> None:
    """Null without a position; false for one of events, of each master, or of another snapshot."""
    engine = Engine(ann=[".*", "@wheel"])
    talker = await engine.user("ann")
    assert (await talker.ask("subscribe", subscription=kind))["recovered"] is None
    position = talker.frames[-1]["position"]
    assert (await talker.ask("subscribe", subscription=kind, since=position))["recovered"] is True
    others: list[dict[str, Any]] = [
        {"epoch": "epoch1", "seq": 0},
        {"m1": {"epoch": "epoch1", "seq": 0}},
        {"epoch": {"epoch": "epoch1", "seq": 0}},
        {},
        {**position, "view": "x"},
        {**position, "seq": 2**53 - 1},
    ]
    for other in others:
        talker.client.got  # noqa: B018 - forget the frames so far
        assert (await talker.ask("subscribe", subscription=kind, since=other))["recovered"] is False
        assert types(talker.frames)[-1] == "live"


@pytest.mark.parametrize("kind", ["event", "minions", "job", "batch"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": -1},
        {"seq": True},
        {"seq": 1.5},
        {"seq": 2**53},
        {"view": ""},
        {"view": "x" * 65},
        {"view": None},
        {"view": 7},
        {"epoch": ""},
        {"more": 1},
    ],
)
async def test_a_position_of_a_wrong_type_is_refused(kind: str, wrong: dict[str, Any]) -> None:
    """The client learns which field is wrong, and no subscription is left."""
    talker = await Engine().user()
    since = {"epoch": "epoch1", "seq": 0, "view": "abc", **wrong}
    assert (await fails(talker, "subscribe", subscription=kind, since=since)).code == "bad_message"
    assert talker.client.connection.subscriptions == {}


async def test_jobs_is_an_alias_of_job() -> None:
    """The first document calls the stream ``jobs``."""
    engine = Engine(ann=[".*"])
    ann = await engine.user("ann")
    first, second = [(await ann.ask("cmd", fun="test.ping", tgt="*"))["jid"] for _ in range(2)]
    await ann.ask("subscribe", subscription="jobs", jid=second)
    engine.world.time.pass_(1)
    assert {frame["job"]["jid"] for frame in ann.frames if frame["type"] == "job"} == {second} != {first}


@pytest.mark.parametrize(
    "wanted", [{"subscription": "job", "jid": "*"}, {"subscription": "job"}, {"subscription": "jobs"}], ids=repr
)
async def test_a_star_or_no_jid_subscribes_to_all_jobs(wanted: dict[str, str]) -> None:
    """Known jobs and new ones, each limited to what the user may see."""
    engine = Engine(ann=[".*"], bob=WEB)
    ann, bob = await engine.user("ann"), await engine.user("bob")
    first = (await ann.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    await ann.ask("cmd", fun="cmd.run", tgt="db", args=["x"])
    await bob.ask("subscribe", **wanted, without_return=True)
    second = (await ann.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    engine.world.time.pass_(1)
    engine.returns(first, "web1", "long")
    engine.world.time.pass_(1)
    frames = bob.frames
    assert types(frames) == ["job", "live", "job", "job"]
    told = [(frame["jid"], sorted(frame["minions"])) for frame in frames if frame["type"] == "job"]
    assert told == [(first, ["web1", "web2"]), (second, ["web1", "web2"]), (first, ["web1"])]


@pytest.mark.parametrize("wanted", [{}, {"short_targets": False}, {"short_targets": True}])
async def test_frames_about_a_job_have_its_whole_target_unless_a_short_one_is_requested(wanted: dict[str, Any]) -> None:
    """In the snapshot and in changes."""
    names = [f"m{number}" for number in range(200)]
    engine = Engine()
    engine.sets["*"] = names
    talker = await engine.user()
    jid = (await talker.ask("cmd", fun="test.ping", tgt=names, tgt_type="list"))["jid"]
    await talker.ask("subscribe", subscription="job", jid=jid, **wanted)
    engine.returns(jid, "m0", True)
    engine.world.time.pass_(1)
    jobs = [frame["job"] for frame in talker.frames if frame["type"] == "job"]
    short = wanted.get("short_targets", False)
    expected = (names[:100], 200) if short else (names, None)
    assert jobs[1]["done"] == jobs[0]["done"] + 1
    assert [(job["tgt"], job.get("tgt_length")) for job in jobs] == [expected, expected]


async def test_the_number_of_subscriptions_is_limited() -> None:
    """Each one costs a decision at every event. When one ends, another is allowed."""
    engine = Engine(limits={"subscriptions_per_connection": 2})
    talker = await engine.user()
    for _ in range(2):
        await talker.ask("subscribe", subscription="event")
    fault = await fails(talker, "subscribe", subscription="event")
    assert (fault.code, fault.error["details"]) == ("too_many", {"limit": "subscriptions_per_connection"})
    await talker.ask("unsubscribe", subscription=1)
    assert (await talker.ask("subscribe", subscription="event"))["subscription"] == 3


async def test_a_hidden_job_cannot_be_subscribed_to() -> None:
    """A missing job gets the same answer."""
    engine = Engine(ann=[".*"], bob=["cmd.run"])
    ann, bob = await engine.user("ann"), await engine.user("bob")
    jid = (await ann.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    hidden = await fails(bob, "subscribe", subscription="job", jid=jid)
    unknown = await fails(bob, "subscribe", subscription="job", jid="20261123120000000009")
    assert (hidden.code, hidden.error["message"]) == ("not_found", unknown.error["message"])


async def test_an_invalid_regular_expression_is_refused() -> None:
    """With its path."""
    fault = await fails(await Engine().user(), "subscribe", subscription="event", tag=["a", "("], match_type="regex")
    assert (fault.code, fault.error["details"][0]["path"]) == ("bad_message", "/tag/1")


async def test_a_subscription_ends_with_its_token() -> None:
    """It gets a frame with the reason; the connection of another user stays open."""
    engine = Engine(ann=[".*"], bob=["@events"])
    ann, token = await engine.user("ann"), engine.accounts.give("bob")
    engine.services.sessions.on_end(ann.connection.end_session)
    await ann.ask("subscribe", subscription="event", token=token)
    await ann.ask("logout", token=token)
    engine.world.fire("my/x")
    (ended,) = ann.frames
    assert (ended["type"], ended["subscription"], ended["error"]["code"]) == ("ended", 1, "unauthenticated")
    assert ann.client.closed_with == []


# unsubscribe


async def test_no_frame_follows_unsubscribe() -> None:
    """The reply is the last message."""
    engine = Engine()
    talker = await engine.user()
    await talker.ask("subscribe", subscription="event")
    assert await talker.ask("unsubscribe", subscription=1) is True
    engine.world.fire("my/x")
    assert talker.frames == []


async def test_an_unknown_subscription_cannot_be_ended() -> None:
    """Also not twice, and not on another connection."""
    engine = Engine()
    talker, other = await engine.user(), await engine.user()
    await other.ask("subscribe", subscription="event")
    assert (await fails(talker, "unsubscribe", subscription=1)).code == "not_found"


# Regular expressions


@pytest.mark.parametrize("asked", [{"kind": "subscribe", "subscription": "event"}, {"kind": "get_event"}])
async def test_an_expression_that_re2_cannot_parse_is_refused(asked: dict[str, str]) -> None:
    """Every operation with a filter names the field."""
    fault = await fails(await Engine().user(), **asked, tag="a(?=b)", match_type="regex")
    assert (fault.code, fault.error["details"][0]["path"]) == ("bad_message", "/tag")


async def test_costly_expressions_stay_subscribed() -> None:
    """Linear time lets an expression that would backtrack elsewhere see all events, in a replay and live."""
    engine = Engine()
    user = await engine.user()
    engine.world.fire("my/" + "a" * 60)
    engine.world.fire("my/found!")
    message = {"type": "subscribe", "id": 99, "subscription": "event", "match_type": "regex"}
    since = {"epoch": "epoch1", "seq": 0}
    running = user.send({**message, "tag": "(?:.|..)+[!?]{1,60}", "since": since})
    assert running is not None
    await running
    engine.world.fire("my/" + "a" * 60)
    engine.world.fire("my/again?")
    assert [frame["tag"] for frame in user.client.got if frame["type"] == "event"] == ["my/found!", "my/again?"]
    assert (await user.ask("get_event", tag="(a+)+!", match_type="regex", wait=0)) is None
