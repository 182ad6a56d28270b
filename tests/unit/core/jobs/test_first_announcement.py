"""The master's first announcement of a job counts: a later event may be forged by a hostile minion."""

from __future__ import annotations

import time

import pytest
from websocket_api.jids import start_time

from tests.unit.core.support import JID, World


def test_a_second_new_shows_the_job_to_no_other_user() -> None:
    """Neither function, owner nor minions of a known job change."""
    world = World()
    world.publish("a", "b", fun="cmd.run", arg=("id",), user="root")
    ann = world.session("test.ping", user="ann")
    world.publish("a", "b", "c", fun="test.ping", user="ann")
    world.answer("a", "uid=0(root)")
    job = world.jobs.get(JID)
    assert job is not None
    assert (job.fun, job.arg, job.user, sorted(job.parts)) == ("cmd.run", ["id"], "root", ["a", "b"])
    assert world.job_feed.view(job, ann.viewer) is None


def test_a_job_started_here_keeps_its_owner() -> None:
    """The engine's own description counts, whatever was announced before."""
    world = World()
    world.publish("a", fun="test.ping", user="mallory")
    world.jobs.add_started(JID, {"fun": "cmd.run", "arg": ["id"], "minions": ["a"]}, "ann", "pam")
    job = world.jobs.get(JID)
    assert job is not None
    assert (job.fun, job.user, job.eauth) == ("cmd.run", "ann", "pam")


def test_a_published_job_cannot_become_a_runner() -> None:
    """An event of another kind about its jid changes nothing."""
    world = World()
    world.publish("a", fun="cmd.run")
    world.fire(f"salt/run/{JID}/ret", fun="runner.jobs.list_jobs", user="ann", **{"return": 1, "success": True})
    job = world.jobs.get(JID)
    assert job is not None
    assert (job.kind, job.fun, job.ended) == ("job", "cmd.run", False)


def test_the_first_return_of_a_runner_counts() -> None:
    """A runner returns once."""
    world = World()
    for value in (1, 2):
        world.fire(f"salt/run/{JID}/ret", fun="runner.test.arg", user="ann", **{"return": value, "success": True})
    job = world.jobs.get(JID)
    assert job is not None
    assert job.value == 1


def test_secrets_of_a_job_started_here_are_hidden() -> None:
    """Its job object shows no more than one from the bus."""
    world = World()
    arguments = ["x", {"__kwarg__": True, "password": "geheim", "name": "n"}]
    job = world.jobs.add_started(JID, {"fun": "x.y", "arg": arguments, "minions": ["a"]}, "ann", "pam")
    assert job.arg == ["x", {"__kwarg__": True, "password": "(redacted)", "name": "n"}]
    assert arguments[1]["password"] == "geheim"


LATE = ["2026-11-23T12:02:01", "2026-11-23T11:57:00+00:00", "2026-11-23T14:00:00+00:00", "", "never"]


@pytest.mark.parametrize("stamp", LATE)
def test_a_late_announcement_of_an_unknown_job_is_ignored(stamp: str) -> None:
    """Otherwise a minion that runs a job could name its owner; both times are in UTC."""
    world = World()
    announcement = {"fun": "test.ping", "arg": [], "tgt": "*", "tgt_type": "glob", "user": "ann", "jid": JID}
    world.fire(f"salt/job/{JID}/new", minions=["good", "hostile"], missing=[], _stamp=stamp, **announcement)
    for action in ("new", "ret"):
        more = {"return": 1, "success": True, "_stamp": stamp}
        world.fire(f"salt/run/{JID}/{action}", **{**announcement, "fun": "runner.test.arg"}, **more)
    assert world.jobs.get(JID) is None
    world.answer("good", "secret")
    job = world.jobs.get(JID)
    assert job is not None
    assert (job.fun, job.user, job.kind, job.state) == (None, None, "job", "unknown")
    viewer = world.session("test.ping", {"@runner": ["test.*"]}, user="ann").viewer
    assert world.job_feed.view(job, viewer) is None
    assert not world.visibility.sees_part(viewer, job, "good")
    assert world.job_feed.view(job, world.session(".*").viewer) is not None


@pytest.mark.parametrize("stamp", ["2026-11-23T12:01:59", "2026-11-23T11:58:30+00:00", "2026-11-23T12:00:00.500000"])
@pytest.mark.parametrize("jid", [JID, f"{JID}_4711"])
def test_a_job_may_be_announced_a_little_late(stamp: str, jid: str) -> None:
    """By a slow master, or by one whose clock differs from that of the master that made the jid."""
    world = World()
    world.fire(f"salt/job/{jid}/new", fun="test.ping", arg=[], minions=["a"], user="ann", _stamp=stamp)
    job = world.jobs.get(jid)
    assert job is not None
    assert (job.fun, job.user) == ("test.ping", "ann")


def test_a_known_runner_can_end_at_any_time() -> None:
    """Its end changes no owner."""
    world = World()
    world.fire(f"salt/run/{JID}/new", fun="runner.test.arg", user="ann")
    stamp = "2026-11-24T12:00:00"
    world.fire(f"salt/run/{JID}/ret", fun="runner.test.arg", user="ann", success=True, _stamp=stamp, **{"return": 1})
    job = world.jobs.get(JID)
    assert job is not None
    assert (job.state, job.value) == ("complete", 1)


def test_a_jid_is_read_as_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """In any time zone of the master."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        made = start_time(JID)
    time.tzset()
    assert made == "2026-11-23T12:00:00.000001+00:00"
