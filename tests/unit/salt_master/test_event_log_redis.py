"""The common log in a real Redis: read in order, refused where it would lose events, and back after a loss."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

redis = pytest.importorskip("redis")

from websocket_api.salt_master import event_log_writer  # noqa: E402
from websocket_api.salt_master.event_log_format import MASTERS, STREAM, Pace, is_protected  # noqa: E402
from websocket_api.salt_master.event_log_redis import RedisLog  # noqa: E402

from tests.support.waiting import until, wait_until  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")

SECONDS = 30
PACE = Pace(beat=0.2, stale=60.0, look=0.2, block=0.2, retry=0.05, refused=0.05)


class Server:
    """A Redis of its own on a unix socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        self.url = f"unix://{self.socket}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it; return when it answers."""
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder)]
        self._process = subprocess.Popen([*command, "--save", "", *options], stdout=subprocess.DEVNULL)
        wait_until(self._answers, "Redis", SECONDS)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.exceptions.RedisError):
            return bool(self.client.ping())
        return False

    @property
    def client(self) -> Any:
        """A client of this Redis."""
        return redis.Redis(unix_socket_path=str(self.socket))

    def stop(self) -> None:
        """Kill it: nothing is kept."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Redis."""
    server = Server(tmp_path_factory.mktemp("r"))
    server.start()
    yield server
    server.stop()


class Reader:
    """The log of one master, and what it read of the others."""

    def __init__(self, server: Server, master: str, url: str | None = None, **pace: float) -> None:
        self.log = RedisLog(url or server.url, master, 300, dataclasses.replace(PACE, **pace))
        self.read: list[tuple[str, Any]] = []
        self.ages: list[float] = []
        self.begun: list[tuple[str | None, int]] = []
        self.fault: str | None = None

    def start(self) -> None:
        self.log.start(self._deliver, self._begin, self._set)

    async def _deliver(self, master: str, chunk: Any, age: float) -> None:
        self.read.append((master, chunk))
        self.ages.append(age)

    def _begin(self, epoch: str | None, last: int) -> None:
        self.begun.append((epoch, last))

    def _set(self, fault: str | None) -> None:
        self.fault = fault

    def of(self, master: str) -> list[Any]:
        """Return what was read of a master."""
        return [chunk for name, chunk in self.read if name == master]


@pytest.fixture
async def masters(server: Server) -> AsyncIterator[tuple[Reader, Reader]]:
    """Two masters with a common Redis, which try again soon."""
    one, two = Reader(server, "m1"), Reader(server, "m2")
    one.start()
    two.start()
    yield one, two
    one.log.close()
    two.log.close()


def chunk(number: int, size: int = 10) -> tuple[str, int, int, bytes, bytes]:
    return "epoch", number - 1, number, b"x" * size, b""


async def test_each_master_reads_what_the_others_write(masters: tuple[Reader, Reader]) -> None:
    """In order, and from the start of their streams."""
    one, two = masters
    for number in range(1, 201):
        one.log.put(chunk(number))
    two.log.put(chunk(1))
    await until(lambda: len(two.of("m1")) == 200 and len(one.of("m2")) == 1, SECONDS)
    assert two.of("m1") == [chunk(number) for number in range(1, 201)]
    assert one.fault is two.fault is None


