"""Batches in Salt's own cache, on disk and in a Redis; and jobs that are found by their metadata."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")

import salt.config
import salt.loader
from websocket_api.errors import ApiError
from websocket_api.salt_master.batch_store import BatchStore
from websocket_api.salt_master.job_cache import JobCache
from websocket_api.salt_master.pool import Pool
from websocket_api.salt_master.salt_compat import SALT_LINE

from tests.ports import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.both_lines

DATABASES = itertools.count()  # of a Redis there are 16; there are fewer tests here, also if some are tried again
ROW = ["m1", 0, "resolved", 100.0, {"a": [1, None, "ü"], "b": b"\xff"}, 0, None, 1.5, 1, "20111219152846512345"]


def configured(root: Path, **settings: Any) -> dict[str, Any]:
    """The options of a master whose files lie in this folder."""
    (root / "var/cache/salt/master").mkdir(parents=True)
    (root / "master").write_text(f"root_dir: {root}\n")
    opts: dict[str, Any] = salt.config.master_config(str(root / "master"))
    return {**opts, **settings}


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """A thread pool."""
    pool = Pool(3, "test")
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def redis_port() -> Iterator[int]:
    """The port of a temporary Redis."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens, "redis listening")
    yield port
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture(params=["localfs", "redis"])
def opts(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Options with each driver."""
    if request.param == "localfs":
        return configured(tmp_path)
    redis = {"cache.redis.host": "127.0.0.1", "cache.redis.port": request.getfixturevalue("redis_port")}
    return configured(tmp_path, cache="redis", **redis, **{"cache.redis.db": str(next(DATABASES) % 16)})


async def test_what_is_read_is_what_was_written(opts: dict[str, Any], pool: Pool) -> None:
    """This holds for records, chunks and calls, with any value that a minion can return."""
    store = BatchStore(opts, pool)
    assert await store.ids() == []
    await store.write(4096, {"id": 4096, "n": 1}, {0: [ROW], 3: [ROW, ROW]}, [{"fun": "a.b"}])
    await store.write(8192, {"id": 8192}, {}, [])
    assert sorted(await store.ids()) == [4096, 8192]
    assert await store.record(4096) == {"id": 4096, "n": 1}
    assert await store.record(17) is None
    assert await store.records([4096, 17]) == {4096: {"id": 4096, "n": 1}}
    assert await store.requests(4096, [3, 0, 9]) == [[ROW, ROW], [ROW], []]
    assert await store.calls(4096) == [{"fun": "a.b"}]
    await store.remove(4096)
    await store.remove(17)
    assert await store.ids() == [8192]
    assert await store.requests(4096, [0, 3]) == [[], []]


async def test_cancel_requests_are_written_read_and_removed(opts: dict[str, Any], pool: Pool) -> None:
    """Each belongs to a batch."""
    store = BatchStore(opts, pool)
    assert await store.cancels() == {}
    await store.write_cancel(4096, {"forget": True})
    assert await store.cancels() == {4096: {"forget": True}}
    assert (await store.cancel(4096), await store.cancel(8192)) == ({"forget": True}, None)
    await store.remove_cancel(4096)
    assert await store.cancels() == {}


async def test_requests_to_pause_are_written_read_and_removed(opts: dict[str, Any], pool: Pool) -> None:
    """The newest of a batch replaces the one before."""
    store = BatchStore(opts, pool)
    assert await store.pauses() == {}
    for paused in (True, False):
        await store.write_pause(4096, {"paused": paused, "request": "a"})
    assert await store.pauses() == {4096: {"paused": False, "request": "a"}}
    assert (await store.pause(4096), await store.pause(8192)) == ({"paused": False, "request": "a"}, None)
    await store.remove_pause(4096)
    await store.remove_pause(4096)
    assert (await store.pauses(), await store.cancels()) == ({}, {})


async def test_a_master_keeps_its_number_and_no_two_have_the_same(opts: dict[str, Any], pool: Pool) -> None:
    """This holds even if their identities hash to the same number: here are two numbers for two masters."""
    store = BatchStore(opts, pool)
    first, _ = await store.claim_number("one", 2)
    second, _ = await store.claim_number("two", 2)
    assert {first, second} == {0, 1}
    await store.write_last("one", first, 1234)
    assert await store.claim_number("one", 2) == (first, 1234)
    with pytest.raises(ApiError, match="numbers of masters in the store of batches are in use"):
        await store.claim_number("three", 2)


async def test_only_the_masters_user_can_read_tokens_in_records(tmp_path: Path, pool: Pool) -> None:
    """Only the owner may read the file."""
    store = BatchStore(configured(tmp_path), pool)
    await store.write(4096, {"token": "a" * 64}, {0: [ROW]}, [])
    files = [path for path in (tmp_path / "var/cache/salt/master/websocket_api").rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}


async def test_the_identity_of_a_master_belongs_to_its_cache_directory(tmp_path: Path, pool: Pool) -> None:
    """It is the same after a restart, and different in another directory."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (configured(tmp_path / name) for name in ("one", "two"))
    identity = await BatchStore(one, pool).identity()
    assert identity == await BatchStore(one, pool).identity()
    assert identity != await BatchStore(two, pool).identity()


async def test_a_store_that_cannot_be_written_is_one_error(tmp_path: Path, pool: Pool) -> None:
    """A file in place of a folder keeps everybody from writing there, even root."""
    opts = configured(tmp_path)
    await asyncio.to_thread(Path(opts["cachedir"], "websocket_api").write_text, "in the way")
    with pytest.raises(ApiError) as caught:
        await BatchStore(opts, pool).write(4096, {}, {}, [])
    assert (caught.value.code, caught.value.retryable) == ("master_unavailable", True)


async def test_a_damaged_file_does_not_block_reading_others(
    tmp_path: Path, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was half written in a power failure counts as missing, and the log names it."""
    opts = configured(tmp_path)
    store = BatchStore(opts, pool)
    for id_ in (4096, 8192, 12288):
        await store.write(id_, {"id": id_}, {0: [ROW]}, [])
    folder = Path(opts["cachedir"], "websocket_api")
    await asyncio.to_thread((folder / "batches/4096.p").write_bytes, b"\x82\xa2id")
    await asyncio.to_thread((folder / "batches/8192.p").write_bytes, b"")
    await asyncio.to_thread((folder / "requests/12288/0.p").write_bytes, b"\x00" * 40)
    for _ in range(2):
        assert await store.records([4096, 8192, 12288]) == {12288: {"id": 12288}}
        assert await store.requests(12288, [0]) == [[]]
    said = [record.message for record in caplog.records if "is damaged" in record.message]
    assert [message.split()[0] for message in said] == ["websocket_api/batches/4096", "websocket_api/requests/12288/0"]


async def test_a_missing_redis_is_the_same_error(tmp_path: Path, pool: Pool) -> None:
    """This does not depend on the exception of the driver."""
    redis = {"cache.redis.host": "127.0.0.1", "cache.redis.port": free_port()}
    with pytest.raises(ApiError) as caught:
        await BatchStore(configured(tmp_path, cache="redis", **redis), pool).record(4096)
    assert caught.value.code == "master_unavailable"


@pytest.mark.parametrize("cache", ["local_cache", "salt_cache"] if SALT_LINE >= 3008 else ["local_cache"])
async def test_a_job_is_found_by_its_metadata(cache: str, tmp_path: Path, pool: Pool) -> None:
    """Only jobs that were published in that minute are searched."""
    opts = configured(tmp_path, master_job_cache=cache)
    returners = salt.loader.returners(opts, salt.loader.minion_mods(opts))
    jids = []
    for number in range(3):
        jid = returners[f"{cache}.prep_jid"]()
        load = {"jid": jid, "fun": "test.ping", "tgt": ["m1"], "tgt_type": "list", "arg": [], "user": "ann", "ret": ""}
        load["kwargs"] = {"token": "a" * 64, "metadata": {"batch": 4096, "batch_job": number}}
        returners[f"{cache}.save_load"](jid, load, ["m1"])
        jids.append(jid)
    store, now = JobCache(opts, pool), time.time()
    for number in range(3):
        assert await store.marked({"batch": 4096, "batch_job": number}, now) == jids[number]
    assert await store.marked({"batch": 4096, "batch_job": 7}, now) is None
    assert await store.marked({"batch": 4096, "batch_job": 1}, now - 3600) is None
