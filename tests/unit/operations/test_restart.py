"""What outlives a restart of the engine with a journal: events, their numbers, and who may see them."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from websocket_api.background.tasks import BackgroundTasks
from websocket_api.core.timing import timestamp

from tests.unit.operations.engine import Engine

USERS: dict[str, Any] = {
    "alice": [{"nobody*": ["state.apply", "cmd.run"]}, {"web2": ["state.apply"]}],
    "bob": ["test.ping", {"web1": ["state.apply"]}],
    "carol": [{"web*": [{"cmd.run": {"args": ["uptime"]}}]}],
    "dave": ["@jobs", "event.send"],
    "eve": ["grains.items"],
    "frank": ["@runner"],
    "root": [".*", "@runner", "@wheel", "@jobs"],
}
VIEWERS = [*itertools.product(USERS, ["pam"]), ("alice", "ldap")]


def engine(folder: Path, before: Engine | None = None) -> Engine:
    """Return an engine; it continues the one before."""
    made = Engine(cachedir=folder, clock=None if before is None else before.time, **USERS)
    if before is not None:
        made.store.jobs = before.store.jobs
    return made


def tags(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["tag"] if frame["type"] == "event" else f"gap {frame['reason']}" for frame in frames]


async def replayed(one: Engine, user: str, seq: int = 0, eauth: str = "pam") -> list[dict[str, Any]]:
    talker = await one.user(user, eauth)
    since = {"epoch": one.services.history.epoch, "seq": seq}
    await talker.ask("subscribe", subscription="event", since=since)
    return talker.frames


@pytest.mark.parametrize("clean", [True, False])
async def test_events_are_replayed_after_a_restart(tmp_path: Path, clean: bool) -> None:
    """In the same epoch, with their numbers; one gap stands for the absence; new events follow it."""
    first = engine(tmp_path)
    for number in range(3):
        first.world.fire("my/event", number=number)
    first.time.pass_(1)
    epoch, stopped = first.services.history.epoch, first.time()
    if clean:
        assert first.services.journal is not None
        await first.services.journal.stop()
    else:
        first.kill()
    first.time.pass_(10)
    second = engine(tmp_path, first)
    second.world.fire("my/later")
    frames = await replayed(second, "root", 1)
    assert tags(frames) == ["my/event", "my/event", "gap restart", "my/later"]
    assert [frame["data"]["number"] for frame in frames[:2]] == [1, 2]
    gap, later = frames[2], frames[3]
    assert (gap["from"], gap["to"] + 1) == (4, later["seq"])
    assert (gap["to"] == 4) is clean
    assert gap["from_time"] <= timestamp(stopped) < gap["to_time"]
    assert second.services.history.epoch == epoch


async def test_numbers_are_never_given_again(tmp_path: Path) -> None:
    """Also those of events that were delivered and not written: a client resumes inside the gap."""
    first = engine(tmp_path)
    first.time.pass_(1)
    talker = await first.user("root")
    await talker.ask("subscribe", subscription="event")
    for _ in range(500):
        first.world.fire("my/event")
    first.kill()
    delivered = talker.frames[-1]["seq"]
    second = engine(tmp_path, first)
    second.world.fire("my/later")
    gap, later = await replayed(second, "root", delivered)
    assert (gap["reason"], gap["from"], later["tag"]) == ("restart", delivered + 1, "my/later")
    assert later["seq"] > delivered + 1


async def test_restarts_in_series_are_one_gap_each(tmp_path: Path) -> None:
    """Gaps are kept like events."""
    one = engine(tmp_path)
    for number in range(3):
        one.world.fire(f"my/{number}")
        one.time.pass_(1)
        one.kill()
        one = engine(tmp_path, one)
    one.world.fire("my/last")
    frames = await replayed(one, "root")
    assert tags(frames) == ["my/0", "gap restart", "my/1", "gap restart", "my/2", "gap restart", "my/last"]
    gaps = [frame for frame in frames if frame["type"] == "gap"]
    assert [gap["count"] for gap in gaps] == [None] * 3


async def varied_events(one: Engine) -> str:
    """Fire events of each kind, and run jobs; return the jid of alice's."""
    world, narrow = one.world, one.accounts.users["alice"]
    one.accounts.users["alice"] = ["state.apply"]  # for this job: later she sees it as its owner only
    alice = await one.user("alice")
    one.accounts.users["alice"] = narrow
    jid: str = (await alice.ask("cmd", fun="state.apply", args=["web"], tgt="*"))["jid"]
    for minion in ("web1", "web2", "db"):
        world.fire(f"salt/job/{jid}/prog/{minion}/0", cmd="_minion_event", id=minion, data={"ret": {}, "len": 2})
        one.returns(jid, minion, {"done": minion})
        world.fire(f"salt/job/{jid}/sub/{minion}/error/state.apply", id=minion, jid=jid, fun="state.apply")
    for number, (user, arg) in enumerate((("alice", "uptime"), ("root", "uptime"), ("sudo_alice", "reboot"))):
        other = f"2026112315000100000{number}"
        world.fire(
            f"salt/job/{other}/new",
            fun="cmd.run",
            arg=[arg],
            minions=["web1", "db"],
            tgt=["web1", "db"],
            tgt_type="list",
            user=user,
            jid=other,
        )
        one.returns(other, "web1", arg)
        one.returns(other, "db", arg)
        world.fire(f"salt/job/{other}/ret/web2", cmd="_minion_event", id="web2", data={"forged": True})
    world.fire("salt/run/20261123150003000000/new", fun="runner.manage.up", user="frank", jid="20261123150003000000")
    world.fire("salt/run/20261123150003000000/ret", fun="runner.manage.up", user="frank", success=True, **{"return": 1})
    world.fire(
        "salt/wheel/20261123150004000000/new", fun="wheel.key.list_all", user="alice", jid="20261123150004000000"
    )
    world.fire(
        "salt/job/20261123150009000000/ret/web1", cmd="_return", id="web1", fun="cmd.run", **{"return": "secret"}
    )
    world.fire("salt/presence/present", present=["web1", "db"])
    world.fire("salt/beacon/web1/load/", id="web1", average=3)
    world.fire("salt/key", id="db", act="accept")
    world.fire("salt/auth", id="db", act="pend")
    world.fire("minion/refresh/web2")
    world.fire("salt/minion/web1/start", id="web1")
    world.fire("my/disk", cmd="_minion_event", id="web1", data={"free": 1})
    world.fire("my/disk", cmd="_minion_event", id="web1", data={"present": ["db"], "fun": "test.ping"})
    world.fire("my/own", a=[1, None, "ü"], big=2**70)
    world.fire("salt/stats/master", load=1)
    return jid


