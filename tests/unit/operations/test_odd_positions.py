"""Positions that a hostile or confused client sends: each is an error for its sender, or shows what it may see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.schemas import SCHEMAS
from tests.unit.operations.engine import ALL, Engine, Refused, Talker
from tests.unit.operations.test_shared_stream import Masters

SUBSCRIPTIONS = ("event", "job", "minions", "batch")
MAX = 2**53 - 1
SUBSCRIBE = '{"type": "subscribe", "id": 5, "subscription": "event", "since": '

ODD: dict[str, Any] = {
    "null in it": {"m1": None},
    "nested": {"m1": {"epoch": {"epoch": "x", "seq": 1}, "seq": 1}},
    "nested deeply": {"m1": {"m1": {"m1": {"epoch": "x", "seq": 1}}}},
    "a list": {"m1": [1, 2]},
    "a list of positions": [{"epoch": "epoch-m1", "seq": 1}],
    "true": True,
    "a number": 7,
    "text": "epoch-m1-1",
    "a key of 10 kB": {"x" * 10_000: {"epoch": "x", "seq": 1}},
    "an empty key": {"": {"epoch": "x", "seq": 1}},
    "65 masters": {f"m{number}": {"epoch": "x", "seq": 1} for number in range(65)},
    "1,000 masters": {f"m{number}": {"epoch": "x", "seq": 1} for number in range(1000)},
    "an epoch of 10 kB": {"epoch": "x" * 10_000, "seq": 1},
    "an empty epoch": {"epoch": "", "seq": 1},
    "an epoch and a master": {"epoch": "x", "seq": 1, "m2": {"epoch": "x", "seq": 1}},
    "an epoch that is a number": {"epoch": 5, "seq": 1},
    "no number": {"m1": {"epoch": "x"}},
    "no epoch": {"seq": 1},
    "a view without an epoch": {"view": "x", "seq": 1},
    "a view that is a list": {"epoch": "x", "seq": 1, "view": ["x"]},
    "a view in a vector": {"m1": {"epoch": "x", "seq": 1, "view": "x"}},
    **{
        f"the number {number!r}{where}": {"m1": position} if where else position
        for number in (-1, -(2**63), MAX + 1, 2**63, 2**64, 10**300, 1.0, 1.5, 1e300, True, False, None, "1", [1], {})
        for where in ("", " at a master")
        for position in ({"epoch": "epoch-m1", "seq": number},)
    },
}
"""Refused by every operation that reads a position."""

UNKNOWN: dict[str, Any] = {
    "names of JavaScript": {name: {"epoch": "x", "seq": 1} for name in ("__proto__", "constructor", "toString")},
    "control characters": {"\x00\n\x1b[31m": {"epoch": "\x00\n", "seq": 1}},
    "right to left": {"\u202em1": {"epoch": "\u202e", "seq": 1}},
    "a master called epoch": {"epoch": {"epoch": "x", "seq": 1}},
    "masters called seq and view": {"seq": {"epoch": "x", "seq": 1}, "view": {"epoch": "x", "seq": 1}},
    "64 masters": {f"x{number}": {"epoch": "x", "seq": MAX} for number in range(64)},
    "a key of 255 characters": {"\U0001f600" * 255: {"epoch": "x", "seq": 1}},
    "nothing": {},
    "a number of the future": {"epoch": "epoch-m1", "seq": MAX},
    "a number of the future here": {"m1": {"epoch": "epoch-m1", "seq": MAX}},
}
"""Understood, but not known here: the sender gets a gap."""


def requests(since: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return each request with this position."""
    found = [("subscribe", {"subscription": kind, "since": since}) for kind in SUBSCRIPTIONS]
    return [*found, ("get_event", {"since": since, "wait": 0})]


@pytest.mark.parametrize("case", ODD)
async def test_an_odd_position_is_refused_by_its_sender_alone(case: str) -> None:
    """With a fault that does not have the value; the connection works on."""
    talker = await Masters("m1", "m2")["m1"].user()
    for kind, fields in requests(ODD[case]):
        with pytest.raises(Refused, match="bad_message") as refused:
            await talker.ask(kind, **fields)
        assert "xxxxx" not in json.dumps(refused.value.error)
        assert all(fault["path"].startswith("/since") for fault in refused.value.error["details"])
    assert await talker.ask("ping")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 2000])
