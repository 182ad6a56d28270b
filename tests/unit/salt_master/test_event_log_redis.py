"""The common log in a real Redis: read in order, refused where it would lose events, and back after a loss."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import itertools
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

redis = pytest.importorskip("redis")

from websocket_api.errors import CannotRun  # noqa: E402
from websocket_api.salt_master import event_log_format, event_log_reader, event_log_writer  # noqa: E402
from websocket_api.salt_master.event_log_format import MASTERS, STREAM, Pace, Unusable, is_protected  # noqa: E402
from websocket_api.salt_master.event_log_redis import RedisLog  # noqa: E402

from tests.support.redis_server import RedisServer  # noqa: E402
from tests.support.waiting import until  # noqa: E402

pytestmark = [
    pytest.mark.with_salt,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]

SECONDS = 30
PACE = Pace(beat=0.2, stale=60.0, look=0.2, block=0.2, retry=0.05, refused=0.05)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis."""
    server = RedisServer(tmp_path_factory.mktemp("r"))
    server.start()
    yield server
    server.kill()


class Reader:
    """The log of one master, and what it read of the others."""

    def __init__(
        self, server: RedisServer, master: str, url: str | None = None, *, seconds: float = 300, **pace: float
    ) -> None:
        self.log = RedisLog(url or server.url, master, seconds, dataclasses.replace(PACE, **pace))
        self.read: list[tuple[str, Any]] = []
        self.ages: list[float] = []
        self.begun: list[tuple[str | None, int]] = []
        self.fault: str | None = None
        self.at_own_end: list[int] = []
        """How many chunks had been read when the own stream ended."""

    def start(self) -> None:
        ended = self.at_own_end
        self.log.start(self._deliver, self._begin, self._set, on_own_end=lambda: ended.append(len(self.read)))

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
async def masters(server: RedisServer) -> AsyncIterator[tuple[Reader, Reader]]:
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
    server: RedisServer, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    """The loss is logged once. A new Redis has lost what was written before: the streams begin again."""
    one, two = masters
    one.log.put(chunk(1))
    await until(lambda: len(two.of("m1")) == 1, SECONDS)
    server.kill()
    one.log.put(chunk(2))
    await until(lambda: one.fault and two.fault, SECONDS)
    one.log.put(chunk(3))
    server.start()
    await until(lambda: len(two.of("m1")) == 3, SECONDS)
    await until(lambda: not one.fault and not two.fault, SECONDS)
    assert two.of("m1") == [chunk(1), chunk(2), chunk(3)]
    lost = [record for record in caplog.records if "cannot be used" in record.message]
    assert 1 <= len(lost) <= 4, "each of two threads of two masters logs it once at most"


async def test_a_stream_that_was_emptied_goes_on(server: RedisServer, masters: tuple[Reader, Reader]) -> None:
    """After all keys were deleted, the masters are found again, and new chunks are read."""
    one, two = masters
    one.log.put(chunk(1))
    await until(lambda: len(two.of("m1")) == 1, SECONDS)
    server.client.flushall()
    one.log.put(chunk(2))
    await until(lambda: len(two.of("m1")) == 2, SECONDS)


