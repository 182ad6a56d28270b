"""Large requests, and requests for hidden things."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websocket_api.core.access.turns import TURN_SECONDS
from websocket_api.errors import ApiError
from websocket_api.operations import jobs, minions

from tests.unit.core.support import World, ticks
from tests.unit.operations.support import Asking


@pytest.mark.parametrize("listed", [jobs.list_jobs, minions.list_minions])
async def test_a_long_list_is_gone_through_in_turns(listed: Any) -> None:
    """Thousands of hidden jobs or minions do not block others; the work ends when the client leaves."""
    world = World()
    for number in range(500):
        jid = str(20261123120000000000 + number)
        world.fire(f"salt/job/{jid}/new", fun="cmd.run", arg=[], minions=["a"], missing=[], user="root")
    world.minions.read_keys({f"m{number}": "accepted" for number in range(500)})
    ticks(world, TURN_SECONDS / 20)
    asking, leaving = Asking(world, "sys.doc"), Asking(world, "sys.doc")
    listing, gone = (asyncio.ensure_future(listed(one.call())) for one in (asking, leaving))
    await asyncio.sleep(0)
    assert (listing.done(), len(world.turns)) == (False, 2)
    leaving.client.connection.release()
    with pytest.raises(ApiError, match="gone"):
        await gone
    assert len(world.turns) == 1
    while not listing.done():
        world.time.pass_(TURN_SECONDS)
        await asyncio.sleep(0)
    assert (await listing, len(world.turns)) == ([], 0)


async def test_a_list_that_is_too_large_is_refused_before_it_is_made() -> None:
    """Encoding the grains of thousands of minions would block all others."""
    world = World()
    world.minions.read_keys({f"m{number}": "accepted" for number in range(100)})
    world.minions.read_grains({f"m{number}": {"x": "y" * 100_000} for number in range(100)})
    asking = Asking(world, ".*")
    with pytest.raises(ApiError, match="larger than"):
        await minions.list_minions(asking.call())
    assert len(await minions.list_minions(asking.call(minions=["m1", "m1", "m2"]))) == 2
    assert len(await minions.list_minions(asking.call(grains=False))) == 100


async def matched(*_: Any) -> list[str]:
    return ["db", "web1"]


@pytest.mark.parametrize(
    ("auth_list", "code"),
    [
        (["test.ping"], "forbidden"),
        ([{"mail": ["sys.*"]}], "no_minions"),
    ],
)
async def test_a_target_reveals_nothing_without_permission(auth_list: list[Any], code: str) -> None:
    """The answer is the same with and without matches."""
    for answer in (matched, lambda *_: asyncio.sleep(0, [])):
        asking = Asking(World(), *auth_list, match=answer)
        with pytest.raises(ApiError) as caught:
            await minions.functions(asking.call(tgt="G@secret:yes", tgt_type="compound"))
        assert caught.value.code == code


async def test_only_minions_with_permission_are_asked() -> None:
    """Also if another minion would be preferred."""
    world = World()
    world.targets.sets["web*"] = {"web1"}
    asking = Asking(world, {"web*": ["sys.*"]}, match=matched)
    chosen = await minions._one_minion(asking.call(tgt="*"), "sys.list_functions", [])
    assert chosen == "web1"