async def test_replayed_events_are_visible_as_live_ones_are(tmp_path: Path) -> None:
    """Every user gets after a restart what the same user got before it, byte for byte, and nothing else."""
    first = engine(tmp_path)
    await varied_events(first)
    first.time.pass_(1)
    before = {viewer: await replayed(first, viewer[0], eauth=viewer[1]) for viewer in VIEWERS}
    first.kill()
    second = engine(tmp_path, first)
    for viewer in VIEWERS:
        *frames, gap = await replayed(second, viewer[0], eauth=viewer[1])
        assert (frames, gap["reason"]) == (before[viewer], "restart"), viewer
    seen = {viewer: str(frames) for viewer, frames in before.items()}
    assert len(set(seen.values())) == len(seen), "each of these users sees something else, or nothing is shown"


async def test_no_secret_is_on_disk(tmp_path: Path) -> None:
    """Neither of events nor of jobs: they are written after redaction."""
    first = engine(tmp_path)
    root = await first.user("root")
    await root.ask("cmd", fun="user.add", tgt="*", kwargs={"password": "hunter2-a"})
    secret = {"eauth": "pam", "username": "root", "password": "hunter2-b", "token": "hunter2-c"}
    first.world.fire("salt/job/20261123150001000000/error", fun="test.ping", kwargs=secret)
    first.world.fire(
        "salt/run/20261123150003000000/new",
        fun="runner.x",
        user="root",
        jid="20261123150003000000",
        fun_args=[{"password": "hunter2-d"}],
    )
    key = "-----BEGIN RSA PRIVATE KEY-----\nhunter2-e\n-----END RSA PRIVATE KEY-----"
    first.world.fire("my/event", key=key, user="visible")
    first.time.pass_(1)
    first.kill()
    text = b"".join(path.read_bytes() for path in (tmp_path / "websocket_api_journal").iterdir())
    assert (b"visible" in text, b"hunter2" in text) == (True, False)


