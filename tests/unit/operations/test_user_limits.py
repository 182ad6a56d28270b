"""Limits per user: each counts all connections of this user only, and is released afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websocket_api.core.access.turns import TURN_SECONDS

from tests.unit.core.support import JID, Time, World, ticks
from tests.unit.operations.engine import ALL, Engine, Refused, Talker

USERS = {"ann": ALL, "bob": ALL}

WAITING: list[dict[str, Any]] = [
    {"tag": "a/"},
    {"tag": "a", "match_type": "endswith"},
    {"tag": "a", "match_type": "find"},
    {"tag": "*a*", "match_type": "fnmatch"},
    {"tag": "a+", "match_type": "regex"},
    {"tag": "a/", "since": {"epoch": "epoch1", "seq": 0}},
]


FOLLOWING: list[dict[str, Any]] = [
    {"subscription": "event"},
    {"subscription": "event", "since": {"epoch": "epoch1", "seq": 0}},
    {"subscription": "job", "jid": "*"},
    {"subscription": "job", "jid": JID},
    {"subscription": "minions"},
    {"subscription": "batch"},
]


def held(world: World, user: str = "ann") -> list[int]:
    limits = world.limits
    return [
        sum(count for share, count in quota._held.items() if share.user == user)
        for quota in (limits.patterns, limits.look_backs)
    ]


async def leave(*talkers: Talker) -> None:
    for talker in talkers:
        talker.connection.release()
    for _ in range(10):
        await asyncio.sleep(0)


async def refused(talker: Talker, limit: str, kind: str, **fields: Any) -> None:
    with pytest.raises(Refused) as caught:
        await talker.ask(kind, **fields)
    assert (caught.value.code, caught.value.error["details"]) == ("too_many", {"limit": limit})


@pytest.mark.parametrize("fields", WAITING)
async def test_waits_are_limited_for_each_user(fields: dict[str, Any]) -> None:
    """By their patterns; another user can still wait, and nothing is left after the clients have gone."""
    engine = Engine(limits={"patterns_per_user": 1}, **USERS)
    engine.world.fire("other/x")
    one, two, other = await engine.user(), await engine.user(), await engine.user("bob")
    for talker in (one, one, two, other):
        talker.start("get_event", wait=300, **fields)
    for _ in range(5):
        await asyncio.sleep(0)
    await refused(two, "patterns_per_user", "get_event", tag="more/")
    assert (held(engine.world), held(engine.world, "bob")) == ([1, 0], [1, 0])
    assert len(engine.world.hub.waiters) == 4
    await leave(one, two, other)
    assert (held(engine.world), held(engine.world, "bob")) == ([0, 0], [0, 0])
    assert (len(engine.world.hub.waiters), len(engine.world.turns)) == (0, 0)


@pytest.mark.parametrize("fields", FOLLOWING)
async def test_subscriptions_are_limited_for_each_user(fields: dict[str, Any]) -> None:
    """On all connections; when one ends, another is allowed, and nothing is left after the clients have gone."""
    engine = Engine(limits={"subscriptions_per_user": 2}, **USERS)
    engine.world.publish("web1", user="ann")
    one, two, other = await engine.user(), await engine.user(), await engine.user("bob")
    first = await one.ask("subscribe", **fields)
    await two.ask("subscribe", **fields)
    await refused(two, "subscriptions_per_user", "subscribe", **fields)
    await other.ask("subscribe", **fields)
    await one.ask("unsubscribe", subscription=first["subscription"])
    await two.ask("subscribe", **fields)
    holdings = [session.holdings for session in engine.services.sessions.all()]
    await leave(one, two, other)
    assert (held(engine.world), held(engine.world, "bob")) == ([0, 0], [0, 0])
    assert ({one.subscriptions for one in holdings}, engine.world.hub._groups) == ({0}, {})


async def test_patterns_are_limited_and_equal_filters_count_once() -> None:
    """Subscriptions and waits together: each pattern may be tried at every event."""
    engine = Engine(limits={"patterns_per_user": 10}, **USERS)
    one, two = await engine.user(), await engine.user()
    many = {"tag": [f"t{number}" for number in range(8)], "match_type": "find"}
    for talker in (one, one, two):
        await talker.ask("subscribe", subscription="event", **many)
    two.start("get_event", wait=300, **many)
    await asyncio.sleep(0)
    more = {"tag": ["a", "b"], "fun": "x.*"}
    await refused(two, "patterns_per_user", "subscribe", subscription="event", **more)
    await refused(two, "patterns_per_user", "get_event", tag=["a", "b", "c"])
    ids = {"minions": [f"m{number}" for number in range(300)]}
    await refused(two, "patterns_per_user", "subscribe", subscription="event", **ids)
    assert held(engine.world) == [8, 0]
    await leave(one, two)
    assert held(engine.world) == [0, 0]


async def test_look_backs_are_limited_queued_and_end_with_their_client() -> None:
    """Another user's query runs while the first user's queries wait; when the first one leaves, no work is left."""
    engine = Engine(limits={"look_back_events_per_user": 5500}, **USERS)
    for number in range(900):
        engine.world.fire("other/x", a=number)
    one, other = await engine.user(), await engine.user("bob")
    ticks(engine.world, TURN_SECONDS / 2)
    since = {"epoch": "epoch1", "seq": 0}
    for number in range(3):
        one.start("get_event", tag=f"my/{number}", since=since, wait=300)
        await one.ask("subscribe", subscription="event", tag=f"my/{number}", since=since)
    await asyncio.sleep(0)
    assert (held(engine.world)[1], len(engine.world.turns)) == (5400, 6)
    await refused(one, "look_back_events_per_user", "get_event", tag="my/x", since=since)
    await refused(one, "look_back_events_per_user", "subscribe", subscription="event", tag="my/x", since=since)
    await one.ask("subscribe", subscription="event", tag="my/x")
    later = other.start("get_event", tag="my/x", since=since, wait=0)
    await asyncio.sleep(0)
    assert held(engine.world, "bob")[1] == 900
    while held(engine.world, "bob")[0]:
        engine.world.time.pass_(TURN_SECONDS)
        await asyncio.sleep(0)
    assert await later() is None
    assert held(engine.world)[1] == 5400
    await leave(one)
    assert (held(engine.world), len(engine.world.turns)) == ([0, 0], 0)


@pytest.mark.parametrize("match_type", ["startswith", "find", "regex"])
async def test_a_wait_continues_where_the_history_query_ended(match_type: str) -> None:
    """No event is missed in between, however slow the query was."""
    engine = Engine(**USERS)
    for number in range(200):
        engine.world.fire("other/x", a=number)
    talker = await engine.user()
    ticks(engine.world, TURN_SECONDS)
    later = talker.start("get_event", tag="my/", match_type=match_type, since={"epoch": "epoch1", "seq": 0}, wait=5)
    await asyncio.sleep(0)
    assert len(engine.world.turns) == 1
    engine.world.fire("other/y")
    while len(engine.world.turns):
        engine.world.time.pass_(TURN_SECONDS)
    engine.world.fire("my/x", a="found")
    assert await later() == {"a": "found"}
    engine.world.fire("my/y", a="next")
    engine.world.time.__class__ = Time
    engine.world.time.pass_(1)
    assert await talker.ask("get_event", tag="my/", match_type=match_type, wait=0) == {"a": "next"}


async def test_equal_waits_share_one_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event is examined once for all waits with the same filter."""
    engine = Engine(**USERS)
    talkers = [await engine.user() for _ in range(5)]
    for talker in talkers:
        talker.connection.set_session(talkers[0].connection.session)
    later = [talker.start("get_event", tag="my/", wait=5) for talker in talkers]
    await asyncio.sleep(0)
    looked = []
    view = engine.world.hub.view
    monkeypatch.setattr(engine.world.hub, "view", lambda *args: looked.append(args) or view(*args))
    engine.world.fire("other/x")
    assert looked == []
    engine.world.fire("my/x", a=1)
    assert [await one() for one in later] == [{"a": 1}] * 5
    assert len(looked) == 1


async def test_a_wait_uses_the_present_permissions() -> None:
    """They may have changed since its start."""
    engine = Engine(ann=[{"@events": ["tag:my/*"]}])
    talker = await engine.user()
    later = talker.start("get_event", wait=5)
    await asyncio.sleep(0)
    session = talker.connection.session
    session.viewer = engine.world.session({"@events": ["tag:your/*"]}).viewer
    engine.world.fire("my/x", a=1)
    engine.world.fire("your/x", a=2)
    assert await later() == {"a": 2}


async def test_a_login_that_a_limit_refuses_leaves_no_token() -> None:
    """The token that the password made is revoked; one that the client brought stays."""
    engine = Engine(limits={"connections_per_user": 1}, **USERS)
    ann = await engine.user("ann")
    assert ann.connection.open
    kept, late = engine.accounts.give("ann"), Talker(engine)
    before = set(engine.accounts.tokens)
    await refused(late, "connections_per_user", "auth", username="ann", password="right")
    assert set(engine.accounts.tokens) == before
    await refused(late, "connections_per_user", "auth", token=kept)
    assert set(engine.accounts.tokens) == before
    await (await engine.user("bob")).ask("ping")
