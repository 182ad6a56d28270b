"""Two engines with a common Redis: clients of each get the events of both, whatever stops."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websocket")
pytest.importorskip("redis")

import salt.version
from salt_live import AsyncClient
from salt_live.models import Event, Gap
from salt_live.streams import EventStream

from tests.client import Client
from tests.functional.masters import NAMES, SECONDS, Masters, metrics, running
from tests.functional.running import Engine
from tests.support.buses import Publisher
from tests.support.redis_server import RedisServer
from tests.support.waiting import until, wait_until

pytestmark = [
    pytest.mark.both_lines,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]


class Follower:
    """A client that goes from one engine to another."""

    def __init__(self) -> None:
        self.stream = EventStream({"tag": "t/"})
        self.tags: list[str] = []
        self.gaps: list[Gap] = []
        self._client: Client | None = None

    def follow(self, engine: Engine) -> dict[str, Any]:
        """Go on at an engine."""
        self.close()
        self._client = engine.client("demo")
        result: dict[str, Any] = self._client.ask("subscribe", **self.stream.message)
        self.stream.subscribed(result)
        return result

    def read(self, last: str) -> None:
        """Read up to and with the event of this tag."""
        assert self._client is not None
        if last in self.tags:
            return

        def is_last(frame: dict[str, Any]) -> bool:
            return last in {event["tag"] for event in frame.get("events", [frame]) if "tag" in event}

        for frame in self._client.frames(until=is_last, subscription=self.stream.number, timeout=SECONDS):
            self.stream.apply(frame, 100)
        while (item := self.stream.pop()) is not None:
            if isinstance(item, Event):
                self.tags.append(item.tag)
            else:
                self.gaps.append(item)

    def close(self) -> None:
        """Leave, as when the connection is lost."""
        self.stream.lost()
        if self._client is not None:
            self._client.close()
            self._client = None


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, engine_root: Path) -> Iterator[RedisServer]:
    """A running Redis."""
    folder = engine_root / "r"
    folder.mkdir(exist_ok=True)
    server = RedisServer(folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def masters(make_engine: Callable[..., Engine], server: RedisServer) -> Iterator[Masters]:
    """Two running engines."""
    with running(Masters(make_engine, server)) as masters:
        yield masters


@pytest.fixture
def masters_with_common_tokens(
    make_engine: Callable[..., Engine], server: RedisServer, tmp_path: Path
) -> Iterator[Masters]:
    """Two running engines, which accept each other's tokens by the settings that docs/operating.md names."""
    by_cache = {"eauth_tokens.cache_driver": "redis", "cache.redis.unix_socket_path": str(server.socket)}
    by_folder = {"token_dir": str(tmp_path / "tokens")}
    settings = by_folder if salt.version.__version__.startswith("3007") else by_cache
    with running(Masters(make_engine, server, **settings)) as masters:
        yield masters


class Collector:
    """Reads the events of a client in a task."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.tags: list[str] = []
        self.gaps: list[Gap] = []
        self.epochs: set[str] = set()

    async def run(self) -> None:
        """Read until it is canceled."""
        async with await self.client.events("t/") as events:
            async for item in events:
                if isinstance(item, Event):
                    self.tags.append(item.tag)
                    self.epochs.add(item.epoch)
                else:
                    self.gaps.append(item)

    @property
    def new(self) -> list[str]:
        """The events but for those that show the start of a client."""
        return [tag for tag in self.tags if not tag.endswith("/0")]

    async def has(self, *tags: str) -> None:
        """Wait for events."""
        await until(lambda: set(tags) <= set(self.tags), SECONDS)


@contextlib.asynccontextmanager
async def collecting(masters: Masters, client: AsyncClient) -> AsyncIterator[Collector]:
    """Follow the events of both masters from now on."""
    async with client:
        collector = Collector(client)
        task = asyncio.create_task(collector.run())
        try:
            await until(lambda: client.session.subscriptions.confirmed, SECONDS)
            for name in NAMES:
                masters.fire(name, f"t/{name}/0")
            await collector.has("t/m1/0", "t/m2/0")
            yield collector
        finally:
            task.cancel()


async def test_the_python_client_moves_to_another_master_by_itself(masters_with_common_tokens: Masters) -> None:
    """It knows both addresses, and has only a token that the first master gave. No event is missing or comes twice."""
    masters = masters_with_common_tokens
    one, two = (masters.engines[name] for name in NAMES)
    async with AsyncClient(one.url, username="demo", password="demo") as client:
        token = client.session.credentials.token
    async with (
        collecting(masters, AsyncClient([one.url, two.url], token=token)) as mover,
        collecting(masters, AsyncClient(two.url, token=token)) as stayer,
    ):
        expected = set[str]()
        for turn in range(1, 4):
            new = {name: f"t/{name}/{turn}" for name in NAMES}
            expected |= set(new.values())
            for name in NAMES:
                masters.fire(name, new[name])
        await mover.has(*expected)
        await stayer.has(*expected)  # what the first engine has read is in Redis
        one.kill()
        masters.fire("m2", "t/m2/9")
        await mover.has("t/m2/9")
        assert (sorted(mover.new), mover.gaps) == (sorted(expected | {"t/m2/9"}), [])


async def test_a_reload_keeps_epoch_and_positions(masters: Masters) -> None:
    """Events of both masters that come meanwhile are delivered once, at both."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [AsyncClient(masters.engines[name].url, username="demo", password="demo") for name in NAMES]
        first = await stack.enter_async_context(collecting(masters, clients[0]))
        second = await stack.enter_async_context(collecting(masters, clients[1]))
        for turn in range(1, 3):
            reloading = asyncio.create_task(asyncio.to_thread(masters.engines["m1"].reload))
            number = 0
            while not reloading.done():
                number += 1
                for name in NAMES:
                    masters.fire(name, f"t/{name}/{turn}/{number}")
                await asyncio.sleep(0.01)
            answer = await reloading
            assert answer.get("failure") is None, answer
            expected = {f"t/{name}/{turn}/{one}" for name in NAMES for one in range(1, number + 1)}
            for collector in (first, second):
                await collector.has(*expected)
        for collector in (first, second):
            assert len(collector.new) == len(set(collector.new))
            assert (collector.gaps, len(collector.epochs)) == ([], 1)