async def test_an_owner_is_one_of_one_eauth(tmp_path: Path) -> None:
    """The job cache has the name only; another user of that name in another directory must not see the job."""
    first = engine(tmp_path)
    jid = await varied_events(first)
    first.time.pass_(1)
    first.kill()
    second = engine(tmp_path, first)
    own, other = await second.user("alice"), await second.user("alice", "ldap")
    visibility, job = second.services.visibility, second.services.jobs.get(jid)
    assert job is not None
    assert [visibility.owns(one.connection.session.viewer, job) for one in (own, other)] == [True, False]


def stored() -> dict[str, Any]:
    """Return alice's job as the job cache has it: all minions have returned."""
    minions = ["web1", "web2", "db"]
    return {
        "kind": "job",
        "reported_by": None,
        "load": {"fun": "state.apply", "arg": ["web"], "tgt": "*", "user": "alice", "minions": minions},
        "returns": {name: {"return": f"{name} done", "retcode": 0} for name in minions},
    }


async def test_returns_of_the_absence_are_read_in_the_background(tmp_path: Path) -> None:
    """Also of jobs that nobody asks for: `list_jobs` shows their state."""
    first = engine(tmp_path)
    jid = await varied_events(first)
    first.time.pass_(1)
    first.kill()
    first.store.jobs[jid] = stored()
    second = engine(tmp_path, first)
    background = BackgroundTasks(second.parts, list)
    background.start()
    for _ in range(6000):
        if not second.services.jobs.restored():
            break
        await asyncio.sleep(0.01)
    await background.stop()
    assert second.services.jobs.restored() == set()
    listed = await (await second.user("alice")).ask("list_jobs")
    assert [(job["state"], job["done"]) for job in listed if job["jid"] == jid] == [("complete", 3)]
    job = second.services.jobs.get(jid)
    assert job is not None
    assert job.eauth == "pam"


async def test_a_job_of_replayed_events_can_be_read(tmp_path: Path) -> None:
    """With the returns that the master's job cache has, also those of the absence; its owner stays the owner."""
    first = engine(tmp_path)
    jid = await varied_events(first)
    first.time.pass_(1)
    first.kill()
    first.store.jobs[jid] = stored()
    second = engine(tmp_path, first)
    for reader in (await second.user("alice"), await second.user("root")):
        job = await reader.ask("get_job", jid=jid)
        assert (job["state"], job["fun"], job["user"]) == ("complete", "state.apply", "alice")
        assert {name: part["return"] for name, part in job["minions"].items()} == {
            name: f"{name} done" for name in ("web1", "web2", "db")
        }
    other = await second.user("alice", "ldap")
    assert set((await other.ask("get_job", jid=jid))["minions"]) == {"web2"}, "by its own permissions"
    assert second.services.jobs.restored() - {jid}, "the others are read when they are needed, or in the background"


async def test_a_job_that_the_job_cache_lacks_is_known_by_its_announcement(tmp_path: Path) -> None:
    """Its state is unknown: its returns may have come while the engine was away. Live returns are applied."""
    first = engine(tmp_path)
    jid = await varied_events(first)
    first.time.pass_(1)
    first.kill()
    second = engine(tmp_path, first)
    alice = await second.user("alice")
    job = await alice.ask("get_job", jid=jid)
    assert (job["state"], job["fun"], sorted(job["minions"])) == ("unknown", "state.apply", ["db", "web1", "web2"])
    await alice.ask("subscribe", subscription="event", tag=f"salt/job/{jid}")
    second.returns(jid, "db", "late")
    second.time.pass_(1)
    (live,) = alice.frames
    assert live["tag"] == f"salt/job/{jid}/ret/db"
    assert (await alice.ask("get_job", jid=jid))["minions"]["db"]["return"] == "late"
