"""Several masters, one stream: only minions of a job's own master speak for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operations.test_shared_stream import Masters

JID = "20261123150000000001"


async def started(masters: Masters) -> None:
    """Let m1 run a job on a minion whose id is also that of a minion of m2."""
    masters["m1"].world.fire(f"salt/job/{JID}/new", fun="test.sleep", minions=["web1"], user="root")
    await masters.carry()


async def state(masters: Masters, reader: str) -> tuple[Any, ...]:
    """Return what an engine shows of the job."""
    job = await (await masters[reader].user()).ask("get_job", jid=JID)
    part = job["minions"]["web1"]
    return job["master"], job["fun"], part["state"], part["return"], part["progress"]


@pytest.mark.parametrize("clustered", [True, False])
@pytest.mark.parametrize("reader", ["m1", "m2", "m3"])
async def test_a_return_at_another_master_does_not_count(reader: str, clustered: bool) -> None:
    """Its minion has the same id, and knows the jid. In a cluster a minion may return to any of the masters."""
    masters = Masters("m1", "m2", "m3", clustered=clustered)
    await masters.carry()
    await started(masters)
    masters["m2"].world.fire(f"salt/job/{JID}/prog/web1/1", cmd="_minion_event", id="web1", data={"progress": 50})
    masters["m2"].returns(JID, "web1", "forged")
    await masters.carry()
    expected = ("returned", "forged") if clustered else ("pending", None)
    assert (await state(masters, reader))[:4] == ("m1", "test.sleep", *expected)
    masters["m1"].returns(JID, "web1", "true")
    await masters.carry()
    assert (await state(masters, reader))[:4] == ("m1", "test.sleep", "returned", "true")


async def test_a_return_at_another_master_before_the_announcement_is_dropped() -> None:
    """The log is late: the forged return is read first."""
    masters = Masters("m1", "m2")
    await masters.carry()
    masters["m2"].returns(JID, "web1", "forged")
    await started(masters)
    for reader in ("m1", "m2"):
        assert (await state(masters, reader))[:4] == ("m1", "test.sleep", "pending", None)
    masters["m1"].returns(JID, "web1", "true")
    await masters.carry()
    for reader in ("m1", "m2"):
        assert (await state(masters, reader))[3] == "true"


@pytest.mark.parametrize("kind", ["run", "wheel"])
async def test_a_runner_ends_at_its_own_master(kind: str) -> None:
    """Two masters may make the same jid: the first announcement counts."""
    masters = Masters("m1", "m2")
    await masters.carry()
    name = {"run": "runner", "wheel": "wheel"}[kind]
    new = {"fun": f"{name}.test.sleep", "user": "root", "jid": JID, "fun_args": []}
    masters["m1"].world.fire(f"salt/{kind}/{JID}/new", **new)
    await masters.carry()
    masters["m2"].world.fire(f"salt/{kind}/{JID}/ret", **{**new, "return": "other", "success": True})
    await masters.carry()
    for reader in ("m1", "m2"):
        job = await (await masters[reader].user()).ask("get_job", jid=JID)
        assert (job["state"], job["return"], job["master"]) == ("running", None, "m1")
    masters["m1"].world.fire(f"salt/{kind}/{JID}/ret", **{**new, "return": "true", "success": True})
    await masters.carry()
    for reader in ("m1", "m2"):
        job = await (await masters[reader].user()).ask("get_job", jid=JID)
        assert (job["state"], job["return"]) == ("complete", "true")
