"""Several masters with one store of batches: each batch names its master, and clients can ask for those of some."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.core.batches import support as batching
from tests.unit.operations.engine import ALL, Engine, Refused
from tests.unit.operations.test_master_filter import CHOICES, NAMES, chosen, sent
from tests.unit.operations.test_shared_stream import Masters

USERS: dict[str, Any] = {"ann": ALL, "bob": ["test.ping"]}


async def started(**options: Any) -> Engine:
    """Return an engine whose batch store has answered."""
    engine = Engine(**options, **USERS)
    await engine.services.batches.maintenance.tick()
    return engine


async def masters() -> dict[str, Engine]:
    """Three masters with a common store."""
    store = batching.Store()
    return {name: await started(master_id=name, batches=store) for name in NAMES}


async def create(engine: Engine, user: str = "ann") -> dict[str, Any]:
    """Create a batch."""
    made: dict[str, Any] = await (await engine.user(user)).ask("batch", batch=[{"fun": "test.ping", "tgt": "web1"}])
    return made


async def pass_(engine: Engine, seconds: int) -> None:
    """Advance the time, with the work of each second."""
    for _ in range(seconds):
        engine.time.pass_(1)
        await engine.services.batches.maintenance.tick()
        await batching.settle()


@pytest.mark.parametrize("master", CHOICES)
async def test_lists_and_subscriptions_have_the_batches_of_the_masters(master: Any) -> None:
    """First what is there, then what changes. A master that is unknown has none."""
    engines = await masters()
    ids = {name: (await create(engines[name]))["id"] for name in NAMES}
    talker = await engines["m1"].user()
    expected = {ids[name]: name for name in chosen(master)}
    found = await talker.ask("list_batches", master=master)
    assert {one["id"]: one["master"] for one in found} == expected
    number = (await talker.ask("subscribe", subscription="batch", master=master))["subscription"]
    for paused in (False, True):
        frames = sent(talker)[number]
        shown = {one["batch"]["id"]: one["batch"] for one in frames if one["type"] == "batch"}
        assert {id_: one["master"] for id_, one in shown.items()} == expected
        assert all(one["paused"] is paused for one in shown.values())
        assert paused or frames[-1]["type"] == "live"
        for name in NAMES:
            await (await engines[name].user()).ask("pause_batch", batch=ids[name])
        await pass_(engines["m1"], 6)


async def test_a_user_sees_the_same_batches_with_and_without_the_filter() -> None:
    """Those of others stay hidden, at each master."""
    engines = await masters()
    made = {name: await create(engines[name], "bob") for name in NAMES[:2]}
    await create(engines["m2"])
    talker = await engines["m1"].user("bob")
    assert [len(await talker.ask("list_batches", master=name)) for name in NAMES] == [1, 1, 0]
    every = await talker.ask("list_batches")
    assert {one["id"]: one["master"] for one in every} == {one["id"]: name for name, one in made.items()}


async def test_a_batch_names_its_master_wherever_it_is_shown() -> None:
    """When it is created, read, paused and canceled, and in frames."""
    engine = await started(master_id="m1", batches=batching.Store())
    made = await create(engine)
    talker = await engine.user()
    number = (await talker.ask("subscribe", subscription="batch", batch=made["id"]))["subscription"]
    shown = [made, await talker.ask("get_batch", batch=made["id"], collection=True)]
    shown += [await talker.ask(f"{verb}_batch", batch=made["id"]) for verb in ("pause", "resume")]
    shown += [one["batch"] for one in sent(talker)[number] if one["type"] == "batch"]
    assert [one["master"] for one in shown] == ["m1"] * 5


async def test_batches_of_a_single_master_do_not_name_it() -> None:
    """Its id means all then, and any other id none."""
    engine = await started(master_id="m1")
    made = await create(engine)
    assert "master" not in made
    talker = await engine.user()
    for master, count in (("m1", 1), (["m2", "m1"], 1), ("m2", 0)):
        assert len(await talker.ask("list_batches", master=master)) == count
        number = (await talker.ask("subscribe", subscription="batch", master=master))["subscription"]
        assert len([one for one in sent(talker)[number] if one["type"] == "batch"]) == count


@pytest.mark.parametrize("kind", ["stream", "cluster"])
async def test_batches_name_their_master_where_jobs_do(kind: str) -> None:
    """Also if each master has a store of its own."""
    engine = Masters("m1", "m2")["m1"] if kind == "stream" else Engine(master_id="m1", cluster_id="m1")
    await engine.services.batches.maintenance.tick()
    talker = await engine.user()
    made = await talker.ask("batch", batch=[{"fun": "test.ping", "tgt": "web1"}])
    assert made["master"] == "m1"
    assert [len(await talker.ask("list_batches", master=name)) for name in ("m1", "m2")] == [1, 0]


async def test_the_id_of_a_batch_goes_without_a_master() -> None:
    """Else a batch of another master would be left out silently."""
    engine = await started(master_id="m1", batches=batching.Store())
    made, talker = await create(engine), await engine.user()
    with pytest.raises(Refused, match="/master does not go with the id of a batch"):
        await talker.ask("subscribe", subscription="batch", batch=made["id"], master="m1")


async def test_a_snapshot_of_some_masters_is_resumed_with_the_same_filter_only() -> None:
    """Then only what changed is sent, of these masters. With another filter all is sent again."""
    engines = await masters()
    ids = {name: (await create(engines[name]))["id"] for name in NAMES}
    await pass_(engines["m1"], 6)  # it has read those of the others
    talker = await engines["m1"].user()
    await talker.ask("subscribe", subscription="batch", master=["m1", "m2"])
    (since,) = (frame["position"] for frame in talker.frames if frame["type"] == "live")
    for name in ("m1", "m3"):
        await (await engines[name].user()).ask("pause_batch", batch=ids[name])
    await pass_(engines["m1"], 6)
    again = await engines["m1"].user()
    for master, recovered, names in ((["m2", "m1"], True, {"m1"}), ("m3", False, {"m3"}), (None, False, set(NAMES))):
        only = {} if master is None else {"master": master}
        result = await again.ask("subscribe", subscription="batch", since=since, **only)
        assert result["recovered"] is recovered
        frames = [one for one in sent(again)[result["subscription"]] if one["type"] == "batch"]
        assert {one["batch"]["id"] for one in frames} == {ids[name] for name in names}
