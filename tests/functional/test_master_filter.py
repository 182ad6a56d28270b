"""Two masters over a real Redis: lists, subscriptions and `salt-live` by master."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websocket")
pytest.importorskip("redis")

from salt_live import AsyncClient

from tests.functional.masters import NAMES, SECONDS, Masters, running
from tests.functional.running import USERS, Engine
from tests.functional.test_cli_bad_input import environment, run
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.both_lines,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]

MINIONS = {"m1": ("web1", "both"), "m2": ("db2", "web2", "both")}
SHOWN = {"m1": {"web1", "both"}, "m2": {"db2", "web2"}}
"""The minions of each master, as m1 shows them: one that both have is its own."""
JIDS = {name: f"2026113008000000000{number}" for number, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def masters(engine_root: Path, names: Iterator[int]) -> Iterator[Masters]:
    """Two running engines; each master has minions, and has announced a job on one of them."""
    with contextlib.ExitStack() as stack:
        folder = engine_root / "q"
        folder.mkdir()
        server = RedisServer(folder)
        stack.callback(server.kill)
        server.start()

        def make(options: dict[str, Any], **more: Any) -> Engine:
            engine = Engine(engine_root / str(next(names)), options, **more)
            engine.give_schemas()
            stack.callback(engine.stop)
            return engine

        users = {**USERS, "web": [{"web*": ["test.ping"]}]}
        made = Masters(make, server, external_auth={"sharedsecret": users})
        for name, minions in MINIONS.items():
            made.accept(name, *minions)
        stack.enter_context(running(made))
        for name in NAMES:
            made.announce(name, JIDS[name], MINIONS[name][0])
        with made.engines["m1"].client("demo") as client:
            shown = set().union(*SHOWN.values())
            wait_until(lambda: {one["id"] for one in client.ask("list_minions")} == shown, "all minions", SECONDS)
            wait_until(lambda: len(client.ask("list_jobs")) == len(NAMES), "both jobs", SECONDS)
        yield made


@pytest.mark.parametrize("master", [*NAMES, [*NAMES], "unknown"])
@pytest.mark.parametrize("user", ["demo", "web"])
def test_lists_and_snapshots_have_what_belongs_to_the_master(masters: Masters, user: str, master: Any) -> None:
    """And what the user may see of that."""
    chosen = [name for name in NAMES if name in master]
    minions, jobs = set().union(*(SHOWN[name] for name in chosen)), {JIDS[name] for name in chosen}
    if user == "web":
        minions, jobs = {name for name in minions if name.startswith("web")}, jobs & {JIDS["m1"]}
    with masters.engines["m1"].client(user) as client:
        assert {one["id"] for one in client.ask("list_minions", master=master)} == minions
        assert {one["jid"] for one in client.ask("list_jobs", master=master)} == jobs
        for kind, found in (("minions", minions), ("job", jobs)):
            number = client.ask("subscribe", subscription=kind, master=master)["subscription"]
            frames = client.frames(until=lambda frame: frame["type"] == "live", subscription=number, timeout=SECONDS)
            sent = [frame for frame in frames if frame["type"] == kind]
            assert {name for frame in sent for name in ([frame["jid"]] if kind == "job" else frame["minions"])} == found


def test_events_of_one_master_are_followed(masters: Masters) -> None:
    """The other one's are left out, although they come first."""
    with masters.engines["m1"].client("demo") as client:
        numbers = {name: client.ask("subscribe", subscription="event", tag="t/", master=name) for name in NAMES}
        for name in NAMES:
            masters.fire(name, f"t/{name}/1", f"t/{name}/2")
        for name, result in numbers.items():
            frames = client.frames(
                until=lambda frame, name=name: frame.get("tag") == f"t/{name}/2",
                subscription=result["subscription"],
                timeout=SECONDS,
            )
            events = [(frame["tag"], frame["master"]) for frame in frames if frame["type"] == "event"]
            assert events == [(f"t/{name}/1", name), (f"t/{name}/2", name)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["web*"], {"web1", "web2"}),
        (["web*", "--master", "m2"], {"web2"}),
        (["--master", "m2"], SHOWN["m2"]),
        (["-L", "db2,web1,stranger", "--master", "m2"], {"db2"}),
        (["-E", "(db|web)2", "--master", "m2"], {"db2", "web2"}),
        (["-C", "web* and not web1"], {"web2"}),
        (["web*", "--master", "m1"], {"web1"}),
        (["web*", "--master", "unknown"], set()),
    ],
)
def test_salt_live_lists_minions_by_target_and_master(
    masters: Masters, tmp_path: Path, words: list[str], found: set[str]
) -> None:
    """Also those of the other master, by their ids."""
    ran = run(environment(tmp_path, masters.engines["m1"].url), "minions", "--out=json", *words)
    assert set(json.loads(ran.stdout) if ran.stdout else ()) == found
    assert ran.returncode == (0 if found else 2)


def test_salt_live_lists_jobs_and_events_by_master(masters: Masters, tmp_path: Path) -> None:
    """Each line of a job names its master."""
    env = environment(tmp_path, masters.engines["m1"].url)
    for name in NAMES:
        lines = run(env, "jobs", "--master", name).stdout.splitlines()
        assert [(line.split()[0], line.split()[-1]) for line in lines] == [(JIDS[name], name)]
    assert run(env, "jobs", "--master", "unknown").stdout == ""


async def test_mappings_of_the_python_client_have_one_masters_minions_and_jobs(masters: Masters) -> None:
    """They change as those of all masters do."""
    late = "20261130090000000000"
    async with (
        AsyncClient(masters.engines["m1"].url, username="demo", password="demo") as client,
        await client.minions(master="m2") as minions,
        await client.jobs(master=["m2"]) as jobs,
    ):
        assert (set(minions), set(jobs)) == (SHOWN["m2"], {JIDS["m2"]})
        masters.announce("m1", f"{late[:-1]}1", "web1")
        masters.announce("m2", late, "db2")
        while late not in jobs:
            await asyncio.wait_for(jobs.changed(), SECONDS)
        assert set(jobs) == {JIDS["m2"], late}
