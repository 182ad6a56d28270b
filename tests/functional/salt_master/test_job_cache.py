"""The job cache trusts what the master stored, and not what a minion returns."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")

import salt.config
import salt.exceptions
import salt.loader
import salt.utils.job
from websocket_api.core.jobs.job import Job
from websocket_api.jids import made_at
from websocket_api.operations.stored_jobs import from_store
from websocket_api.salt_master import job_cache
from websocket_api.salt_master.job_cache import JobCache
from websocket_api.salt_master.pool import Pool
from websocket_api.salt_master.salt_compat import SALT_LINE

from tests.unit.core.support import World

pytestmark = pytest.mark.both_lines

JID = "20261123120000000001"
CACHES = ["local_cache", "salt_cache"] if SALT_LINE >= 3008 else ["local_cache"]
FORGED = {"fun": "runner.test.arg", "jid": JID, "user": "viewer", "return": "x", "success": True}


class Master:
    """A job cache, written as Salt's master writes it."""

    def __init__(self, root: Path, cache: str, pool: Pool) -> None:
        (root / "var/cache/salt/master").mkdir(parents=True)
        (root / "master").write_text(f"root_dir: {root}\nid: salt_master\nmaster_job_cache: {cache}\n")
        self.opts: dict[str, Any] = salt.config.master_config(str(root / "master"))
        self._cache = cache
        self._returners = salt.loader.returners(self.opts, salt.loader.minion_mods(self.opts))
        self.returners = self._returners  # what store_job looks for in a MasterMinion
        self.store = JobCache(self.opts, pool)

    def publish(self, *minions: str, fun: str, user: str = "root", jid: str = JID, **more: Any) -> None:
        self._returners[f"{self._cache}.prep_jid"](passed_jid=jid)
        load = {"cmd": "publish", "jid": jid, "fun": fun, "tgt": list(minions), "tgt_type": "list", "arg": []}
        self._returners[f"{self._cache}.save_load"](jid, {**load, "user": user, "ret": "", **more}, list(minions))

    def take(self, minion: str, value: Any, **more: Any) -> None:
        """As ``AESFuncs._return``."""
        load = {"cmd": "_return", "id": minion, "jid": JID, "return": value, "retcode": 0, "success": True, **more}
        try:
            salt.utils.job.store_job(self.opts, load, mminion=self)
        except salt.exceptions.CommandExecutionError:
            # Where a minion's return is the load, local_cache has no list of minions, and Salt fails at the next one.
            self._returners[f"{self._cache}.returner"](load)

    def call(self, **data: Any) -> None:
        """As runners and wheels do (``SyncClientMixin._low``)."""
        load = {"id": self.opts["id"], "tgt": self.opts["id"], "jid": JID, "return": {"jid": JID, **data}}
        salt.utils.job.store_job(self.opts, load, mminion=self)

    async def job(self) -> Job:
        stored = await self.store.job(JID)
        assert stored is not None
        return from_store(JID, stored)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    made = Pool(2, "salt")
    yield made
    made.close()


@pytest.fixture(params=CACHES)
def master(request: pytest.FixtureRequest, tmp_path: Path, pool: Pool) -> Master:
    return Master(tmp_path, request.param, pool)


@pytest.mark.parametrize("kind", ["runner", "wheel"])
async def test_a_runner_or_wheel_has_its_user_arguments_and_return(master: Master, kind: str) -> None:
    """The job cache has it as the master's own return."""
    master.call(fun=f"{kind}.test.arg", fun_args=["x"], user="ann", success=True, **{"return": ["x"]})
    job = await master.job()
    assert (job.kind, job.fun, job.user, job.arg, job.value, job.success, job.reported_by) == (
        kind,
        "test.arg",
        "ann",
        ["x"],
        ["x"],
        True,
        None,
    )


@pytest.mark.parametrize("hostile", ["hostile", "salt_master"])
async def test_a_return_cannot_turn_a_published_job_into_a_runner(master: Master, hostile: str) -> None:
    """It cannot change the owner of the job either, even if the minion has the master's id."""
    master.publish("good", hostile, fun="state.apply")
    master.take("good", "secret", fun="state.apply")
    master.take(hostile, FORGED, fun="state.apply", user="viewer")
    job = await master.job()
    assert (job.kind, job.fun, job.parts["good"].value) == ("job", "state.apply", "secret")
    assert job.user in (("root",) if master.opts["master_job_cache"] == "local_cache" else ("",))
    world = World()
    for session in (world.session("test.ping", user="viewer"), world.session({"@runner": ["test.*"]}, user="viewer")):
        assert world.visibility.sees_job(session.viewer, job) is False
        assert world.job_feed.view(job, session.viewer) is None


