"""The engine's background tasks continue when one of them fails."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("salt")  # not asked for anything here, but the engine's parts are put together with it

from websocket_api.background import bus_reader, sharing, tasks
from websocket_api.background.tasks import BackgroundTasks
from websocket_api.core.health import Health
from websocket_api.settings import Settings

from tests.support.waiting import until
from tests.unit.core.support import World


class Engine:
    """Parts whose behaviour a test sets."""

    def __init__(self) -> None:
        self.world = World()
        self.expired = 0
        self.given_back = 0
        self.bus_reads = 0
        self.disk_fault: str | None = None
        nothing = SimpleNamespace(on_end=lambda call: None, on_change=lambda call: None, all=list)
        sessions = SimpleNamespace(**vars(nothing), expire=self._expire, recheck=self._wait)
        services = SimpleNamespace(
            settings=Settings(),
            sessions=sessions,
            jobs_in_flight=SimpleNamespace(tick=self._revoke_temporary),
            runners_in_flight=SimpleNamespace(tick=self._revoke_temporary),
            minions=self.world.minions,
            hub=self.world.hub,
            job_feed=self.world.job_feed,
            minion_feed=self.world.minion_feed,
            history=self.world.history,
            job_watcher=SimpleNamespace(tick=self._wait),
            batches=SimpleNamespace(tick=self._wait, stop=self._nothing, maintenance=SimpleNamespace(tick=self._wait)),
            health=Health(),
            journal=None,
            wall=self.world.time,
            jobs=self.world.jobs,
        )
        self.parts: Any = SimpleNamespace(
            services=services,
            share=None,
            following=None,
            master=SimpleNamespace(
                auth=SimpleNamespace(check_store=self._nothing),
                event_log=None,
                bus=SimpleNamespace(read=self._read, connected=True),
                minions=SimpleNamespace(keys=self._wait, grains=self._fail),
                job_cache=SimpleNamespace(recent=self._wait),
                disk=SimpleNamespace(fault=self._check_disk),
            ),
            targets=SimpleNamespace(invalidate=lambda: None, want=lambda names: None, renew=self._wait),
        )

    def _revoke_temporary(self) -> None:
        self.given_back += 1

    async def _check_disk(self) -> str | None:
        return self.disk_fault

    def _expire(self) -> None:
        self.expired += 1

    async def _wait(self, *args: Any) -> None:
        await asyncio.Event().wait()

    async def _nothing(self) -> None:
        pass

    async def _fail(self, *args: Any) -> None:
        raise RuntimeError("the cache is gone")

    async def _read(self, *args: Any) -> None:
        self.bus_reads += 1
        if self.bus_reads == 1:
            raise RuntimeError("nobody foresaw this")
        await self._wait()


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("TICK_SECONDS", "BUS_SECONDS", "MINIONS_SECONDS"):
        monkeypatch.setattr(tasks, name, 0.001)
    made = Engine()
    work = BackgroundTasks(made.parts, list)
    work.start()
    yield made
    await work.stop()


@pytest.mark.parametrize("is_behind", [True, False])
@pytest.mark.parametrize("end", ["the log was read", "the log fails", "it takes too long"])
async def test_the_bus_is_held_until_the_log_is_read(
    is_behind: bool, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not after a reload, and not while the log cannot be read. The new epoch begins first."""
    monkeypatch.setattr(sharing, "HOLD_SECONDS", 0.01 if end == "it takes too long" else 600.0)
    engine = Engine()
    held: list[bool] = []
    started: list[str] = []
    released: list[str] = []
    calls: list[Any] = []
    bus = engine.parts.master.bus
    bus.hold, bus.release = lambda: held.append(True), lambda: released.append(started.pop())
    engine.parts.master.event_log = SimpleNamespace(start=lambda *args: calls.extend(args), stop=engine._wait)
    engine.parts.share = SimpleNamespace(is_behind=is_behind, writer=SimpleNamespace(begin=None, flush=lambda: None))
    engine.parts.following = SimpleNamespace(
        deliver=None, note_end=None, stop=lambda: None, start=lambda: started.append(end)
    )
    engine.parts.notes = None
    work = BackgroundTasks(engine.parts, list)
    work.start()
    assert held == [True] * is_behind
    _, _, on_fault, _, on_own_end = calls
    if end == "the log fails":
        await asyncio.to_thread(on_fault, "it does not answer")
        await until(lambda: bool(released))
        await asyncio.to_thread(on_fault, None)
    elif is_behind and end == "it takes too long":
        await until(lambda: bool(released))
    else:
        on_own_end()
    assert released == [end]
    await work.stop()


async def test_tokens_expire_while_the_master_does_not_answer(engine: Engine) -> None:
    """A pending question to the master delays no other task: an expired token shows nothing more."""
    await until(lambda: engine.expired > 3 and engine.given_back > 3)


async def test_a_reader_of_the_bus_that_failed_reads_again(engine: Engine) -> None:
    """Subscribers get a gap."""
    await until(lambda: engine.bus_reads == 2)
    assert engine.world.hub.counters.bus_losses == 1


