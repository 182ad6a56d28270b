"""Cached job objects and their bytes are always equal to those that would be made now."""

from __future__ import annotations

import random
from typing import Any

import pytest
from websocket_api.core.access.session import Session
from websocket_api.core.jobs import job_object_cache
from websocket_api.core.jobs.job import Job
from websocket_api.core.jobs.job_object_cache import CachedJobObject, JobObjectCache
from websocket_api.core.jobs.part import Part
from websocket_api.protocols.http import content
from websocket_api.protocols.salt_api.job_formats import job_list, job_list_steps

from tests.unit.core.subscriptions.test_all_jobs import answer, jid, publish
from tests.unit.core.support import World

MINIONS = ["web1", "web2", "db1", "db2"]


def cached_view(world: World, session: Session) -> list[CachedJobObject]:
    """Return the list of jobs of a user."""
    found = (world.job_feed.cached_view(job, session.viewer) for job in world.jobs.newest_first())
    return [one for one in found if one is not None]


def fresh_view(world: World, session: Session) -> list[dict[str, Any]]:
    """Return the same without the cache."""
    found = (world.job_feed.view(job, session.viewer, parts=False) for job in world.jobs.newest_first())
    return [one for one in found if one is not None]


def change(world: World, chance: random.Random) -> None:
    """Change jobs, or what users may see, in one of the ways in which these change."""
    number, name = chance.randint(1, 9), chance.choice(MINIONS)
    job = world.jobs.get(jid(number))
    match chance.randrange(12):
        case 0 | 1:
            publish(world, number, *chance.sample(MINIONS, 3), user=chance.choice(["root", "ann"]))
        case 2 | 3 | 4:
            answer(world, number, name, chance.random())
        case 5:
            answer(world, number, "stranger")
        case 6:
            report = {"id": name, "cmd": "_minion_event", "data": {"percent": chance.randrange(100)}}
            world.fire(f"salt/job/{jid(number)}/prog/{name}/websocket_api", **report)
        case 7 if job is not None:
            world.jobs.give_up(job, [name], chance.choice(["missing", "canceled"]))
        case 8:
            load = {"fun": chance.choice(["cmd.run", "test.ping"]), "arg": ["x"], "tgt": name, "minions": [name]}
            world.jobs.add_started(jid(number), load, chance.choice(["ann", "bob"]), "pam")
        case 9:
            fun = chance.choice(["jobs.active", "manage.up"])
            world.jobs.add_called("runner", jid(10 + number), fun, chance.choice(["ann", "bob"]), "pam")
            done = {"fun": f"runner.{fun}", "return": chance.random(), "success": True}
            world.fire(f"salt/run/{jid(10 + number)}/ret", jid=jid(10 + number), **done)
        case 10:
            cached = Job(jid(20 + number), fun="test.ping", tgt="*", user="ann", parts={name: Part("returned")})
            world.jobs.add_cached(cached)
        case 11:
            world.targets.sets["web*"] = set(chance.sample(MINIONS, 2))
        case _:
            pass


@pytest.mark.parametrize("seed", range(10))
def test_the_cache_returns_what_would_be_made_now(seed: int) -> None:
    """For each user, after each change of a job, of a target, or of the jobs that there are."""
    world, chance = World(), random.Random(seed)
    world.jobs._retention._max_jobs = 12
    sessions = [
        world.session(".*", "@runner", user="root"),
        world.session({"web*": ["test.*"]}),
        world.session({"web*": ["test.*"]}, user="bob"),
        world.session({"db1": [{"cmd.run": {"args": ["x"]}}]}, {"@runner": ["manage.*"]}, user="eve"),
    ]
    for _ in range(300):
        change(world, chance)
        for session in sessions:
            found, fresh = cached_view(world, session), fresh_view(world, session)
            assert found == fresh
            for _ in range(2):  # made, then cached
                assert b"".join(job_list_steps(found)) == content.encoded({"return": [job_list(fresh)]}, content.JSON)


def test_an_unchanged_job_is_encoded_once() -> None:
    """However often it is listed, and whatever happens to others."""
    world, session = World(), World().session(".*", "@runner")
    publish(world, 1, "web1")
    publish(world, 2, "web1", "db1")
    before = cached_view(world, session)
    list(job_list_steps(before))
    assert all(one.encoded for one in before)
    answer(world, 2, "web1")
    after = cached_view(world, session)
    assert [one is old for one, old in zip(after, before, strict=True)] == [False, True]


def test_users_share_only_what_both_may_see() -> None:
    """The target and the arguments of a job are hidden from users who see some of its minions."""
    world = World()
    world.targets.sets["web*"] = {"web1"}
    publish(world, 1, "web1", "db1")
    sessions = [world.session(".*", "@runner"), world.session({"web*": ["test.*"]}), world.session("grains.*")]
    for _ in range(2):
        views = [[one["tgt"] for one in cached_view(world, session)] for session in sessions]
        assert views == [["*"], [None], []]


def test_few_objects_and_short_bytes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are dropped."""
    monkeypatch.setattr(job_object_cache, "MAX_OBJECTS", 3)
    cache = JobObjectCache()
    jobs = [Job(jid(number), revision=number + 1) for number in range(5)]
    for job in jobs:
        cache.get(job, "view", lambda: {"jid": "x"})
    assert len(cache) == 3
    again = cache.get(jobs[-1], "view", dict)
    assert again == {"jid": "x"}
    assert again is not None
    again.keep("long", b"x" * (job_object_cache.MAX_ENCODED_BYTES + 1))
    again.keep("short", b"x")
    assert again.encoded == {"short": b"x"}


def test_a_job_that_is_not_in_the_registry_is_not_kept() -> None:
    """Nothing tells when it changes."""
    cache = JobObjectCache()
    assert cache.get(Job(jid(1)), "view", dict) == {}
    assert len(cache) == 0


def test_a_job_with_long_arguments_is_encoded_in_steps() -> None:
    """Each step takes a short time; together they are the same."""
    world, session = World(), World().session(".*", "@runner")
    world.fire(f"salt/job/{jid(1)}/new", fun="test.arg", arg=[[{}] * 20_000], minions=["a"], tgt="*", tgt_type="glob")
    found = cached_view(world, session)
    steps = list(job_list_steps(found))
    assert len(steps) > 5
    assert b"".join(steps) == content.encoded({"return": [job_list(found)]}, content.JSON)
    assert not found[0].encoded