async def test_a_number_that_json_does_not_have_is_refused(text: str) -> None:
    """As any such message."""
    talker = await Masters("m1", "m2")["m1"].user()
    reply = await talker.raw(SUBSCRIBE + '{"epoch": "e", "seq": ' + text + "}}")
    assert reply["error"] == "bad_json"


@pytest.mark.parametrize(
    "since", ['{"m1": 1, "m1": {"epoch": "e", "seq": 1}}', '{"epoch": "e", "seq": 1, "seq": 2}', '{"\\ud800": 1}']
)
async def test_a_position_with_a_key_twice_is_refused(since: str) -> None:
    """Which of both counts would depend on the reader. Half a character is no text."""
    talker = await Masters("m1", "m2")["m1"].user()
    reply = await talker.raw(f"{SUBSCRIBE}{since}}}")
    assert reply["error"] == "bad_json"


@pytest.mark.parametrize("case", UNKNOWN)
async def test_an_unknown_position_ends_in_a_gap(case: str) -> None:
    """The frame and the position after it are valid: the client can send them back."""
    masters = Masters("m1", "m2")
    masters["m1"].world.fire("t/0")
    await masters.carry()
    talker = await masters["m1"].user()
    for kind in SUBSCRIPTIONS:
        result = await talker.ask("subscribe", subscription=kind, since=UNKNOWN[case])
        assert result["recovered"] is False
        if kind == "event":
            frames = talker.frames
            assert [frame["type"] for frame in frames][:1] == ["gap"]
            again = frames[-1].get("since", result["since"])
            await talker.ask("subscribe", subscription="event", since=again)
    with pytest.raises(Refused, match="gap"):
        await talker.ask("get_event", since=UNKNOWN[case], wait=0)


@pytest.mark.parametrize(
    ("since", "words"),
    [
        ({f"m{number}": {"epoch": "x", "seq": 1} for number in range(65)}, "/since must have at most 64 fields"),
        ({"x" * 256: {"epoch": "x", "seq": 1}}, "/since has a master's id that is empty or longer than 255 characters"),
        ({"": {"epoch": "x", "seq": 1}}, "/since has a master's id that is empty or longer than 255 characters"),
        ({"epoch": "x", "seq": 1, "view": "x"}, "/since is a position of jobs, minions or batches: send one of events"),
    ],
)
async def test_a_fault_says_what_is_wrong(since: Any, words: str) -> None:
    """In the words of positions."""
    talker = await Masters("m1", "m2")["m1"].user()
    for kind, fields in (requests(since)[0], requests(since)[-1]):
        with pytest.raises(Refused) as refused:
            await talker.ask(kind, **fields)
        assert refused.value.error["message"] == words


async def snapshot(talker: Talker, kind: str, **fields: Any) -> tuple[bool | None, list[dict[str, Any]], Any]:
    """Subscribe; return whether that resumes, the frames before ``live``, and the position."""
    result = await talker.ask("subscribe", subscription=kind, **fields)
    frames = [frame for frame in talker.frames if frame["subscription"] == result["subscription"]]
    at = [frame["type"] for frame in frames].index("live")
    return result["recovered"], frames[:at], frames[at]["position"]


async def started() -> Engine:
    """An engine with a job of each user and minions that changed."""
    engine = Engine(ann=ALL, bob=[{"web1": ["test.*"]}])
    for name, fun in (("ann", "cmd.run"), ("bob", "test.ping")):
        await (await engine.user(name)).ask("cmd", fun=fun, tgt="web1")
    engine.returns("20261123150000000001", "web1", "the secret of ann")
    return engine


