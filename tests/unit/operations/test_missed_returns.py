"""Jobs that ended while the bus was lost: the job cache has what the bus did not bring."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.operations.stored_jobs import read_missed

from tests.unit.operations.engine import Engine

RETURN: dict[str, Any] = {"return": [1, "x"], "retcode": 0, "success": True}


def stored(kind: str, load: dict[str, Any], returns: dict[str, Any]) -> dict[str, Any]:
    """Return a record of the job cache."""
    return {"kind": kind, "reported_by": None, "load": load, "returns": returns}


@pytest.mark.parametrize("success", [True, False])
async def test_a_runner_that_ended_meanwhile_has_ended(success: bool) -> None:
    """Its followers get the return; without it they would wait for ever."""
    engine = Engine(ann=["@runner", "@jobs"])
    ann = await engine.user("ann")
    jid = (await ann.ask("runner", fun="manage.up"))["jid"]
    await ann.ask("subscribe", subscription="job", jid=jid)
    await read_missed(engine.services, 10)
    assert (await ann.ask("get_job", jid=jid))["state"] == "running", "the job cache does not have it yet"
    ended = {"master": {**RETURN, "success": success}}
    engine.store.jobs[jid] = stored("runner", {"fun": "runner.manage.up", "user": "ann"}, ended)
    assert len(ann.frames) > 0
    await read_missed(engine.services, 10)
    engine.world.time.pass_(1)
    job = await ann.ask("get_job", jid=jid)
    assert (job["state"], job["return"]) == ("complete" if success else "failed", RETURN["return"])
    states = [frame["job"]["state"] for frame in ann.frames if frame["type"] == "job"]
    assert states == [job["state"]]
    memory = engine.services.jobs.get(jid)
    await read_missed(engine.services, 10)
    assert engine.services.jobs.get(jid) is memory


async def test_minions_that_returned_meanwhile_are_not_missing() -> None:
    """What the bus brought stays; a return of a minion that was not addressed does not count."""
    engine = Engine(ann=[".*", "@jobs"])
    ann = await engine.user("ann")
    jid = (await ann.ask("cmd", fun="test.ping", tgt="web*"))["jid"]
    engine.returns(jid, "web1", "by the bus")
    returns = {name: {**RETURN, "return": "stored"} for name in ("web1", "web2", "db")}
    load = {"fun": "test.ping", "arg": [], "tgt": "web*", "user": "ann", "minions": ["web1", "web2"]}
    engine.store.jobs[jid] = stored("job", load, returns)
    await read_missed(engine.services, 10)
    job = await ann.ask("get_job", jid=jid)
    found = {name: part["return"] for name, part in job["minions"].items()}
    assert (job["state"], found) == ("complete", {"web1": "by the bus", "web2": "stored"})
