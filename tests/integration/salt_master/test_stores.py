"""Jobs, minions, functions, files and the bus, read on a real master."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from websocket_api.errors import ApiError
from websocket_api.salt_master import files
from websocket_api.salt_master.bus import Bus
from websocket_api.salt_master.commands import Commands
from websocket_api.salt_master.functions import MasterFunctions
from websocket_api.salt_master.job_cache import JobCache
from websocket_api.salt_master.minions import MinionStore
from websocket_api.salt_master.per_thread import PerThread
from websocket_api.salt_master.pool import Pool
from websocket_api.salt_master.salt_compat import SALT_LINE

from tests.support.waiting import until_returned

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

Token = Callable[[str], Awaitable[str]]
Job = dict[str, Any]


async def test_a_job_of_minions_is_read_with_its_returns(commands: Commands, token: Token, store: JobCache) -> None:
    """In the form that its event has, and in UTC."""
    sent = await commands.publish(await token("demo"), "demo", "test.arg", ["x"], {"y": 1}, "minion-*", "glob")

    async def look() -> Job | None:
        job = await store.job(sent["jid"])
        return job if job and len(job["returns"]) == 2 else None

    job = await until_returned(look, "the job in the cache")
    started = datetime.fromisoformat(job["load"].pop("start_time"))
    assert abs((datetime.now(timezone.utc) - started).total_seconds()) < 120
    assert job["load"] == {
        "jid": sent["jid"],
        "fun": "test.arg",
        "arg": ["x", {"__kwarg__": True, "y": 1}],
        "tgt": "minion-*",
        "tgt_type": "glob",
        "user": "demo",
        "minions": ["minion-1", "minion-2"],
    }
    assert job["returns"]["minion-1"]["return"]["args"] == ["x"]
    assert (job["returns"]["minion-2"]["retcode"], job["returns"]["minion-2"]["success"]) == (0, True)


async def test_a_failed_return_is_read_as_failed(commands: Commands, token: Token, store: JobCache) -> None:
    """By its retcode."""
    sent = await commands.publish(await token("demo"), "demo", "cmd.run", ["false"], {}, "minion-1", "glob")

    async def look() -> Job | None:
        job = await store.job(sent["jid"])
        return job if job and job["returns"] else None

    job = await until_returned(look, "the job in the cache")
    assert job["returns"]["minion-1"]["retcode"] == 1


async def test_a_runner_is_read_as_what_it_was_called_and_returned(
    commands: Commands, token: Token, store: JobCache
) -> None:
    """Salt stores its whole return event as the return of a minion that is the master."""
    sent = await commands.runner(await token("demo"), "test.arg", ["x"], {"y": 1})

    async def look() -> Job | None:
        job = await store.job(sent["jid"])
        return job if job and job["returns"] else None

    job = await until_returned(look, "the job in the cache")
    assert (job["load"]["fun"], job["load"]["user"]) == ("runner.test.arg", "demo")
    assert job["load"]["arg"] == ["x", {"y": 1}]
    ((_, returned),) = job["returns"].items()
    assert (returned["return"], returned["success"]) == ({"args": ["x"], "kwargs": {"y": 1}}, True)


@pytest.mark.parametrize("jid", ["20200101000000000000", "", "..", "../../../etc", "2020010100000000000", "*" * 20])
async def test_a_job_that_is_not_there_is_none(store: JobCache, jid: str) -> None:
    """And what is no jid is no path either."""
    assert await store.job(jid) is None


async def test_the_newest_jobs_come_first_and_without_find_job(
    commands: Commands, token: Token, store: JobCache
) -> None:
    """Which this engine itself sends all the time."""
    demo = await token("demo")
    jids = []
    for _ in range(4):
        sent = await commands.publish(demo, "demo", "test.ping", [], {}, "minion-1", "glob")
        jids.append(sent["jid"])
        await commands.publish_as_master("saltutil.find_job", [sent["jid"]], {}, ["minion-1"])
    newest = [load["jid"] for load in await store.recent(3)]
    # Other tests' jobs may be among them, and the function of a compound command is a list.
    assert len(newest) == 3
    assert newest == sorted(newest, reverse=True)
    assert min(newest) >= jids[1]
    recent = await store.recent(100)
    assert [load["jid"] for load in recent if load["jid"] in jids] == jids[::-1]
    assert "saltutil.find_job" not in [load["fun"] for load in recent]


async def test_other_job_caches_are_read_by_their_own_functions(
    opts: dict[str, Any], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Salt lists them with display names, which become the names of this API."""
    row = {"Function": "test.ping", "Arguments": [], "Target": "*", "Target-type": "glob", "User": "demo"}
    rows = {"20260101000000000001": row, "20260101000000000002": {**row, "Function": "saltutil.find_job"}}
    rows["20260101000000000003"] = {**row, "Metadata": {"a": 1}}
    store = JobCache({**opts, "master_job_cache": "other"}, pool)
    monkeypatch.setattr(store, "_returners", PerThread(lambda: {"other.get_jids": lambda: rows}))
    recent = await store.recent(5)
    assert [(load["jid"][-1], load["fun"], load.get("metadata")) for load in recent] == [
        ("3", "test.ping", {"a": 1}),
        ("1", "test.ping", None),
    ]
    with pytest.raises(ApiError) as failed:
        await store.job("20260101000000000001")
    assert failed.value.code == "master_unavailable"


