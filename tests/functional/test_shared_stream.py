"""Two engines with a common Redis: clients of each get the events of both, whatever stops."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websocket")
redis = pytest.importorskip("redis")

from salt_live.models import Event, Gap  # noqa: E402
from salt_live.streams import EventStream  # noqa: E402

from tests.client import Client  # noqa: E402
from tests.functional.running import Engine  # noqa: E402
from tests.support.buses import Publisher  # noqa: E402
from tests.support.waiting import wait_until  # noqa: E402

pytestmark = [
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]

NAMES = ("m1", "m2")
SECONDS = 60


class Redis:
    """A Redis on a unix socket, which keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return when it answers."""
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self._answers, "Redis", SECONDS)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.exceptions.RedisError):
            return bool(redis.Redis(unix_socket_path=str(self.socket)).ping())
        return False

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Masters:
    """Two engines, their buses, and the Redis between them."""

    def __init__(self, make_engine: Callable[..., Engine], server: Redis) -> None:
        share = {"history": {"share": f"unix://{server.socket}"}}
        self.engines = {name: make_engine(share, master={"id": name}) for name in NAMES}
        self.buses: dict[str, Publisher] = {}

    def start(self) -> None:
        """Start both; return when each knows the other."""
        for name, engine in self.engines.items():
            self.buses[name] = Publisher(engine.sock_dir)
            engine.start()
        for name, engine in self.engines.items():
            engine.wait()
            wait_until(lambda name=name: self.health(name)["status"] == "ok", f"the engine of {name}", SECONDS)
            wait_until(lambda engine=engine: "master_up{" in metrics(engine), f"the other master at {name}", SECONDS)

    def fire(self, name: str, *tags: str) -> None:
        """Put events on the bus of a master."""
        self.buses[name].send(*((tag, {}) for tag in tags))

    def health(self, name: str) -> dict[str, Any]:
        """Return what /healthz of an engine reports."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.engines[name].port}/healthz", headers={"Accept": "application/json"}
        )
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
        return {"status": "down", "parts": {}}


def metrics(engine: Engine) -> str:
    """Return the text of /metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


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
def server(tmp_path_factory: pytest.TempPathFactory, engine_root: Path) -> Iterator[Redis]:
    """A running Redis."""
    folder = engine_root / "r"
    folder.mkdir(exist_ok=True)
    server = Redis(folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def masters(make_engine: Callable[..., Engine], server: Redis) -> Iterator[Masters]:
    """Two running engines."""
    masters = Masters(make_engine, server)
    try:
        masters.start()
        yield masters
    finally:
        for bus in masters.buses.values():
            bus.close()


def test_a_client_goes_on_where_another_master_is(masters: Masters, server: Redis) -> None:
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


def test_a_redis_that_evicts_is_refused_with_its_remedy(make_engine: Callable[..., Engine], server: Redis) -> None:
    """The engine serves its own events, and its log has the command."""
    redis.Redis(unix_socket_path=str(server.socket)).config_set("maxmemory-policy", "allkeys-lru")
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
