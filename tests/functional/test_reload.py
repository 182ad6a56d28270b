"""A reload: the serving process is replaced under load, and no client misses an event."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from salt_live import AsyncClient, Event, Gap

from tests.client import Client, Refused
from tests.functional.running import Engine
from tests.support.buses import Publisher
from tests.support.processes import ended
from tests.support.reloading import copy_of_engine
from tests.support.waiting import until, wait_until

pytest.importorskip("salt")

pytestmark = [pytest.mark.both_lines]

FOLLOWERS = 10
PACE_SECONDS = 0.01  # between two bundles of events
BUNDLE = 5  # events at once: 500/s
SECONDS = 60.0
RELOADS = 3
NAMES = [f"m{number}" for number in range(5)]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The engine's code, to be changed by the test."""
    return copy_of_engine(tmp_path)


@pytest.fixture
def engine(make_engine: Callable[..., Engine], package: Path) -> Engine:
    """A running engine with this code."""
    engine = make_engine(master={"engines_dirs": [str(package.parent)]})
    engine.start()
    engine.wait()
    return engine


class Source:
    """Sends numbered events in a thread, as the master's publisher would."""

    def __init__(self, bus: Publisher) -> None:
        self.sent = 0
        self._bus = bus
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for start in itertools.count(0, BUNDLE):
            with contextlib.suppress(OSError):  # no process reads now: it was killed
                self._bus.send(*[(f"n/{n}", {"n": n, "fill": "f" * 500}) for n in range(start, start + BUNDLE)])
            self.sent = start + BUNDLE
            if self._end.wait(PACE_SECONDS):
                return

    def stop(self) -> int:
        """Stop, and return how many were sent."""
        self._end.set()
        self._thread.join()
        return self.sent


@pytest.fixture
def bus(engine: Engine) -> Iterator[Publisher]:
    """The bus of the engine."""
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        bus.send(("first", {}))
        yield bus


class Follower:
    """A client that collects the numbers of events, and gaps."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.numbers: list[int] = []
        self.positions: list[int] = []
        """The engine's numbers of the same events."""
        self.gaps: list[Gap] = []
        self.epochs: set[str] = set()

    async def follow(self) -> None:
        """Follow until it is canceled."""
        async with await self.client.events("n/") as events:
            async for item in events:
                if isinstance(item, Event):
                    self.numbers.append(item.data["n"])
                    self.positions.append(item.seq)
                    self.epochs.add(item.epoch)
                else:
                    self.gaps.append(item)


