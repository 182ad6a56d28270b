"""Operations of a master of masters, with minions that only a master below knows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.operations.engine import Engine, Refused

EVERYTHING = [".*", "@runner", "@wheel"]
SECONDS = 20.0  # syndic_wait and gather_job_timeout are over


def upper(**users: list[Any]) -> Engine:
    """A master with three minions of its own, a syndic, and the minion ``m1`` below it."""
    engine = Engine(syndics=True, **(users or {"ann": EVERYTHING}))
    keys = {**dict.fromkeys(engine.sets["*"], "accepted"), "low": "accepted"}
    engine.services.minions.read_keys(keys, ["low"])
    engine.world.fire("syndic/low/salt/job/20261123120000000001/new", minions=["m1"])
    engine.sets["*"] = [*engine.sets["*"], "low"]
    engine.commands.answers["test.ping"] = True
    return engine


def passed_on(engine: Engine, jid: str, minion: str) -> None:
    engine.world.fire(f"salt/job/{jid}/ret/{minion}", jid=jid, id=minion, retcode=0, success=True, **{"return": True})


def wait(engine: Engine, seconds: float = SECONDS) -> None:
    engine.time.pass_(seconds)
    engine.services.jobs.end_gathering()


async def test_a_job_on_a_minion_below_ends_with_its_return() -> None:
    """The upper master names no minion for it."""
    engine = upper()
    talker = await engine.user()
    job = talker.start("cmd", fun="test.ping", tgt="m1", mode="sync")
    for _ in range(20):
        await asyncio.sleep(0)
    jid = engine.commands.published[-1]["jid"]
    assert (await talker.ask("get_job", jid=jid))["state"] == "running"
    engine.world.fire(f"syndic/low/salt/job/{jid}/new", minions=["m1"])
    passed_on(engine, jid, "m1")
    ended = await job()
    assert (ended["state"], list(ended["minions"])) == ("complete", ["m1"])


async def test_a_job_that_matches_nobody_ends() -> None:
    """No error: whether it matches a minion below is known only after the wait."""
    engine = upper()
    talker = await engine.user()
    started = await talker.ask("cmd", fun="test.ping", tgt="zz*")
    assert started["minions"] == []
    wait(engine)
    job = await talker.ask("get_job", jid=started["jid"])
    assert (job["state"], job["total"]) == ("complete", 0)


async def test_unknown_ids_are_all_sent() -> None:
    """A master below may know them; of a list without masters below only a few are."""
    engine = upper()
    talker = await engine.user()
    ids = ["web1", *(f"x{number}" for number in range(100))]
    for tgt, fields in ((ids, {}), (f"L@{','.join(ids)} or G@a:b", {"tgt_type": "compound"})):
        engine.sets[str(tgt)] = ["web1"]
        await talker.ask("cmd", fun="test.ping", tgt=tgt, **fields)
        assert engine.commands.published[-1]["tgt"] == tgt


async def test_cancel_and_get_job_agree() -> None:
    """Before a master below has named its minions, there is nothing to stop, and the job has not ended."""
    engine = upper()
    talker = await engine.user()
    jid = (await talker.ask("cmd", fun="test.sleep", arg=[60], tgt="m*"))["jid"]
    with pytest.raises(Refused, match="have not named the minions"):
        await talker.ask("cancel", jid=jid)
    engine.world.fire(f"syndic/low/salt/job/{jid}/new", minions=["m1"])
    assert (await talker.ask("cancel", jid=jid))["minions"] == ["m1"]
    passed_on(engine, jid, "m1")
    wait(engine)
    assert (await talker.ask("get_job", jid=jid))["state"] == "complete"
    with pytest.raises(Refused, match="has ended"):
        await talker.ask("cancel", jid=jid)


async def test_the_syndic_is_not_expected() -> None:
    """It passes the job on."""
    engine = upper()
    talker = await engine.user()
    started = await talker.ask("cmd", fun="test.ping", tgt="*")
    assert "low" not in started["minions"]
    await asyncio.sleep(0)
    wait(engine)
    assert (await talker.ask("get_job", jid=started["jid"]))["state"] == "complete"


async def test_minions_below_are_listed_and_matched_with_their_syndic() -> None:
    """As soon as an event named them."""
    engine = upper()
    talker = await engine.user()
    listed = await talker.ask("list_minions", grains=False)
    assert {one["id"] for one in listed} == {"db", "low", "m1", "web1", "web2"}
    assert [one["id"] for one in listed if one.get("syndic") == "low"] == ["m1"]
    assert await talker.ask("match", tgt="m1") == ["m1"]
    assert "low" not in await talker.ask("match", tgt="*"), "it only passes jobs on"


async def test_a_batch_sends_ids_that_this_master_does_not_know() -> None:
    """Without masters below, they would be errors at once."""
    engine = upper()
    await engine.services.batches.maintenance.tick()
    talker = await engine.user()
    tgts = (["web1", "m1", "x"], "m1", "*")
    batch = await talker.ask("batch", batch=[{"fun": "test.ping", "tgt": tgt} for tgt in tgts])
    requests = (await talker.ask("get_batch", batch=batch["id"], collection=True))["requests"]
    assert [one["status"] for one in requests] == ["pending"] * batch["total_count"]
    assert [one["minion"] for one in requests[:4]] == ["web1", "m1", "x", "m1"]
    assert "low" not in {one["minion"] for one in requests}


@pytest.mark.parametrize(
    ("entry", "runs"),
    [("test.ping", True), ({"m1": ["test.ping"]}, True), ({"m2": ["test.ping"]}, False), ({"web1": [".*"]}, False)],
)
async def test_users_of_some_minions_reach_those_below_that_their_entries_match(entry: Any, runs: bool) -> None:
    """By id. The lower master checks the same auth list against its own minions."""
    engine = upper(ann=[entry])
    engine.sets["m2"] = []
    talker = await engine.user()
    for target in ("m1", ["m1"]):
        if runs:
            await talker.ask("cmd", fun="test.ping", tgt=target)
        else:
            with pytest.raises(Refused, match="forbidden"):
                await talker.ask("cmd", fun="test.ping", tgt=target)
    seen = [one["id"] for one in await talker.ask("list_minions", grains=False)]
    assert ("m1" in seen) is runs
    assert ("m1" in await talker.ask("match", tgt="m1")) is runs
