"""Several masters: a client that follows some of them gets the gaps in which their events may be missing only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.unit.operations.engine import Engine, Refused, Talker
from tests.unit.operations.test_master_filter import CHOICES, NAMES, sent
from tests.unit.operations.test_shared_stream import Masters

FILTERS: list[Any] = [None, *CHOICES]


async def restart_m2(masters: Masters) -> None:
    """Let the engine of m2 start again: what happened meanwhile is missing."""
    await masters.restart("m2", "again")
    await masters.carry()


async def lose_the_bus_of_m1(masters: Masters) -> None:
    """Let the engine of m1 lose its own master's bus."""
    masters["m1"].services.hub.append_gap()


CAUSES = pytest.mark.parametrize(("of", "cause"), [("m2", restart_m2), ("m1", lose_the_bus_of_m1)])
Cause = Callable[[Masters], Awaitable[None]]


async def three() -> Masters:
    """Three masters that have fired an event each."""
    masters = Masters(*NAMES)
    for name in NAMES:
        masters[name].world.fire("t/0")
    await masters.carry()
    return masters


def only(master: Any) -> dict[str, Any]:
    """Return the filter as part of a message."""
    return {} if master is None else {"master": master}


def follows(master: Any, name: str) -> bool:
    """Return whether a filter wants the events of a master."""
    return master is None or name == master or (isinstance(master, list) and name in master)


async def subscribe(talker: Talker, master: Any, **fields: Any) -> Any:
    return await talker.ask("subscribe", subscription="event", tag="t/", **only(master), **fields)


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    """Return the types of frames, without bookmarks."""
    return [frame["type"] for frame in frames if frame["type"] != "bookmark"]


@CAUSES
async def test_a_gap_is_sent_to_clients_that_follow_its_master(of: str, cause: Cause) -> None:
    """In its place among the events of the masters that they follow."""
    masters = await three()
    talker = await masters["m1"].user()
    numbers = [(await subscribe(talker, master))["subscription"] for master in FILTERS]
    await cause(masters)
    for name in NAMES:
        masters[name].world.fire("t/1")
    await masters.carry()
    frames = sent(talker)
    for number, master in zip(numbers, FILTERS, strict=True):
        gap = ["gap"] if follows(master, of) else []
        assert kinds(frames[number]) == [*gap, *("event" for name in NAMES if follows(master, name))], master


@CAUSES
@pytest.mark.parametrize("at_each", [True, False])
async def test_a_replay_is_whole_if_no_followed_master_has_a_gap(of: str, cause: Cause, at_each: bool) -> None:
    """From a position here, and from one at each master: `recovered` says the same as the frames."""
    masters = await three()
    talker = await masters["m1"].user()
    begun = await subscribe(talker, None)
    since = begun["since"] if at_each else {"epoch": begun["epoch"], "seq": begun["seq"]}
    await cause(masters)
    for name in NAMES:
        masters[name].world.fire("t/1")
    await masters.carry()
    sent(talker)
    for master in FILTERS:
        result = await subscribe(talker, master, since=since)
        frames = kinds(sent(talker)[result["subscription"]])
        assert (result["recovered"], "gap" in frames) == (not follows(master, of), follows(master, of)), master
        assert frames.count("event") == sum(follows(master, name) for name in NAMES), master


@CAUSES
async def test_the_next_event_is_found_behind_a_gap_of_another_master(of: str, cause: Cause) -> None:
    """A gap of a master that is asked for is an error, as without other masters."""
    masters = await three()
    talker = await masters["m1"].user()
    begun = await subscribe(talker, None)
    simple = {"epoch": begun["epoch"], "seq": begun["seq"]}
    await cause(masters)
    for name in NAMES:
        masters[name].world.fire("t/1")
    await masters.carry()
    for since in (simple, begun["since"]):
        for name in NAMES:
            asked = {"tag": "t/", "master": name, "since": since, "wait": 1, "full": True}
            if name == of:
                with pytest.raises(Refused, match="gap"):
                    await talker.ask("get_event", **asked)
            else:
                assert (await talker.ask("get_event", **asked))["master"] == name


@pytest.mark.parametrize("master", FILTERS)
async def test_unknown_positions_of_other_masters_leave_no_gap(master: Any) -> None:
    """The gap names those that the client follows."""
    masters = await three()
    known = (await subscribe(await masters["m1"].user(), None))["since"]
    since = {**known, "m2": {"epoch": "other", "seq": 1}, "unknown": {"epoch": "x", "seq": 1}}
    del since["m3"]
    talker = await masters["m1"].user()
    result = await subscribe(talker, master, since=since)
    named = {name for frame in talker.frames for name in frame.get("masters", ())}
    assert named == {name for name in ("m2", "m3", "unknown") if follows(master, name)}
    assert result["recovered"] is not bool(named)


@pytest.mark.parametrize("master", FILTERS)
async def test_a_position_that_the_log_never_has_leaves_a_gap_for_its_followers(master: Any) -> None:
    """The engine has started again, and finds out later that the position does not come."""
    masters = await three()
    await masters.restart("m1", "another", read=False)
    talker = await masters["m1"].user()
    since = {"m1": {"epoch": "another", "seq": 0}, "m2": {"epoch": "lost", "seq": 7}}
    result = await subscribe(talker, master, since=since)
    await masters.carry()
    masters.note_end("m1", 10)
    gaps = [frame for frame in sent(talker)[result["subscription"]] if frame["type"] == "gap"]
    assert [list(gap["masters"]) for gap in gaps if "m2" in gap["masters"]] == [["m2"]] * follows(master, "m2")


async def test_a_gap_that_may_be_of_any_master_is_sent_to_all() -> None:
    """A cluster's bus has the events of all masters, and so had the events that were dropped from the history."""
    alone, member = Engine(master_id="m1"), Engine(master_id="m1", cluster_id="m1")
    for engine in (alone, member):
        talker = await engine.user()
        begun = [await subscribe(talker, master) for master in FILTERS]
        engine.services.hub.append_gap()
        frames = sent(talker)
        assert [kinds(frames[one["subscription"]]) for one in begun] == [["gap"]] * len(FILTERS)
        results = [await subscribe(talker, master, since={"epoch": "epoch1", "seq": 0}) for master in FILTERS]
        assert {one["recovered"] for one in results} == {False}
    masters = await three()
    for _ in range(1100):
        masters["m1"].world.fire("u")
    talker = await masters["m1"].user()
    for master in FILTERS:
        result = await subscribe(talker, master, since={"epoch": "epoch-m1", "seq": 0})
        assert (result["recovered"], kinds(sent(talker)[result["subscription"]])) == (False, ["gap"])
