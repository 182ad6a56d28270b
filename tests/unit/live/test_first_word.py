"""What the master said first of a job is not changed by a later event, which a hostile minion may have forged."""

from __future__ import annotations

from tests.unit.live.support import JID, World


def test_a_second_new_shows_the_job_to_nobody_else() -> None:
    """Neither the function nor the owner nor the minions of a known job change."""
    world = World()
    world.publish("a", "b", fun="cmd.run", arg=("id",), user="root")
    ann = world.session("test.ping", user="ann")
    world.publish("a", "b", "c", fun="test.ping", user="ann")
    world.answer("a", "uid=0(root)")
    job = world.book.get(JID)
    assert job is not None
    assert (job.fun, job.arg, job.user, sorted(job.parts)) == ("cmd.run", ["id"], "root", ["a", "b"])
    assert world.views.job_view(job, ann.viewer) is None


def test_a_job_started_here_keeps_its_owner() -> None:
    """What the engine itself started is described by the engine, whatever was said before."""
    world = World()
    world.publish("a", fun="test.ping", user="mallory")
    world.book.started(JID, {"fun": "cmd.run", "arg": ["id"], "minions": ["a"]}, "ann", "pam")
    job = world.book.get(JID)
    assert job is not None
    assert (job.fun, job.user, job.eauth) == ("cmd.run", "ann", "pam")


def test_a_published_job_becomes_no_runner() -> None:
    """An event of another kind about its jid changes nothing."""
    world = World()
    world.publish("a", fun="cmd.run")
    world.fire(f"salt/run/{JID}/ret", fun="runner.jobs.list_jobs", user="ann", **{"return": 1, "success": True})
    job = world.book.get(JID)
    assert job is not None
    assert (job.kind, job.fun, job.ended) == ("job", "cmd.run", False)


def test_the_first_return_of_a_runner_counts() -> None:
    """A runner returns once."""
    world = World()
    for value in (1, 2):
        world.fire(f"salt/run/{JID}/ret", fun="runner.test.arg", user="ann", **{"return": value, "success": True})
    job = world.book.get(JID)
    assert job is not None
    assert job.value == 1


def test_secrets_of_a_job_started_here_are_hidden() -> None:
    """The picture of a job that was started here shows no more than the bus told of it."""
    world = World()
    arguments = ["x", {"__kwarg__": True, "password": "geheim", "name": "n"}]
    job = world.book.started(JID, {"fun": "x.y", "arg": arguments, "minions": ["a"]}, "ann", "pam")
    assert job.arg == ["x", {"__kwarg__": True, "password": "(redacted)", "name": "n"}]
    assert arguments[1]["password"] == "geheim"