async def test_keys_and_cached_grains_of_the_minions_are_known(minions: MinionStore) -> None:
    """Without a command to any of them."""
    assert await minions.keys() == {"minion-1": "accepted", "minion-2": "accepted"}

    async def look() -> Any:
        grains = await minions.grains(None)
        return grains if len(grains) == 2 else None

    grains = await until_returned(look, "the grains in the cache")
    assert grains["minion-1"]["id"] == "minion-1"
    assert type(grains["minion-1"]) is dict
    assert set(await minions.grains(["minion-2", "nobody", "../x"])) == {"minion-2"}


@pytest.mark.parametrize(
    ("tgt", "tgt_type", "meant"),
    [
        ("*", "glob", ["minion-1", "minion-2"]),
        ("minion-1", "glob", ["minion-1"]),
        (["minion-2", "nobody"], "list", ["minion-2"]),
        ("minion-[12]", "pcre", ["minion-1", "minion-2"]),
        ("id:minion-1", "grain", ["minion-1"]),
        ("both", "nodegroup", ["minion-1", "minion-2"]),
        ("G@id:minion-* and not E@.*1", "compound", ["minion-2"]),
        ("nobody", "glob", []),
    ],
)
async def test_a_target_means_the_minions_that_the_master_takes_it_to_mean(
    minions: MinionStore, tgt: Any, tgt_type: str, meant: list[str]
) -> None:
    """By its keys and caches."""

    async def look() -> bool:
        return await minions.match(tgt, tgt_type) == meant  # grains come a moment after the minion

    assert await until_returned(look, "the change in the store")


@pytest.mark.parametrize(
    ("tgt", "tgt_type"),
    [
        ("(", "pcre"),
        ("x" * 257, "pcre"),
        ("os:(", "grain_pcre"),
        ("nobody", "nodegroup"),
        ("300.0.0.0/8", "ipcidr"),
        ("G@os:* and E@(", "compound"),
        ("N@nobody", "compound"),
        ("( one", "compound"),
        ("*", "nonsense"),
        (["a"], "glob"),
    ],
)
async def test_an_expression_that_means_nothing_is_the_senders_fault(
    minions: MinionStore, tgt: Any, tgt_type: str
) -> None:
    """Salt would log a traceback and answer that nobody matches."""
    with pytest.raises(ApiError) as refused:
        await minions.match(tgt, tgt_type)
    assert refused.value.code == "bad_message"


async def test_an_operators_expression_may_be_long(minions: MinionStore) -> None:
    """It stands in external_auth, and is trusted."""
    assert await minions.match(f"E@(minion-1|{'x' * 300})", "compound", trusted=True) == ["minion-1"]


async def test_runners_and_wheels_are_listed_with_their_signatures(opts: dict[str, Any], pool: Pool) -> None:
    """This project's own runner too."""
    functions = MasterFunctions(opts, pool)
    assert {"jobs.list_jobs", "steps.run"} & set(await functions.names("runner"))
    assert "key.accept" in await functions.names("wheel")
    spec = await functions.signature("wheel", "key.accept")
    assert spec is not None
    assert spec["doc"].startswith("Accept keys")
    assert {key: value for key, value in spec.items() if key != "doc"} == {
        "args": ["match", "include_rejected", "include_denied"],
        "defaults": [False, False],
        "varargs": None,
        "keywords": None,
    }
    arg = await functions.signature("runner", "test.arg")
    assert arg is not None
    assert (arg["args"], arg["varargs"], arg["keywords"]) == ([], "args", "kwargs")
    for unknown in ("test.nothing", "nothing", "", "_x.y", "jobs"):
        assert await functions.signature("runner", unknown) is None


def test_a_directory_comes_from_the_masters_file_server_and_stays_like_it(opts: dict[str, Any], tmp_path: Path) -> None:
    """What was deleted there is deleted here."""
    source = tmp_path / "schemas" / "operations"
    source.mkdir(parents=True)
    (source / "one.json").write_text("1")
    (source / "two.json").write_text("2")
    opts = {**opts, "file_roots": {"base": [str(tmp_path)]}, "cachedir": str(tmp_path / "cache")}

    def fetched() -> set[str]:
        folder = files.fetch(opts, "salt://schemas", "base")
        assert folder is not None
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert fetched() == {"operations/one.json", "operations/two.json"}
    (source / "two.json").unlink()
    (source / "three.json").write_text("3")
    assert fetched() == {"operations/one.json", "operations/three.json"}
    assert files.fetch(opts, "salt://nothing", "base") is None
    assert files.fetch(opts, str(source), "base") == source
    assert files.fetch(opts, str(tmp_path / "nothing"), "base") is None


async def test_what_is_fired_comes_back_on_the_bus_stamped_as_salt_does(our_bus: Bus) -> None:
    """In UTC; only 3008 says so."""
    seen: list[tuple[str, Any]] = []
    reading = asyncio.ensure_future(
        our_bus.read(lambda tag, data: seen.append((tag, data)), lambda: None, lambda: None)
    )

    async def connected() -> bool:
        return our_bus.connected

    async def ours() -> Any:
        return [data for tag, data in seen if tag == "stores/test"]

    await until_returned(connected, "the connection of the minions")
    await our_bus.fire("stores/test", {"x": [1, "a", None, b"\xff"]})
    (data,) = await until_returned(ours, "the data in the cache")
    reading.cancel()
    assert data["x"] == [1, "a", None, b"\xff"]
    assert data["_stamp"].endswith("+00:00") is (SALT_LINE >= 3008)