@pytest.mark.parametrize("kind", ["job", "minions", "batch"])
async def test_a_position_of_another_user_shows_the_own_snapshot(kind: str) -> None:
    """And all of it: the other one has other things."""
    engine = await started()
    ann, bob = await engine.user("ann"), await engine.user("bob")
    _, _, position = await snapshot(ann, kind)
    _, whole, own = await snapshot(bob, kind)
    for forged in (position, {**own, "seq": 0, "view": position["view"]}, {**position, "view": "x" * 24}):
        recovered, found, _ = await snapshot(await engine.user("bob"), kind, since=forged)
        assert recovered is False
        assert [without(frame) for frame in found] == [without(frame) for frame in whole]


@pytest.mark.parametrize("seq", [0, 1, 2])
@pytest.mark.parametrize("kind", ["job", "minions", "batch"])
async def test_an_earlier_number_of_the_own_view_shows_nothing_more(kind: str, seq: int) -> None:
    """A client may make up a number. It gets things that it may see, and learns nothing of others."""
    engine = await started()
    bob = await engine.user("bob")
    _, whole, own = await snapshot(bob, kind)
    recovered, found, _ = await snapshot(bob, kind, since={**own, "seq": seq})
    assert recovered is True
    text = json.dumps(found)
    assert "web2" not in text
    assert "secret of ann" not in text
    assert set(names(found)) <= set(names(whole))


@pytest.mark.parametrize("kind", ["job", "minions", "batch"])
@pytest.mark.parametrize("other", ["event", "job", "minions", "batch"])
async def test_a_position_of_another_subscription_is_not_continued(kind: str, other: str) -> None:
    """Its numbers count other things. Both numberings can have one name."""
    engine = await started()
    talker = await engine.user()
    if other == "event":
        result = await talker.ask("subscribe", subscription="event")
        position = {"epoch": result["epoch"], "seq": result["seq"]}
    else:
        _, _, position = await snapshot(talker, other)
    talker = await engine.user()
    assert (await snapshot(talker, kind, since=position))[0] is (kind == other)
    if other != "event":
        for request in (requests(position)[0], requests(position)[-1]):
            with pytest.raises(Refused, match="position of jobs, minions or batches"):
                await talker.ask(request[0], **request[1])


@pytest.mark.parametrize("kind", ["event", "job", "minions"])
async def test_a_user_who_has_lost_a_right_resumes_without_it(kind: str) -> None:
    """Between two connections. What is sent is decided by the permissions of now."""
    engine = Engine(ann=ALL, bob=[{"web*": ["test.*"]}])
    bob = await engine.user("bob")
    if kind == "event":
        result = await bob.ask("subscribe", subscription="event")
        position: Any = {"epoch": result["epoch"], "seq": result["seq"]}
    else:
        _, _, position = await snapshot(bob, kind)
    ann = await engine.user("ann")
    await ann.ask("cmd", fun="test.ping", tgt="web*")
    for minion in ("web1", "web2"):
        engine.returns("20261123150000000001", minion, f"what {minion} returned")
        engine.world.fire("minion_start", id=minion, cmd="_minion_event", tag="minion_start", data="x")
    engine.accounts.users["bob"] = [{"web1": ["test.*"]}]
    bob = await engine.user("bob")
    if kind == "event":
        await bob.ask("subscribe", subscription="event", since=position)
        found = bob.frames
    else:
        recovered, found, _ = await snapshot(bob, kind, since=position)
        assert recovered is False
    text = json.dumps(found)
    assert "web1" in text
    assert "web2" not in text


def without(frame: dict[str, Any]) -> dict[str, Any]:
    """Return a frame without what differs from one subscription to the next."""
    return {name: value for name, value in frame.items() if name not in ("subscription", "seq")}


def names(frames: list[dict[str, Any]]) -> list[str]:
    """Return the jobs or minions of frames."""
    return [name for frame in frames for name in (frame.get("minions") if "jid" not in frame else [frame["jid"]]) or ()]


def test_every_position_in_a_schema_is_one_of_these() -> None:
    """A new operation that reads a position must be added to the requests above."""
    known = {kind for kind, _ in requests(None)}
    read = {name for name, schema in SCHEMAS.operations.items() if "if" in schema["properties"].get("since", {})}
    assert read == known
