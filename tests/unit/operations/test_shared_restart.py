"""Several masters, one stream, over reloads and restarts of an engine: positions go on, and the log lacks nothing."""

from __future__ import annotations

from pathlib import Path

from tests.unit.operations.engine import Engine
from tests.unit.operations.test_hand_over import handed_over
from tests.unit.operations.test_shared_stream import Follower, Masters


async def reload(masters: Masters, name: str) -> None:
    """Replace an engine by one that gets its state, and reads the others' streams again from their starts."""
    last = masters[name]
    last.parts.following.stop()  # type: ignore[union-attr]
    received = await handed_over(last)
    masters.engines[name] = Engine(master_id=name, log=masters.logs[name], received=received, clock=last.time)
    for other in masters.logs:
        masters.read_again(name, other)
        await masters.read(name, other)
    masters.begin(name)


async def test_a_reload_keeps_the_position_at_each_master() -> None:
    """What the last process had read is not read again, also if its history has dropped it."""
    masters = Masters("m1", "m2")
    await masters.carry()
    client = Follower()
    await client.follow(masters["m1"])
    masters["m2"].world.fire("t/1")
    await masters.carry()
    client.read()
    masters["m1"].time.pass_(1000)
    masters["m1"].services.history.drop_old(masters["m1"].time())
    for _ in range(2):
        masters["m1"].services.hub.bookmark()  # as every 30 s
    client.read()
    masters["m2"].world.fire("t/2")
    await masters.carry()
    before = masters["m1"].parts.share.vector()  # type: ignore[union-attr]
    await reload(masters, "m1")
    assert masters["m1"].parts.share.vector() == before  # type: ignore[union-attr]
    result = await client.follow(masters["m1"])
    masters["m2"].world.fire("t/3")
    masters["m1"].world.fire("t/4")
    await masters.carry()
    client.read()
    assert (result["recovered"], sorted(client.tags), client.gaps) == (True, ["t/1", "t/2", "t/3", "t/4"], [])


async def test_a_reload_writes_what_the_last_process_did_not_write() -> None:
    """The next process asks the log what it has."""
    masters = Masters("m1", "m2")
    await masters.carry()
    client = Follower()
    await client.follow(masters["m2"])
    masters["m1"].world.fire("t/1")
    await masters.carry()
    masters["m1"].world.fire("t/2")
    masters["m1"].time.pass_(1)
    masters.logs["m1"].chunks.pop()  # it waited for a Redis that was away
    masters["m1"].world.fire("t/3")
    await reload(masters, "m1")
    masters["m1"].world.fire("t/4")
    await masters.carry()
    client.read()
    assert (client.tags, client.gaps) == (["t/1", "t/2", "t/3", "t/4"], [])


async def test_a_job_of_another_master_stays_there_after_a_reload() -> None:
    """It is not canceled here, nor are its minions asked."""
    masters = Masters("m1", "m2")
    await masters.carry()
    started = await (await masters["m2"].user()).ask("cmd", fun="test.sleep", arg=[9], tgt="web*")
    own = await (await masters["m1"].user()).ask("cmd", fun="test.sleep", arg=[9], tgt="web*")
    await masters.carry()
    await reload(masters, "m1")
    jobs = masters["m1"].services.jobs
    found = {jid: (jobs.get(jid).master, jobs.get(jid).elsewhere) for jid in (started["jid"], own["jid"])}  # type: ignore[union-attr]
    assert found == {started["jid"]: ("m2", True), own["jid"]: ("m1", False)}


async def test_a_restart_with_a_journal_writes_what_was_not_written(tmp_path: Path) -> None:
    """The other master gets the events up to the end, and one gap for the absence."""
    masters = Masters("m1", "m2")
    log, time = masters.logs["m1"], masters["m1"].time
    masters.engines["m1"] = Engine(master_id="m1", log=log, cachedir=tmp_path, clock=time)
    masters.begin("m1")
    await masters.carry()
    client = Follower()
    await client.follow(masters["m2"])
    masters["m1"].world.fire("t/1")
    await masters.carry()
    written = len(log.chunks)
    masters["m1"].world.fire("t/2")
    time.pass_(1)
    masters["m1"].kill()
    del log.chunks[written:]
    masters.engines["m1"] = Engine(master_id="m1", log=log, cachedir=tmp_path, clock=time)
    masters.begin("m1")
    masters["m1"].world.fire("t/3")
    await masters.carry()
    client.read()
    assert client.tags == ["t/1", "t/2", "t/3"]
    assert [(gap["reason"], set(gap["masters"])) for gap in client.gaps] == [("restart", {"m1"})]


async def test_a_log_that_lost_its_data_gets_the_history_again() -> None:
    """After the next start of an engine. Others know the events already."""
    masters = Masters("m1", "m2")
    client = Follower()
    await client.follow(masters["m2"])
    masters["m1"].world.fire("t/1")
    await masters.carry()
    masters.logs["m1"].chunks.clear()
    await reload(masters, "m1")
    masters.read_again("m2", "m1")
    masters["m1"].world.fire("t/2")
    await masters.carry()
    client.read()
    assert (client.tags, client.gaps) == (["t/1", "t/2"], [])
    assert sum(chunk[2] - chunk[1] for chunk in masters.logs["m1"].chunks) == 2


async def test_two_engines_with_one_id_lose_nothing_without_a_gap() -> None:
    """A wrong configuration: the later engine keeps the id; what the other one writes leaves gaps."""
    masters = Masters("m1", "m2")
    client = Follower()
    await masters.carry()
    await client.follow(masters["m2"])
    twin = Engine(master_id="m1", log=masters.logs["m1"], epoch="twin")
    for number, engine in enumerate((masters["m1"], twin, masters["m1"], twin)):
        if engine is twin and number == 1:
            twin.parts.share.writer.begin("epoch-m1", 1)  # type: ignore[union-attr]
        engine.world.fire(f"t/{number}")
        engine.time.pass_(1)
        await masters.read("m2", "m1")
        masters["m2"].time.pass_(1)
    client.read()
    assert client.tags == ["t/0", "t/1", "t/2", "t/3"]
    assert {tuple(gap["masters"]) for gap in client.gaps} == {("m1",)}
    again = Follower()
    again.stream.vector = client.stream.vector
    again.stream.position = client.stream.position
    result = await again.follow(masters["m2"])
    assert (result["recovered"], again.tags) == (True, [])