async def test_redis_that_was_away_gets_what_waited(
    server: Server, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    """The loss is logged once. A new Redis has lost what was written before: the streams begin again."""
    one, two = masters
    one.log.put(chunk(1))
    await until(lambda: len(two.of("m1")) == 1, SECONDS)
    server.stop()
    one.log.put(chunk(2))
    await until(lambda: one.fault and two.fault, SECONDS)
    one.log.put(chunk(3))
    server.start()
    await until(lambda: len(two.of("m1")) == 3, SECONDS)
    await until(lambda: not one.fault and not two.fault, SECONDS)
    assert two.of("m1") == [chunk(1), chunk(2), chunk(3)]
    lost = [record for record in caplog.records if "cannot be used" in record.message]
    assert 1 <= len(lost) <= 4, "each of two threads of two masters logs it once"


async def test_a_stream_that_was_emptied_goes_on(server: Server, masters: tuple[Reader, Reader]) -> None:
    """Somebody deleted all keys: the masters are found again, and new chunks are read."""
    one, two = masters
    one.log.put(chunk(1))
    await until(lambda: len(two.of("m1")) == 1, SECONDS)
    server.client.flushall()
    one.log.put(chunk(2))
    await until(lambda: len(two.of("m1")) == 2, SECONDS)


async def test_a_redis_that_evicts_is_refused_until_it_does_not(
    server: Server, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would lose a whole stream in silence. The log names the command that fixes it."""
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    three = Reader(server, "m3")
    three.start()
    try:
        await until(lambda: three.fault is not None, SECONDS)
        assert any("CONFIG SET maxmemory-policy noeviction" in record.message for record in caplog.records)
        assert not server.client.hexists(MASTERS, "m3")
        server.client.config_set("maxmemory-policy", "noeviction")
        await until(lambda: three.fault is None and server.client.hexists(MASTERS, "m3"), SECONDS)
    finally:
        three.log.close()


async def test_foreign_keys_in_our_names_harm_nobody_else(
    server: Server, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    """A key that is no stream, fields of another form, and a master with an odd name."""
    one, two = masters
    client = server.client
    client.set(f"{STREAM}m8", "no stream")
    client.hset(MASTERS, mapping={"m8": "1", "m7": "1", b"\xff\x00": "1"})
    for fields in (
        {"v": 2, "e": "x", "a": 0, "l": 1, "d": "later form"},
        {"x": "y"},
        {"v": 1, "e": "", "a": 5, "l": 1},
    ):
        client.xadd(f"{STREAM}m7", fields)
    one.log.put(chunk(1))
    await until(lambda: len(two.of("m1")) == 1, SECONDS)
    assert two.of("m7") == []
    assert two.fault is None
    await until(lambda: any("is no stream" in record.message for record in caplog.records), SECONDS)


async def test_the_own_key_that_is_no_stream_is_a_fault(
    server: Server, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    """Until it is deleted, and it is logged once. The other masters' streams are read."""
    server.client.set(f"{STREAM}m3", "no stream")
    three = Reader(server, "m3")
    three.start()
    try:
        three.log.put(chunk(1))
        await until(lambda: three.fault is not None, SECONDS)
        masters[0].log.put(chunk(1))
        await until(lambda: three.of("m1") == [chunk(1)], SECONDS)
        assert len([one for one in caplog.records if "cannot be used" in one.message]) == 1
        server.client.delete(f"{STREAM}m3")
        await until(lambda: masters[0].of("m3") == [chunk(1)], SECONDS)
    finally:
        three.log.close()


async def test_what_waits_is_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is dropped; readers find out by the numbers."""
    monkeypatch.setattr(event_log_writer, "MAX_WAITING_BYTES", 1000)
    one = Reader(server, "m1")
    for number in range(1, 101):
        one.log.put(chunk(number, 100))
    one.start()
    two = Reader(server, "m2")
    two.start()
    try:
        await until(lambda: two.of("m1") and two.of("m1")[-1] == chunk(100, 100), SECONDS)
        assert two.of("m1") == [chunk(number, 100) for number in range(91, 101)]
    finally:
        one.log.close()
        two.log.close()


async def test_a_master_that_does_not_write_is_stale(server: Server) -> None:
    """And is not, once it writes again. While Redis is away, all others are."""
    one = Reader(server, "m1", stale=0.4)
    one.start()
    try:
        server.client.hset(MASTERS, "m9", "1")
        await until(lambda: one.log.is_stale("m9"), SECONDS)

        def is_fresh() -> bool:
            server.client.hincrby(MASTERS, "m9", 1)
            return not one.log.is_stale("m9")

        await until(is_fresh, SECONDS)
        server.stop()
        await until(lambda: one.log.is_stale("m9") and one.log.is_stale("m8"), SECONDS)
    finally:
        one.log.close()


@pytest.mark.parametrize(
    ("url", "protected"),
    [
        ("redis://redis.example.com:6379/0", False),
        ("redis://:secret@redis.example.com", True),
        ("rediss://ann:secret@redis.example.com", True),
        ("rediss://ann@redis.example.com", False),
        ("unix:///run/redis/redis.sock", True),
    ],
)
def test_a_password_or_a_socket_protects_the_events(url: str, protected: bool) -> None:
    """Without either, everybody who reaches the port reads them: that is worth a warning."""
    assert is_protected(url) is protected


async def test_a_redis_without_password_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """The line does not have the URL, which may have a password."""
    log = RedisLog("redis://127.0.0.1:1/0", "m1", 300)
    with caplog.at_level(logging.WARNING):
        log.start(_nothing, lambda epoch, last: None, lambda fault: None)
        log.close()
    assert any("has no password" in record.message for record in caplog.records)


async def _nothing(master: str, chunk: Any, age: float) -> None:
    await asyncio.sleep(0)