@pytest.fixture
async def followers(engine: Engine, bus: Publisher) -> AsyncIterator[list[Follower]]:
    """Clients that follow the events."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for _ in range(FOLLOWERS):
            client = AsyncClient(engine.url, username="demo", password="demo")
            follower = Follower(await stack.enter_async_context(client))
            task = asyncio.create_task(follower.follow())
            stack.callback(task.cancel)
            found.append(follower)
        await until(lambda: all(follower.client.session.subscriptions.confirmed for follower in found), SECONDS)
        bus.send(("n/0", {"n": -1}))
        await until(lambda: all(follower.numbers for follower in found), SECONDS)
        yield found


async def reload(engine: Engine) -> dict[str, Any]:
    return await asyncio.to_thread(engine.reload)


async def whole(followers: list[Follower], sent: int) -> None:
    """Wait until each follower has each event, exactly once and in order."""
    await until(lambda: all(follower.numbers[-1] == sent - 1 for follower in followers), SECONDS)
    for follower in followers:
        assert follower.numbers == list(range(-1, sent))
        assert follower.gaps == []
        assert len(follower.epochs) == 1


async def test_no_event_is_lost_or_doubled_by_reloads(
    engine: Engine, bus: Publisher, followers: list[Follower], package: Path
) -> None:
    """Each new process runs the code on disk; releases and options that do not work change nothing."""
    source = Source(bus)
    try:
        pids = {engine.pid}
        for number in range(1, RELOADS + 1):
            manifest = package / "contract" / "manifest.py"
            manifest.write_text(manifest.read_text() + f"\nRELEASE = {number}\n")
            found = await reload(engine)
            assert found["restart"] == []
            assert found["version"]
            await until(lambda: len(psutil.Process(engine.supervisor_pid).children()) == 1, SECONDS)
            pids.add(engine.pid)
        assert len(pids) == RELOADS + 1
        await _refused(engine, package)
        assert engine.pid in pids
    finally:
        sent = source.stop()
    await whole(followers, sent)
    # A client waits a moment before it connects again, so it may not meet each process.
    assert all(follower.client.session.connections > 1 for follower in followers)


async def _refused(engine: Engine, package: Path) -> None:
    """Fail unless reloads with faults say what is wrong."""
    engine.configure(port=engine.port, history={"events": -1})
    assert "history.events" in (await reload(engine))["error"]
    engine.configure()
    master = engine.root / "master"
    settings = master.read_text()
    for broken, fault in (("engines: [", "line"), ("engines: []", "has 0 engines"), ("- a list", "not <class 'list'>")):
        master.write_text(broken)
        error = (await reload(engine))["error"]
        assert str(master) in error
        assert fault in error
    master.write_text(settings)
    passing = package / "hand_over" / "channel.py"
    whole_code = passing.read_text()
    passing.write_text(whole_code.replace("\nFORMAT = ", "\nFORMAT = 1"))
    answer = await reload(engine)
    assert "cannot pass on its state to this one: restart the master" in answer["error"]
    assert answer["serves"] is False, "the formula restarts the master"
    passing.write_text(whole_code)
    server = package / "server.py"
    whole_code = server.read_text()
    server.write_text("this is no Python")
    assert "SyntaxError" in (await reload(engine))["error"]
    server.write_text(whole_code)
    manifest = package / "contract" / "manifest.py"
    code = manifest.read_text()
    manifest.write_text(code.replace('"ping.json": "', '"ping.json": "0').replace('"VERSION": "', '"VERSION": "0'))
    assert "VERSION changed or missing" in (await reload(engine))["error"]
    manifest.write_text(code)


def test_a_wait_for_events_is_answered(engine: Engine) -> None:
    """The client learns that it may try again, then that it should connect again, at once."""
    with engine.client("demo") as client:
        client.send({"type": "get_event", "id": "waits", "tag": "never/", "wait": 60})
        assert client.ask("ping")
        assert "error" not in engine.reload()
        with pytest.raises(Refused) as refused:
            client.answer("waits")
        assert refused.value.retryable
        closed = client.closed()
        assert (closed.code, closed.reason) == (1012, "the engine stops: retry in 0 s")
    with engine.client("demo") as client:
        assert client.ask("ping")


@pytest.fixture
def minions(make_engine: Callable[..., Engine]) -> Engine:
    """An engine with some minions."""
    engine = make_engine()
    keys = engine.key_dir / "minions"
    keys.mkdir(parents=True)
    for name in NAMES:
        (keys / name).write_text("a key that nobody looks at\n")
    engine.start()
    engine.wait()
    return engine


def snapshot(client: Client, since: Any = None) -> tuple[bool | None, dict[str, Any], dict[str, Any]]:
    """Follow minions; return whether that resumes, the minions that are sent, and the position."""
    asked = client.ask("subscribe", subscription="minions", **({} if since is None else {"since": since}))
    frames = client.frames(until=lambda frame: frame["type"] == "live", subscription=asked["subscription"], timeout=60)
    found = {name: minion for frame in frames for name, minion in frame.get("minions", {}).items()}
    return asked["recovered"], found, frames[-1]["position"]


def test_snapshots_are_resumed(minions: Engine) -> None:
    """A client gets only the minions that changed, reload after reload."""
    with minions.client("demo") as client:
        wait_until(lambda: len(client.ask("list_minions")) == len(NAMES), "all minions", timeout=60)
        recovered, found, position = snapshot(client)
        assert (recovered, set(found)) == (None, set(NAMES))
    for gone in NAMES[:2]:
        assert "error" not in minions.reload()
        with minions.client("demo") as client:
            recovered, found, position = snapshot(client, position)
            assert (recovered, found) == (True, {})
        (minions.key_dir / "minions" / gone).unlink()
        assert "error" not in minions.reload()
        with minions.client("demo") as client:
            wait_until(
                lambda gone=gone: gone not in {one["id"] for one in client.ask("list_minions")}, "the key", timeout=90
            )
            recovered, found, position = snapshot(client, position)
            assert (recovered, found) == (True, {gone: None})


def test_the_python_client_resumes_its_tables(minions: Engine) -> None:
    """It keeps what it has, and learns what changed."""

    async def follow() -> None:
        async with AsyncClient(minions.url, username="demo", password="demo") as client:
            table = await client.minions()
            await until(lambda: len(table) == len(NAMES), SECONDS)
            recovered: list[bool | None] = []
            subscribed = table._stream.subscribed
            table._stream.subscribed = lambda result: (recovered.append(result["recovered"]), subscribed(result))  # type: ignore[func-returns-value, method-assign, assignment]
            await reload(minions)
            await until(lambda: bool(recovered) and table.live, SECONDS)
            assert (recovered, set(table)) == ([True], set(NAMES))

    asyncio.run(follow())


def test_reloads_leave_no_file_open(engine: Engine) -> None:
    """The supervisor lives for as long as the master."""
    supervisor = psutil.Process(engine.supervisor_pid)
    found = []
    for _ in range(3):
        assert "error" not in engine.reload()
        wait_until(lambda: len(supervisor.children()) == 1, "the end of the last process")
        found.append((supervisor.num_fds(), supervisor.children()[0].num_fds()))
    assert found[1] == found[2]


async def test_the_journal_is_passed_on_exactly(make_engine: Callable[..., Engine]) -> None:
    """Reloads under load leave no gap in it. A process that is killed right after one continues from it.

    No number is given twice, and no event is sent twice. What is missing lies in the gap of the absence.
    """
    engine = make_engine({"history": {"store": "disk"}})
    with contextlib.closing(Publisher(engine.sock_dir)) as bus, contextlib.ExitStack() as ends:
        engine.start()
        engine.wait()
        bus.send(("first", {}))
        async with AsyncClient(engine.url, username="demo", password="demo") as client:
            follower = Follower(client)
            task = asyncio.create_task(follower.follow())
            ends.callback(task.cancel)
            await until(lambda: client.session.subscriptions.confirmed, SECONDS)
            source = Source(bus)
            ends.callback(source.stop)
            for _ in range(RELOADS):
                assert "error" not in await reload(engine)
            serving = max(psutil.Process(engine.supervisor_pid).children(), key=psutil.Process.create_time)
            serving.kill()
            killed_at = source.sent
            await until(lambda: follower.gaps and follower.numbers[-1] > killed_at, SECONDS)
            assert "error" not in await reload(engine)
            sent = source.stop()
            await until(lambda: follower.numbers[-1] == sent - 1, SECONDS)
    assert len(follower.epochs) == 1
    assert follower.positions == sorted(set(follower.positions))
    assert follower.numbers == sorted(set(follower.numbers))
    (gap,) = follower.gaps
    assert gap.reason == "restart"
    missing = sorted(set(range(follower.numbers[0], sent)) - set(follower.numbers))
    before = follower.numbers.index(missing[0] - 1) if missing else 0
    assert missing == list(range(missing[0], missing[-1] + 1)), "events are missing in one place only"
    first, last = follower.positions[before], follower.positions[before + 1]
    assert first <= gap.after.seq < gap.until.seq < last
    assert "journal of events is off" not in engine.log
    assert "is dropped" not in engine.log


def test_a_process_that_dies_after_it_has_taken_over_is_replaced(engine: Engine, bus: Publisher, package: Path) -> None:
    """The running one cannot go on: its connection to the bus is passed on. Clients connect to a third one."""
    server = package / "server.py"
    code = server.read_text()
    place = "        position = (received"
    assert place in code
    server.write_text(code.replace(place, f"        received and os._exit(7)\n{place}"))
    first = engine.pid
    answer = engine.reload()
    assert answer["stays"] is False
    assert "exit status 7" in answer["error"]
    with engine.client("demo") as client:
        assert client.ask("ping")
    assert ended(first)
    server.write_text(code)
    assert "error" not in engine.reload()


def test_a_supervisor_of_an_earlier_release_gets_the_cause(tmp_path: Path) -> None:
    """Its own code takes the report, and stays in the master's memory over a reload."""
    from websocket_api import startup

    causes: list[str] = []

    class Serving:
        last = object()

        def fails(self, cause: str) -> None:
            causes.append(cause)

    startup.run({}, {"conf_file": str(tmp_path / "master")}, Serving())  # type: ignore[arg-type]
    (cause,) = causes
    assert "has 0 engines websocket_api" in cause


def test_options_of_any_size_are_reloaded(engine: Engine, bus: Publisher) -> None:
    """A list of networks may be long: the supervisor keeps it for a process that is started later."""
    networks = [f"10.{high}.{low}.0/24" for high in range(40) for low in range(256)]
    engine.configure(allow_from=[*networks, "127.0.0.1"])
    assert "error" not in engine.reload()
    wait_until(lambda: len(psutil.Process(engine.supervisor_pid).children()) == 1, "the end of the last process")
    serving = engine.pid
    psutil.Process(serving).kill()
    wait_until(lambda: ended(serving), "its end")
    with engine.client("demo") as client:
        assert client.ask("ping")
    assert engine.pid != serving
