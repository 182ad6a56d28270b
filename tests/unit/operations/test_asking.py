"""Asking for much, and asking for what one may not know."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websocket_api.errors import ApiError
from websocket_api.operations import fleet, jobs

from tests.unit.live.support import World
from tests.unit.operations.support import Asking


async def test_a_long_list_of_jobs_is_gone_through_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand jobs that may not be seen hold nobody else up."""
    monkeypatch.setattr(jobs, "SLICE_SECONDS", 0.0)
    world, turns = World(), 0
    for number in range(50):
        jid = str(20261123120000000000 + number)
        world.fire(f"salt/job/{jid}/new", fun="cmd.run", arg=[], minions=["a"], missing=[], user="root")
    listing = asyncio.ensure_future(jobs.list_jobs(Asking(world, "test.ping").call()))
    while not listing.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await listing, turns > 40) == ([], True)


async def matched(*_: Any) -> list[str]:
    return ["db", "web1"]


@pytest.mark.parametrize(
    ("auth_list", "code"),
    [
        (["test.ping"], "forbidden"),
        ([{"mail": ["sys.*"]}], "no_minions"),
    ],
)
async def test_a_target_tells_nothing_to_who_may_not_ask(auth_list: list[Any], code: str) -> None:
    """Whether it matches anything is the same to them."""
    for answer in (matched, lambda *_: asyncio.sleep(0, [])):
        asking = Asking(World(), *auth_list, match=answer)
        with pytest.raises(ApiError) as caught:
            await fleet.functions(asking.call(tgt="G@secret:yes", tgt_type="compound"))
        assert caught.value.code == code


async def test_of_a_target_one_is_asked_whom_the_user_may_ask() -> None:
    """Though others of it may be livelier."""
    world = World()
    world.targets.sets["web*"] = {"web1"}
    asking = Asking(world, {"web*": ["sys.*"]}, match=matched)
    chosen = await fleet._one_minion(asking.call(tgt="*"), "sys.list_functions", [])
    assert chosen == "web1"
