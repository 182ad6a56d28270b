"""Several masters, one stream: the minions of all masters are shown by each."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.sharing import minions as shared

from tests.unit.operations.engine import MINIONS, Engine
from tests.unit.operations.test_shared_restart import reload
from tests.unit.operations.test_shared_stream import Masters


async def fleets() -> Masters:
    """Two masters: m1 with the minions that every engine of these tests has, m2 with `db9` in addition."""
    masters = Masters("m1", "m2")
    own(masters["m2"], *MINIONS, "db9")
    await masters.carry()
    return masters


def own(engine: Engine, *names: str) -> None:
    """Set the accepted keys of a master."""
    engine.services.minions.read_keys(dict.fromkeys(names, "accepted"))


async def listed(engine: Engine, user: str = "ann", **fields: Any) -> dict[str, Any]:
    """Return the minions that a user sees, with their masters."""
    found = await (await engine.user(user)).ask("list_minions", **fields)
    return {one["id"]: one["master"] for one in found}


async def test_minions_of_another_master_are_shown_with_its_id() -> None:
    """Those with a key at both belong to the serving one. Functions do not run on the others."""
    masters = await fleets()
    assert await listed(masters["m1"]) == {**dict.fromkeys(sorted(MINIONS), "m1"), "db9": "m2"}
    assert await listed(masters["m1"], master="m2") == {"db9": "m2"}
    assert set((await listed(masters["m2"])).values()) == {"m2"}
    registry = masters["m1"].services.minions
    assert (registry.is_reachable("db9"), registry.keys_stale) == (False, False)
    found = await (await masters["m1"].user()).ask("match", tgt="*")
    assert "db9" not in found


async def test_changes_reach_the_other_masters() -> None:
    """Connected or not, a key that is deleted, and a key that is accepted here too."""
    masters = await fleets()
    talker = await masters["m1"].user()
    await talker.ask("subscribe", subscription="minions", minions=["db9"])
    talker.frames.clear()

    async def state() -> Any:
        await masters.carry()
        found = [frame["minions"] for frame in talker.frames if "minions" in frame]
        return found[-1]["db9"] if found else None

    masters["m2"].world.fire("salt/minion/db9/start", cmd="_minion_event", id="db9", data="")
    before = await state()
    assert (before["connected"], before["master"], before["grains"]) == (True, "m2", None)
    masters["m2"].services.minions.absent(["db9"])
    assert (await state())["connected"] is False
    own(masters["m1"], *MINIONS, "db9")
    assert (await state())["master"] == "m1"
    own(masters["m1"], *MINIONS)
    assert await state() is None
    masters["m2"].parts.notes.minions.refresh()  # type: ignore[union-attr]
    assert (await state())["master"] == "m2"
    own(masters["m2"], *MINIONS)
    assert await state() is None


async def test_a_list_of_all_removes_what_is_gone() -> None:
    """An engine was away when a key was deleted. Large lists come in several chunks."""
    masters = await fleets()
    many = [f"n{number}" for number in range(shared.CHUNK_MINIONS * 2)]
    own(masters["m2"], *many)
    for _ in range(4):
        await masters.carry()
    assert len(await listed(masters["m1"], master="m2")) == len(many)
    masters["m1"].services.minions.set_elsewhere("gone", "m2", True, 1.0)
    masters["m1"].services.minions.set_elsewhere("other", "m3", True, 1.0)
    masters["m2"].parts.notes.minions.refresh()  # type: ignore[union-attr]
    for _ in range(4):
        await masters.carry()
    assert set(await listed(masters["m1"], master="m2")) == set(many)
    assert await listed(masters["m1"], master="m3") == {"other": "m3"}


async def test_users_see_the_minions_that_their_permissions_match() -> None:
    """The serving master decides, as for its own: by `test.ping`, on targets that match by the id."""
    masters = await fleets()
    accounts = masters["m1"].accounts
    accounts.users = {"all": [".*"], "web": [{"web*": ["test.ping"]}], "keys": ["@wheel"], "runs": ["@runner"]}
    found = {name: set(await listed(masters["m1"], name)) for name in accounts.users}
    assert ("db9" in found["all"], "db9" in found["keys"]) == (True, True)
    assert ("db9" in found["web"], found["runs"]) == (False, set())


async def test_a_reload_keeps_the_minions_of_others() -> None:
    """They are read from the log again, and are not taken for own ones."""
    masters = await fleets()
    await reload(masters, "m1")
    await masters.carry()
    assert (await listed(masters["m1"]))["db9"] == "m2"


@pytest.mark.parametrize(
    "notes",
    [
        b'{"minions":[["x",5,1]],"ended":[],"asked":[]}',
        b'{"minions":[["x",true,"late"]],"ended":[],"asked":[]}',
        b'{"minions":[[["x"],true,1]],"ended":[],"asked":[]}',
        b'{"minions":[["x",true]],"ended":[],"asked":[]}',
        b'{"minions":[["x",1,1]],"ended":[],"asked":[]}',
        b'{"minions":[["x",true,1e300]],"ended":[],"asked":[]}',
        b'{"minions":[["x",true,1%b]],"ended":[],"asked":[]}' % (b"0" * 400),
        b'{"minions":[[]],"ended":[],"asked":[]}',
        b'{"minions":7,"ended":[],"asked":[]}',
    ],
)
async def test_what_is_not_understood_changes_nothing(notes: bytes) -> None:
    """Another program may write into the log."""
    masters = await fleets()
    following = masters["m1"].parts.following
    assert following is not None
    await following.deliver("m2", ("epoch-m2", 0, 0, b"", notes))
    assert set(await listed(masters["m1"])) == {*MINIONS, "db9"}


async def test_other_masters_minions_are_not_counted_here() -> None:
    """Each master's metrics count its own."""
    masters = await fleets()
    by_state = masters["m1"].services.fleet.minions.by_state
    assert sum(by_state.values()) == len(MINIONS)