@pytest.mark.parametrize("store", ["memory", "disk"])
def test_a_job_of_another_master_keeps_its_returns(
    make_engine: Callable[..., Engine], server: RedisServer, store: str
) -> None:
    """Over a reload, and with a journal over a kill: the job cache of this master has nothing of that job."""
    options = {"history": {"share": server.url, "store": store}}
    masters = Masters(make_engine, server, options)
    masters.accept("m2", "db1", "db2")
    engine, jid = masters.engines["m1"], "20261130080000000005"

    def shown() -> tuple[str, Any]:
        with engine.client("demo") as client:
            found = client.ask("list_jobs", master="m2")
            if not found:
                return "", None
            job = client.ask("get_job", jid=jid)
        return job["state"], {name: part.get("return") for name, part in job["minions"].items()}

    whole = ("complete", {"db1": [1, {"a": None}], "db2": [1, {"a": None}]})
    with running(masters):
        masters.announce("m2", jid, "db1", "db2")
        done = {"cmd": "_return", "jid": jid, "fun": "test.ping", "retcode": 0, "success": True}
        for name in ("db1", "db2"):
            masters.buses["m2"].send((f"salt/job/{jid}/ret/{name}", {**done, "id": name, "return": [1, {"a": None}]}))
        wait_until(lambda: shown() == whole, "the job at the other master", SECONDS)
        for _ in range(2):
            engine.reload()
            wait_until(lambda: shown() == whole, "the job after a reload", SECONDS)
        if store == "disk":
            wait_until(lambda: "journal_waiting_events 0.0" in metrics(engine), "the journal", SECONDS)
            os.kill(engine.pid, signal.SIGKILL)
            engine.stop()
            engine.start()
            engine.wait()
            wait_until(lambda: shown() == whole, "the job after a kill", SECONDS)


def test_a_client_goes_on_where_another_master_is(masters: Masters, server: RedisServer) -> None:
    """Every event once: from both masters, after the kill of the client's engine, and over a loss of Redis."""
    client = Follower()
    client.follow(masters.engines["m1"])
    masters.fire("m1", "t/a1", "t/a2")
    masters.fire("m2", "t/b1")
    for tag in ("t/a2", "t/b1"):
        client.read(tag)
    assert sorted(client.tags) == ["t/a1", "t/a2", "t/b1"]

    # The client loses its connection. Its engine reads more, writes it to Redis, and is killed.
    client.close()
    masters.fire("m1", "t/a3")
    masters.fire("m2", "t/b2")
    watcher = Follower()
    watcher.follow(masters.engines["m2"])
    masters.fire("m1", "t/a4")
    watcher.read("t/a4")
    os.kill(masters.engines["m1"].pid, signal.SIGKILL)
    masters.engines["m1"].stop()
    result = client.follow(masters.engines["m2"])
    assert result["recovered"] is True
    for tag in ("t/a4", "t/b2"):
        client.read(tag)
    assert sorted(client.tags) == ["t/a1", "t/a2", "t/a3", "t/a4", "t/b1", "t/b2"]
    assert client.gaps == []

    # Redis is away: the engine serves its own events, and says that something is missing.
    server.kill()
    wait_until(lambda: masters.health("m2")["parts"].get("redis", {}).get("fault"), "the fault of Redis", SECONDS)
    assert masters.health("m2")["status"] == "degraded"
    masters.fire("m2", "t/b3")
    client.read("t/b3")
    server.start()
    wait_until(lambda: masters.health("m2")["status"] == "ok", "Redis again", SECONDS)

    # The killed engine starts again: what it reads now comes after a gap that names it.
    masters.engines["m1"].start()
    masters.engines["m1"].wait()
    wait_until(lambda: masters.health("m1")["status"] == "ok", "the engine that was killed", SECONDS)
    masters.fire("m1", "t/a5")
    client.read("t/a5")
    assert client.tags[-1] == "t/a5"
    assert [(gap.reason, gap.masters) for gap in client.gaps] == [("restart", ("m1",))]
    client.close()
    watcher.close()


def test_a_redis_that_evicts_is_refused_with_its_remedy(
    make_engine: Callable[..., Engine], server: RedisServer
) -> None:
    """The engine serves its own events, and its log has the command."""
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    masters = Masters(make_engine, server)
    engine = masters.engines["m1"]
    with contextlib.closing(Publisher(engine.sock_dir)) as bus, contextlib.closing(Follower()) as client:
        engine.start()
        engine.wait()
        wait_until(lambda: masters.health("m1")["parts"].get("redis", {}).get("fault"), "the fault", SECONDS)
        assert "CONFIG SET maxmemory-policy noeviction" in engine.log
        client.follow(engine)
        bus.send(("t/1", {}))
        client.read("t/1")
        assert client.tags == ["t/1"]
