"""get_event, event, hook: the bus for clients."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websocket_api.core.access.sessions import UNUSED_SECONDS

from tests.unit.operations.engine import Engine, Refused, Talker

WEB = [{"web*": ["test.*"]}]


async def fails(talker: Talker, kind: str, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await talker.ask(kind, **fields)
    return caught.value


# get_event


async def test_get_event_waits_for_the_next() -> None:
    """The first call waits for new events; the result is the event's data."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x", number=0)
    later = talker.start("get_event", tag="my/", wait=5)
    await asyncio.sleep(0)
    engine.world.fire("your/x", number=1)
    engine.world.fire("my/x", number=2)
    assert await later() == {"number": 2}


async def test_a_wait_ends_with_the_token_that_came_with_it() -> None:
    """Also a token that no connection is logged in with is checked."""
    engine = Engine()
    token, talker = engine.accounts.give("ann"), Talker(engine)
    later = talker.start("get_event", tag="my/", wait=300, token=token)
    await asyncio.sleep(0)
    engine.world.time.now += 2 * UNUSED_SECONDS
    await engine.services.sessions.recheck()
    await engine.accounts.revoke(token)
    await engine.services.sessions.recheck()
    engine.world.fire("my/x", number=1)
    with pytest.raises(Refused, match="unauthenticated"):
        await later()
    assert [session.held for session in engine.services.sessions.all()] == []


async def test_no_event_is_missed_between_two_calls() -> None:
    """The next call continues after the last event that this connection got with the same filter."""
    engine = Engine()
    talker = await engine.user()
    assert await talker.ask("get_event", tag="my/", wait=0) is None
    for number in range(3):
        engine.world.fire("my/x", number=number)
    got = [await talker.ask("get_event", tag="my/", wait=0) for _ in range(4)]
    assert got == [{"number": 0}, {"number": 1}, {"number": 2}, None]


async def test_each_filter_has_its_own_position() -> None:
    """Reading one does not move the other."""
    engine = Engine()
    talker = await engine.user()
    for tag in ("my/", "m"):
        await talker.ask("get_event", tag=tag, wait=0)
    engine.world.fire("my/x", number=1)
    assert await talker.ask("get_event", tag="my/", wait=0) == {"number": 1}
    assert await talker.ask("get_event", tag="m", wait=0) == {"number": 1}


async def test_the_number_of_positions_is_limited() -> None:
    """A client that always uses new filters does not fill the memory."""
    engine = Engine(limits={"subscriptions_per_connection": 3})
    talker = await engine.user()
    for number in range(20):
        await talker.ask("get_event", tag=f"my/{number}", wait=0)
    assert len(talker.connection.read_until) <= 4


async def test_full_returns_tag_and_number() -> None:
    """And the minion, if a minion sent the event."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/disk", cmd="_minion_event", id="web1", data={"free": 1})
    since = {"epoch": "epoch1", "seq": 0}
    event = await talker.ask("get_event", tag="my/", full=True, since=since, wait=0)
    assert event == {"seq": 1, "tag": "my/disk", "data": {"free": 1}, "minion": "web1"}


async def test_get_event_returns_visible_events_only() -> None:
    """Hidden events are skipped, and hidden parts are removed."""
    engine = Engine(ann=[".*"], bob=WEB)
    bob = await engine.user("bob")
    await bob.ask("get_event", wait=0)
    engine.world.fire("my/x")
    engine.world.fire("salt/presence/present", present=["web1", "db"])
    assert await bob.ask("get_event", wait=0) == {"present": ["web1"]}


@pytest.mark.parametrize("since", [{"epoch": "other", "seq": 0}, {"epoch": "epoch1", "seq": 99}])
async def test_a_position_outside_the_history_is_a_gap(since: dict[str, Any]) -> None:
    """The error has the oldest number in the history."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire("my/x")
    fault = await fails(talker, "get_event", since=since)
    assert (fault.code, fault.error["retryable"], fault.error["details"]) == ("gap", True, {"oldest": 1})


@pytest.mark.parametrize("data", ["started", 17, None, [1]])
async def test_a_minion_may_send_any_value(data: Any) -> None:
    """Salt's minions send a string when they start."""
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
    """With the user who fired it."""
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
    """Every user may send one; slashes at the end are removed, as in salt-api."""
    engine = Engine(viewer=["test.ping"])
    user = await engine.user("viewer")
    assert await user.ask("hook", hook=hook, post={"x": 1}, get={"q": "1"}, headers={"H": "v"}, body="x=1")
    assert engine.fired == [(tag, {"post": {"x": 1}, "get": {"q": "1"}, "headers": {"H": "v"}, "body": "x=1"})]


async def test_a_webhook_without_a_token_needs_an_option() -> None:
    """With the option, each address may send ten per second."""
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