@pytest.mark.parametrize("hostile", ["hostile", "salt_master"])
async def test_a_return_without_a_job_makes_no_runner(master: Master, hostile: str) -> None:
    """If a job is no longer in the job cache, its first return becomes the load."""
    for minion in (hostile, "good", hostile) if master.opts["master_job_cache"] == "local_cache" else ("good", hostile):
        if minion == "good":
            master.take(minion, "secret", fun="state.apply")
        else:
            master.take(minion, FORGED, fun="runner.test.arg", user="viewer")
    job = await master.job()
    assert (job.kind, job.fun, job.user, set(job.parts)) == ("job", "runner.test.arg", "", {"good", hostile})
    world = World()
    viewer = world.session("runner.test.arg", user="viewer").viewer
    assert world.visibility.sees_job(viewer, job) == {hostile}
    assert world.visibility.sees_part(viewer, job, "good") is False


async def test_a_call_with_a_minions_return_in_addition_is_no_runner(master: Master) -> None:
    """The load could be a minion's, so the job belongs to no user."""
    master.call(fun="runner.test.arg", fun_args=[], user="viewer", success=True, **{"return": 1})
    master.take("good", "secret", fun="state.apply")
    job = await master.job()
    assert (job.kind, job.user, job.parts["good"].value) == ("job", "", "secret")
    assert job.reported_by is not None


async def test_a_job_that_a_minion_started_is_shown_as_the_minion_reports_it(master: Master) -> None:
    """``salt-call`` and the minion's scheduler publish no job: the cache has only their return."""
    master.take("m1", True, fun="test.ping", fun_args=["x"])
    job = await master.job()
    assert (job.kind, job.fun, job.arg, job.user, job.reported_by) == ("job", "test.ping", ["x"], "", "m1")
    assert World().visibility.sees_job(World().session("test.ping").viewer, job) is True


@pytest.mark.parametrize(
    ("order_masters", "user", "kwargs", "owner"),
    [
        (True, "root", {"user": "ann"}, "ann"),
        (True, "salt", {"user": "ann"}, "ann"),
        (True, "root", {}, "root"),
        (True, "root", {"user": ["ann"]}, "root"),
        (True, "bob", {"user": "ann", "token": "x"}, "bob"),
        (False, "root", {"user": "ann"}, "root"),
    ],
)
async def test_the_load_that_a_syndic_passed_on_names_the_user_of_this_master(
    master: Master, order_masters: bool, user: str, kwargs: dict[str, Any], owner: str
) -> None:
    """The lower master published it with its own key. A user with a token cannot name another one."""
    master.opts["order_masters"], master.opts["user"] = order_masters, "salt"
    master.publish("m1", fun="test.ping", user=user, kwargs=kwargs)
    assert (await master.job()).user == owner


async def test_queries_leave_room_for_other_recent_jobs(master: Master) -> None:
    """They are among the newest jobs, but are not counted. Of find_job none is returned."""
    funs = ["state.apply"] * 3 + ["sys.doc"] * 3 + ["test.ping", "sys.argspec", "sys.argspec", "saltutil.find_job"]
    jids = [f"202611201200{number:02}000001" for number in range(len(funs))]
    for jid, fun in zip(jids, funs, strict=True):
        master.publish("one", fun=fun, jid=jid)
    written_when_made(master)

    async def recent(limit: int) -> list[int]:
        return [jids.index(load["jid"]) for load in await master.store.recent(limit)]

    assert await recent(1) == [8, 6]
    assert await recent(3) == [8, 7, 6, 2, 1]
    assert await recent(20) == [8, 7, 6, 5, 4, 3, 2, 1, 0]


def written_when_made(master: Master) -> None:
    """Give each load of local_cache the time of its jid, as it has where jobs are published now."""
    for path in Path(master.opts["cachedir"]).glob("jobs/*/*/jid"):
        made = made_at(path.read_text())
        assert made is not None
        os.utime(path.with_name(".load.p"), (made.timestamp(), made.timestamp()))


async def test_jobs_are_searched_between_two_jids_newest_first(master: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loads have the users of runners too; find_job is left out, and only some loads are read."""
    jids = [f"202611{day}120000000001" for day in range(20, 26)]
    for jid in jids:
        master.publish("one", fun="saltutil.find_job" if jid == jids[5] else "test.ping", jid=jid, user=f"user{jid[7]}")
    written_when_made(master)
    seen: list[str] = []

    def matches(load: Mapping[str, Any]) -> bool:
        seen.append(load["user"])
        return bool(load["user"] != "user3")

    search = master.store.search
    assert await search(matches, None, None, 10) == [jids[4], jids[2], jids[1], jids[0]]
    assert {"user0", "user4"} <= set(seen)
    assert await search(matches, jids[1], jids[4], 10) == [jids[2]]
    assert await search(matches, jids[0], None, 1) == [jids[4]]
    monkeypatch.setattr(job_cache, "MAX_SEARCHED", 2)
    assert await search(lambda load: True, None, "20261122115800000000", 10) == [jids[1], jids[0]]