async def test_a_redis_that_evicts_is_refused_until_it_does_not(
    server: RedisServer,
    masters: tuple[Reader, Reader],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would drop whole streams unnoticed. The log names the command that fixes it."""
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


async def test_a_redis_that_comes_back_with_eviction_is_refused_with_the_command(
    server: RedisServer, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    """The first fault was logged already; the second one needs another remedy. No client notices a new policy."""
    one, two = masters
    server.kill()
    await until(lambda: one.fault and two.fault, SECONDS)
    server.start()
    await until(lambda: not one.fault and not two.fault, SECONDS)
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    await until(lambda: any("CONFIG SET maxmemory-policy" in one.message for one in caplog.records), SECONDS)


async def test_foreign_keys_in_our_names_harm_nobody_else(
    server: RedisServer, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    """A key that is not a stream, fields of another form, and a master with an odd name."""
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
    await until(lambda: any("is not a stream" in record.message for record in caplog.records), SECONDS)


async def test_the_own_key_that_is_no_stream_is_a_fault(
    server: RedisServer, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
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


@pytest.mark.parametrize(
    ("key", "error"),
    [(MASTERS, f"{MASTERS} in Redis is not a hash"), (f"{STREAM}m3", f"{STREAM}m3 in Redis is not a stream")],
)
@pytest.mark.parametrize("kind", ["string", "list", "other"])
async def test_a_foreign_key_is_named_and_may_be_deleted(
    server: RedisServer, caplog: pytest.LogCaptureFixture, key: str, error: str, kind: str
) -> None:
    """Before the start or meanwhile. Nothing of it is changed; when it is deleted, all goes on."""
    client = server.client
    three, new = Reader(server, "m3"), Reader(server, "m4")
    three.start()
    try:
        three.log.put(chunk(1))
        await until(lambda: client.exists(f"{STREAM}m3") and client.hexists(MASTERS, "m3"), SECONDS)
        replaces = client.pipeline()
        replaces.delete(key)
        if kind == "string":
            replaces.set(key, "foreign")
        elif kind == "list":
            replaces.rpush(key, "foreign")
        elif key == MASTERS:
            replaces.xadd(key, {"foreign": "1"})
        else:
            replaces.hset(key, "foreign", "1")
        replaces.execute()
        before = client.dump(key)
        three.log.put(chunk(2))
        await until(lambda: three.fault is not None, SECONDS)
        assert [one.message for one in caplog.records if "cannot be used" in one.message] == [
            f"the common log of the masters cannot be used: {error}: delete that key; own events go on"
        ]
        assert client.dump(key) == before
        client.delete(key)
        new.start()
        await until(lambda: three.fault is None and chunk(2) in new.of("m3"), SECONDS)
    finally:
        three.log.close()
        new.log.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--user default on nopass ~* &* +@all -xadd", "xadd"),
        ("--user default on nopass ~* &* +@all -info", "info"),
        ("--user default on nopass ~* &* +@all -xread", "xread"),
        ("--user default on nopass ~* &* +@all -hset", "hset"),
        ("--user default on nopass ~* &* +@all -hgetall", "hgetall"),
        ("--user default on nopass ~* &* +@all -xrevrange", "xrevrange"),
        ("--replicaof 127.0.0.1 1", "read only replica"),
        ("--maxmemory 1", "maxmemory"),
        ("--rename-command XADD XADD2", "unknown command"),
    ],
)
async def test_what_redis_refuses_is_named(
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    reason: str,
) -> None:
    """Once, and it is a fault until somebody fixes it."""
    server = RedisServer(tmp_path_factory.mktemp("r"))
    server.start(*options.split())
    attempts, faults = list[None](), list[str | None]()
    connect = event_log_writer.connect
    for module in (event_log_reader, event_log_writer):
        monkeypatch.setattr(module, "connect", lambda *given: (attempts.append(None), connect(*given))[1])
    one = Reader(server, "m1")
    one._set = lambda fault: (faults.append(fault), setattr(one, "fault", fault))  # type: ignore[method-assign]
    try:
        one.start()
        one.log.put(chunk(1))
        await until(lambda: one.fault is not None, SECONDS)
        await until(lambda: any(reason in record.message for record in caplog.records), SECONDS)
        # Each attempt opens a connection: the log and the health must not change with each of them.
        await until(lambda: len(attempts) > 5, SECONDS)
        (line,) = [record.message for record in caplog.records if record.name.endswith("event_log_redis")]
        assert line.startswith("the common log of the masters cannot be used: ")
        assert set(faults) == {one.fault}
    finally:
        one.log.close()
        server.kill()


@pytest.mark.parametrize("password", [None, "wrong", "geheim"])
async def test_a_wrong_password_is_a_fault_without_it(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture, password: str | None
) -> None:
    """Neither the right nor the wrong one is in a line."""
    caplog.set_level(logging.DEBUG)
    server = RedisServer(tmp_path_factory.mktemp("r"))
    server.start()
    server.client.config_set("requirepass", "geheim")
    url = server.url if password is None else server.url.replace("unix://", f"unix://:{password}@")
    one = Reader(server, "m1", url)
    try:
        one.start()
        one.log.put(chunk(1))
        await until(lambda: one.begun if password == "geheim" else one.fault is not None, SECONDS)
        assert (one.fault is None) is (password == "geheim")
        lines = [record.getMessage() for record in caplog.records if record.name.startswith("websocket_api")]
        assert not [line for line in [*lines, str(one.fault)] if "geheim" in line or ":wrong@" in line]
    finally:
        one.log.close()
        server.kill()


async def test_a_further_reason_is_logged_too(
    server: RedisServer, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    """Redis comes back, but with another fault: the first line does not tell its remedy."""
    one, two = masters
    await until(lambda: one.begun and two.begun, SECONDS)
    server.kill()
    await until(lambda: one.fault and two.fault, SECONDS)
    server.start("--maxmemory", "1")
    await until(lambda: any("maxmemory" in record.getMessage() for record in list(caplog.records)), SECONDS)
    await until(lambda: one.fault, SECONDS)


async def test_a_full_redis_frees_what_is_too_old(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Chunks are deleted when a new one is written. A Redis that refuses new ones would stay full."""
    client = server.client
    one = Reader(server, "m1", seconds=60)
    one.start()
    try:
        await until(lambda: one.begun, SECONDS)
        old = int(client.time()[0] - 3600) * 1000
        for number in range(100):
            client.xadd(f"{STREAM}old", {"d": b"x" * 100_000}, id=f"{old + number}-0")
        client.rename(f"{STREAM}old", f"{STREAM}m1")
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 5_000_000)
        one.log.put(chunk(1))
        await until(lambda: client.xlen(f"{STREAM}m1") == 1, SECONDS)
        await until(lambda: one.fault is None, SECONDS)
        assert any("maxmemory" in record.message for record in caplog.records)
    finally:
        one.log.close()