async def test_a_bus_lost_right_after_the_start_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the first connection may wait until the publisher has started."""
    for name in ("TICK_SECONDS", "BUS_SECONDS"):
        monkeypatch.setattr(tasks, name, 0.001)
    engine = Engine()
    engine.parts.master.bus.connected = False
    work = BackgroundTasks(engine.parts, list)
    work.start()

    def told() -> bool:
        return any(one.levelname == "CRITICAL" for one in caplog.records if one.name == bus_reader.__name__)

    await until(lambda: engine.bus_reads == 2 and engine.expired > 3)
    assert not told()
    engine.world.time.now += bus_reader.AWAY_SECONDS
    await until(told)
    await work.stop()


async def test_a_bus_lost_while_the_engine_stops_is_not_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The master stops its publisher together with its engines: that is no reason for an alarm."""
    for name in ("TICK_SECONDS", "BUS_SECONDS"):
        monkeypatch.setattr(tasks, name, 0.001)
    engine = Engine()
    work = BackgroundTasks(engine.parts, list)
    work.start()
    await until(lambda: engine.expired > 3 and engine.given_back > 3)
    work.begin_shutdown()
    engine.parts.master.bus.connected = False
    for _ in range(3):
        engine.world.time.now += 2 * bus_reader.AWAY_SECONDS
        seen = engine.expired
        await until(lambda seen=seen: engine.expired > seen + 3)  # type: ignore[misc]
    await work.stop()
    assert not [one for one in caplog.records if one.levelname == "CRITICAL"]


async def test_grains_that_could_not_be_read_are_read_again(engine: Engine) -> None:
    """An error of the cache does not mark old grains as new."""
    engine.world.minions.stale.add("web1")
    for _ in range(3):
        await asyncio.sleep(0.005)
        assert engine.world.minions.stale == {"web1"}


async def test_a_job_that_was_canceled_before_the_start_is_shown_as_canceled() -> None:
    """The job cache lists the cancel before the older job, and its answers tell which minions stopped."""
    old, cancel = "20261123120000000000", "20261123120100000000"
    done = {"retcode": 0, "success": True, "return": "Signal 15 sent"}
    stored = {
        cancel: {"load": {"fun": "saltutil.term_job", "arg": [old], "minions": ["a"]}, "returns": {"a": done}},
        old: {"load": {"fun": "test.sleep", "arg": [60], "minions": ["a"]}, "returns": {}},
    }

    async def recent(limit: int) -> list[dict[str, str]]:
        return [{"jid": jid} for jid in stored]

    async def job(jid: str) -> dict[str, Any]:
        return {"kind": "job", "reported_by": None, **stored[jid]}

    made = Engine()
    made.parts.master.job_cache = SimpleNamespace(recent=recent, job=job)
    work = BackgroundTasks(made.parts, list)
    work.start()
    try:
        await until(lambda: made.world.jobs.get(old))
        assert [job.state for job in made.world.jobs.newest_first()] == ["complete", "canceled"]
    finally:
        await work.stop()


async def test_the_job_cache_is_read_after_a_loss_of_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice, because the master may store late what came meanwhile."""
    for name in ("TICK_SECONDS", "BUS_SECONDS"):
        monkeypatch.setattr(tasks, name, 0.001)
    running, read = "20261123120000000000", list[str]()
    made = Engine()

    async def recent(limit: int) -> list[dict[str, str]]:
        read.append("recent")
        return []

    async def job(jid: str) -> None:
        read.append(jid)

    made.parts.master.job_cache = made.parts.services.job_cache = SimpleNamespace(recent=recent, job=job)
    made.world.jobs.add_called("runner", running, "manage.up", "ann", "pam")
    work = BackgroundTasks(made.parts, list)
    work.start()
    try:
        await until(lambda: made.bus_reads == 2 and made.expired > 3)
        assert read == ["recent"], "only that of the start"
        for seconds in bus_reader.MISSED_SECONDS:
            made.world.time.now += seconds
            await until(lambda: read[-2:] == [running, "recent"])
            assert read.pop(-2) == running
        seen = made.expired
        await until(lambda: made.expired > seen + 3)
        assert read == ["recent"] * 3
    finally:
        await work.stop()


async def test_a_full_disk_is_logged_once_and_degrades_the_engine(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it works again, which is logged too."""
    monkeypatch.setattr(tasks, "DISK_SECONDS", 0.001)
    engine = Engine()
    work, health = BackgroundTasks(engine.parts, list), engine.parts.services.health
    engine.disk_fault = "the disk of the master's caches is full"
    work.start()
    try:
        await until(lambda: health.report()["status"] == "degraded")
        assert health.report()["parts"]["disk"]["fault"] == engine.disk_fault
        engine.disk_fault = None
        await until(lambda: health.report()["status"] == "ok")
    finally:
        work.begin_shutdown()
        await work.stop()
    lines = [(record.levelname, record.message) for record in caplog.records if "the disk of" in record.message]
    assert [level for level, _ in lines] == ["ERROR", "WARNING"]
    assert lines[0][1].startswith("the disk of the master's caches is full: logins, jobs and batches may fail")