async def test_an_unexpected_error_is_a_fault(
    server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its traceback once, although it comes at each attempt."""
    attempts = itertools.count()

    def fail(self: Any, client: Any, seconds: int) -> None:
        next(attempts)
        raise AttributeError("a fault of the engine")

    monkeypatch.setattr(event_log_reader.Reader, "_look", fail)
    one = Reader(server, "m1")
    one.start()
    try:
        await until(lambda: next(attempts) > 20, SECONDS)
        assert one.fault is not None
        assert len([record for record in caplog.records if record.exc_info]) == 1
    finally:
        one.log.close()


async def test_the_masters_that_run_are_read(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Names that another program wrote, and masters that do not run, take no place from them."""
    client = server.client
    seconds = client.time()[0]
    foreign: dict[Any, Any] = {f"a-foreign{number:03}": "x" for number in range(100)}
    foreign |= {f"a-future{number:03}": f"r-1-{seconds + 10**8}" for number in range(100)}
    foreign |= {f"a-gone{number:03}": f"r-1-{seconds - 3600}" for number in range(100)}
    # Of the newest time: they would get the first places.
    foreign |= dict.fromkeys(("", "x" * 256, b"\xff\xfe"), f"r-1-{seconds + 10**9}")
    client.hset(MASTERS, mapping=foreign)
    one, two = Reader(server, "m1", stale=2.0), Reader(server, "z2", stale=2.0)
    one.start()
    two.start()
    try:
        two.log.put(chunk(1))
        await until(lambda: one.of("z2") == [chunk(1)], SECONDS)
        assert not one.log.is_gone("z2")
        assert not [name for name in ("", "x" * 256, "\ufffd\ufffd") if name in one.log._reader._places]
    finally:
        one.log.close()
        two.log.close()


async def test_more_masters_than_are_read_are_reported(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the name of one."""
    client = server.client
    one = Reader(server, "m1")
    names = [f"n{number:03}" for number in range(70)]
    client.hset(MASTERS, mapping={name: f"r-1-{client.time()[0]}" for name in names})
    one.start()
    try:
        await until(lambda: any("has more than 64 masters" in record.message for record in caplog.records), SECONDS)
    finally:
        one.log.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"v": 1, "e": "epoch", "a": 0, "l": 2**53, "d": "x"},
        {"v": 1, "e": "epoch", "a": 0, "l": "9" * 4000, "d": "x"},
        {"v": 1, "e": "epoch", "a": 0, "l": "9" * 5000, "d": "x"},
        {"v": 1, "e": "epoch", "a": -1, "l": 1, "d": "x"},
        {"v": 1, "e": "epoch", "a": "nan", "l": 1, "d": "x"},
        {"v": 1, "e": "e" * 65, "a": 0, "l": 1, "d": "x"},
        {"v": 1, "e": b"\xff", "a": 0, "l": 1, "d": "x"},
        {"v": 1, "e": "epoch", "a": 0, "l": 1},
        {"v": "1.0", "e": "epoch", "a": 0, "l": 1, "d": "x"},
    ],
)
def test_a_chunk_that_no_engine_writes_is_left_out(fields: dict[str, Any]) -> None:
    """Clients could not send its position back."""
    raw = {name.encode(): value if isinstance(value, bytes) else str(value).encode() for name, value in fields.items()}
    assert event_log_format.chunk_of(raw) is None


async def test_what_waits_is_bounded(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_a_master_that_does_not_write_is_stale(server: RedisServer) -> None:
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
        server.kill()
        await until(lambda: one.log.is_stale("m9") and one.log.is_stale("m8"), SECONDS)
    finally:
        one.log.close()


async def test_a_silent_master_is_logged_once_and_when_it_writes_again(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """With the time of its last sign of life, by the clock of Redis."""
    one, numbers = Reader(server, "m1", stale=0.4), itertools.count()
    seen = server.client.time()[0] - 60

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if "m9" in record.getMessage()]

    def beat() -> int:
        server.client.hset(MASTERS, "m9", f"run-{next(numbers)}-{seen}")
        return len(lines())

    one.start()
    try:
        beat()
        await until(lambda: one.log.is_stale("m9") and lines(), SECONDS)
        await until(lambda: beat() >= 2, SECONDS)
        since = datetime.datetime.fromtimestamp(seen, datetime.timezone.utc).isoformat()
        assert lines()[:2] == [
            f"master 'm9' has not written to the common log since {since}: start its engine, or let it reach Redis",
            "master 'm9' writes to the common log again",
        ]
    finally:
        one.log.close()


async def test_the_engine_that_started_last_keeps_the_id(
    server: RedisServer, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    """Two masters with one id are a mistake: the first one says so, and writes no more. It reads on."""
    one, two = masters
    one.log.put(chunk(1))
    await until(lambda: two.of("m1") == [chunk(1)], SECONDS)
    twin = Reader(server, "m1")
    twin.start()
    try:
        await until(lambda: one.fault is not None, SECONDS)
        assert any("another engine with the id m1" in record.message for record in caplog.records)
        one.log.put(chunk(2))
        twin.log.put(chunk(3))
        two.log.put(chunk(1))
        await until(lambda: len(two.of("m1")) == 2 and one.of("m2") and twin.of("m2"), SECONDS)
        assert (two.of("m1"), twin.fault) == ([chunk(1), chunk(3)], None)
    finally:
        twin.log.close()


async def test_an_engine_learns_what_the_log_has_of_its_master(
    server: RedisServer, masters: tuple[Reader, Reader]
) -> None:
    """Before it writes: after a reload or a restart it writes only the rest."""
    one, two = masters
    one.log.put(chunk(7))
    await until(lambda: two.of("m1") and one.begun, SECONDS)
    await one.log.stop(SECONDS)
    again = Reader(server, "m1")
    again.start()
    try:
        await until(lambda: again.begun, SECONDS)
        assert (one.begun, again.begun) == ([(None, 0)], [("epoch", 7)])
    finally:
        again.log.close()


async def test_a_new_engine_reads_the_stream_of_its_master_first(
    server: RedisServer, masters: tuple[Reader, Reader]
) -> None:
    """To its end: only then it reads the bus, so that the events of its master are in order."""
    one, two = masters
    await until(lambda: one.begun and two.begun and one.at_own_end and two.at_own_end, SECONDS)
    for number in range(1, 101):
        one.log.put(chunk(number))
        two.log.put(chunk(number))
    await until(lambda: len(two.of("m1")) == len(one.of("m2")) == 100, SECONDS)
    await two.log.stop(SECONDS)
    again = Reader(server, "m2")
    again.start()
    try:
        await until(lambda: len(again.read) == 200, SECONDS)
        assert [name for name, _ in again.read] == ["m2"] * 100 + ["m1"] * 100
        assert again.at_own_end == [100]
    finally:
        again.log.close()
    assert (len(one.at_own_end), one.at_own_end[0]) == (1, 0), "a log without this master has an end too"


async def test_what_waits_is_written_before_the_end(server: RedisServer, masters: tuple[Reader, Reader]) -> None:
    """So that clients that move to another master get it there."""
    one, two = masters
    await until(lambda: one.begun, SECONDS)
    for number in range(1, 1001):
        one.log.put(chunk(number))
    await one.log.stop(SECONDS)
    await until(lambda: len(two.of("m1")) == 1000, SECONDS)
    assert two.of("m1") == [chunk(number) for number in range(1, 1001)]


@pytest.mark.parametrize("answer", [0.2, 60.0])
async def test_a_redis_that_answers_late_loses_nothing(server: RedisServer, answer: float) -> None:
    """Whether it is waited for, or counts as away and gets some chunks twice. The event loop never waits."""
    one, two = Reader(server, "m1", answer=answer), Reader(server, "m2", answer=answer)
    one.start()
    two.start()
    try:
        one.log.put(chunk(1))
        await until(lambda: two.of("m1") == [chunk(1)], SECONDS)
        server.hang()
        for number in range(2, 101):
            one.log.put(chunk(number))
        if answer < 1:
            await until(lambda: one.fault and two.fault, SECONDS)
        server.go_on()
        await until(lambda: chunk(100) in two.of("m1") and not one.fault and not two.fault, SECONDS)
        assert list(dict.fromkeys(two.of("m1"))) == [chunk(number) for number in range(1, 101)]
    finally:
        one.log.close()
        two.log.close()


async def test_chunks_that_are_older_than_the_history_are_not_read(
    server: RedisServer, masters: tuple[Reader, Reader]
) -> None:
    """A quiet master's stream keeps its last ones. The age of the others is known by the clock of Redis."""
    client, (_, two) = server.client, masters
    seconds, _ = client.time()
    for number, age in enumerate((1000, 200, 0), 1):
        fields = {"v": 1, "e": "epoch", "a": number - 1, "l": number, "d": b"x" * 10}
        client.xadd(f"{STREAM}m5", fields, id=f"{(seconds - age) * 1000}-0")
    client.hset(MASTERS, "m5", "1")
    await until(lambda: len(two.of("m5")) == 2, SECONDS)
    assert two.of("m5") == [chunk(2), chunk(3)]
    ages = [age for (name, _), age in zip(two.read, two.ages, strict=True) if name == "m5"]
    assert ages[0] >= 200 - 1  # Redis counts in milliseconds from a full second
    assert ages[0] > ages[1] + 100


@pytest.mark.parametrize(
    ("version", "remedy"), [("6.0.16", "6.2 or newer"), ("5.0.3", "6.2 or newer"), ("7.0.15", None), ("8.2.1", None)]
)
def test_a_redis_without_a_limit_by_time_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str, remedy: str | None
) -> None:
    """Its streams would grow without an end."""

    class Old:
        def info(self) -> dict[str, Any]:
            return {"redis_version": version, "maxmemory_policy": "noeviction"}

    monkeypatch.setattr(event_log_format.redis.Redis, "from_url", lambda url, **options: Old())
    if remedy is None:
        event_log_format.connect("redis://x", 1)
    else:
        with pytest.raises(Unusable, match=remedy):
            event_log_format.connect("redis://x", 1)


@pytest.mark.parametrize(
    ("url", "protected"),
    [
        ("redis://redis.example.com:6379/0", False),
        ("redis://:secret@redis.example.com", True),
        ("rediss://ann:secret@redis.example.com", True),
        ("rediss://ann@redis.example.com", False),
        ("unix:///run/redis/redis.sock", True),
        ("redis://redis.example.com/0?password=secret", True),
        ("redis://redis.example.com/0?db=1", False),
    ],
)
def test_a_password_or_a_socket_protects_the_events(url: str, protected: bool) -> None:
    """Without either, everybody who reaches the port reads them: that is worth a warning."""
    assert is_protected(url) is protected


@pytest.mark.parametrize(
    "url",
    [
        "redis://:geheim/word@host:6379/0",
        "redis://:geheim#word@host",
        "redis://:geheim[@host",
        "redis://:geheim@host:99999",
        "redis://:geheim@host/0?unknown=1",
        "redis://:geheim@host/0?db=x",
        "rediss://:geheim@host/0?ssl_cert_reqs=perhaps",
        "redis://:geheim@host/0?protocol=9",
        "redis://:geheim@host/0?protocol=3",
        "redis://:geheim@host/0?decode_responses=true",
        "redis://:geheim@host/0?socket_timeout=0",
        "redis://:geheim@host/0?max_connections=0",
        "redis://:geheim@host/0?health_check_interval=x",
        "redis://:geheim@host/0?geheim=geheim",
    ],
)
def test_a_url_that_is_not_understood_is_refused_without_its_password(url: str) -> None:
    """Before anything starts: in a thread, redis would log a part of it at each attempt."""
    with pytest.raises(CannotRun, match="percent-encoded") as caught:
        RedisLog(url, "m1", 300)
    assert "geheim" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_redis_without_password_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """The line does not have the URL, which may have a password."""
    log = RedisLog("redis://127.0.0.1:1/0", "m1", 300)
    with caplog.at_level(logging.WARNING):
        log.start(_nothing, lambda epoch, last: None, lambda fault: None)
        log.close()
    assert any("has no password" in record.message for record in caplog.records)


async def _nothing(master: str, chunk: Any, age: float) -> None:
    await asyncio.sleep(0)


async def test_the_end_of_the_log_is_reported_after_its_chunks(
    server: RedisServer, masters: tuple[Reader, Reader]
) -> None:
    """An engine that starts knows from then on that a position is not there. It is called about once a second."""
    one, _ = masters
    for number in range(1, 101):
        one.log.put(chunk(number))
    await until(lambda: server.client.xlen(f"{STREAM}m1") == 100, SECONDS)
    new, had = Reader(server, "m3"), list[int]()
    new.log.start(new._deliver, new._begin, new._set, lambda: had.append(len(new.of("m1"))))
    try:
        await until(lambda: len(had) >= 3, SECONDS)
    finally:
        new.log.close()
    assert had[0] == 100


async def test_a_master_that_is_gone_is_forgotten(server: RedisServer) -> None:
    """Its name leaves Redis too, and its stream expires. It is read again when it comes back."""
    numbers = itertools.count(1)
    one, two, again = (Reader(server, name, seconds=0.5, stale=0.4, gone=1.0) for name in ("m1", "m2", "m2"))

    def is_read(writer: Reader) -> bool:
        before = len(one.of("m2"))
        writer.log.put(chunk(next(numbers)))
        return before > 0 and not one.log.is_gone("m2")

    one.start()
    two.start()
    try:
        await until(lambda: is_read(two), SECONDS)
        await until(lambda: server.client.ttl(f"{STREAM}m2") > 0, SECONDS)
        two.log.close()
        await until(lambda: one.log.is_gone("m2") and not one.log.is_stale("m2"), SECONDS)
        await until(lambda: not server.client.hexists(MASTERS, "m2"), SECONDS)
        await until(lambda: not server.client.exists(f"{STREAM}m2"), SECONDS)
        assert (one.log.last_seen("m2"), one.log.is_gone("m1")) == (None, False)
        one.read.clear()
        again.start()
        await until(lambda: is_read(again), SECONDS)
    finally:
        for reader in (one, two, again):
            reader.log.close()


async def test_a_master_that_was_gone_before_the_start_is_not_read(server: RedisServer) -> None:
    """By the time in its heartbeat. Without a time it counts from now, and a time in the far future is ignored."""
    now, _ = server.client.time()
    beats = {"m7": f"run-1-{now - 86_500}", "m8": f"run-1-{now - 40}", "m9": "run-1", "m6": f"run-1-{'9' * 30}"}
    server.client.hset(MASTERS, mapping=beats)
    one = Reader(server, "m1", stale=0.4)
    one.start()
    try:
        await until(lambda: all(one.log.is_stale(name) for name in ("m6", "m8", "m9")), SECONDS)
        assert one.log.last_seen("m8") == now - 40
        assert not one.log.is_stale("m7")
        await until(lambda: one.log.is_gone("m7"), SECONDS)
        left = {"m1", "m6", "m8", "m9"}
        await until(lambda: {name.decode() for name in server.client.hkeys(MASTERS)} == left, SECONDS)
        datetime.datetime.fromtimestamp(one.log.last_seen("m6") or 0, datetime.timezone.utc)
    finally:
        one.log.close()


async def test_a_stream_that_is_replaced_stops_nobody_else(
    server: RedisServer, masters: tuple[Reader, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    """Its master is stale as long as its key is not a stream. Others are read, also by a reader that starts then."""
    (one, two), client = masters, server.client
    one.log.put(chunk(1))
    two.log.put(chunk(1))
    await until(lambda: two.of("m1") and one.of("m2"), SECONDS)
    client.set(f"{STREAM}m2", "no stream")
    three = Reader(server, "m3")
    three.start()
    try:
        for number, reader in enumerate((one, three), 2):
            await until(lambda reader=reader: reader.log.is_stale("m2"), SECONDS)
            one.log.put(chunk(number))
            await until(lambda number=number: chunk(number) in two.of("m1"), SECONDS)
            await until(lambda number=number: chunk(number) in three.of("m1"), SECONDS)
        assert (one.fault, three.fault) == (None, None)
        two.log.put(chunk(2))
        await until(lambda: two.fault is not None, SECONDS)
        logged = "m2 in Redis is not a stream, and is not read"
        await until(lambda: len([one for one in caplog.records if logged in one.message]) == 3, SECONDS)
        client.delete(f"{STREAM}m2")
        await until(lambda: chunk(2) in one.of("m2") and chunk(2) in three.of("m2"), SECONDS)
        await until(lambda: not one.log.is_stale("m2") and not two.fault, SECONDS)
    finally:
        three.log.close()
