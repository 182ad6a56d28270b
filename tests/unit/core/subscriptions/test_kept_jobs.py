"""The jobs that a user follows, and the changes that wait for a client, take a limited amount of memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from websocket_api.core.jobs.job import Job
from websocket_api.core.subscriptions.kept_jobs import KeptJobs
from websocket_api.errors import FELL_BEHIND, ApiError
from websocket_api.fair_share import Share

from tests.unit.operations.engine import ALL, Engine, Refused, Talker

ANN, BOB = Share("ann", "pam"), Share("bob", "pam")
MEGABYTE = 1_000_000
CHANGES = 300  # each takes 150 bytes while it waits


def job(jid: str, memory: int) -> Job:
    return Job(jid, memory=memory)


def test_a_single_job_may_have_any_size() -> None:
    """Else nobody could follow a highstate of ten thousand minions."""
    kept = KeptJobs(1000)
    kept.check(ANN, [job("1", 5000)])
    kept.follow(ANN, "1", 5000)
    assert kept.grow("1", 9000) == []


def test_more_jobs_than_fit_are_refused_and_end_as_they_grow() -> None:
    """For this user only; a job that the user follows already costs nothing more."""
    kept = KeptJobs(1000)
    for share in (ANN, BOB):
        kept.follow(share, "1", 400)
    kept.follow(ANN, "2", 400)
    kept.check(ANN, [job("1", 400), job("2", 400)])
    with pytest.raises(ApiError) as caught:
        kept.check(ANN, [job("3", 300)])
    assert (caught.value.code, caught.value.details) == ("too_many", {"limit": "memory_per_user"})
    kept.check(BOB, [job("3", 300)])
    assert kept.grow("1", 700) == [ANN]
    kept.unfollow(ANN, "1")
    assert kept.grow("2", 900) == []
    assert (kept.bytes(ANN), kept.bytes(BOB)) == (900, 700)


def test_every_subscription_that_ends_gives_back_what_it_took() -> None:
    """Whatever the order in which jobs are followed, grow and are given up."""
    generator, kept, followed = random.Random(5), KeptJobs(), []
    for _ in range(2000):
        if followed and generator.random() < 0.5:
            kept.unfollow(*followed.pop(generator.randrange(len(followed))))
        else:
            one = generator.choice([ANN, BOB]), str(generator.randrange(5))
            kept.follow(*one, 100)
            followed.append(one)
        if followed:
            kept.grow(generator.choice(followed)[1], generator.randrange(1000))
    for one in followed:
        kept.unfollow(*one)
    assert (kept.bytes(ANN), kept.bytes(BOB)) == (0, 0)
    assert not kept._followers
    assert not kept._weights


def run(engine: Engine, size: int, *more: str) -> str:
    """Put a job on the bus that has returned this many bytes; return its jid.

    :param more: further minions
    """
    number = len(engine.world.jobs)
    jid = f"20261123150000{number:06}"
    minions = ["web1", "web2", *more]
    engine.world.fire(f"salt/job/{jid}/new", fun="test.echo", arg=[], tgt="*", minions=minions, user="root")
    engine.returns(jid, "web1", "x" * size)
    return jid


async def test_followed_jobs_stay_in_memory_up_to_the_limit() -> None:
    """The next subscription is refused, and so is a job that grows; other users and the first job stay."""
    engine = Engine(limits={"memory_per_user": MEGABYTE}, ann=ALL, bob=ALL)
    ann, bob = await engine.user("ann"), await engine.user("bob")
    jids = [run(engine, 400_000) for _ in range(3)]
    for jid in jids[:2]:
        await ann.ask("subscribe", subscription="job", jid=jid)
    with pytest.raises(Refused) as caught:
        await ann.ask("subscribe", subscription="job", jid=jids[2])
    assert (caught.value.code, caught.value.error["details"]) == ("too_many", {"limit": "memory_per_user"})
    await bob.ask("subscribe", subscription="job", jid=jids[1])
    engine.returns(jids[1], "web2", "y" * 400_000)
    ended = [frame for frame in ann.frames if frame["type"] == "ended"]
    assert [(frame["error"]["code"], frame["error"]["details"]) for frame in ended] == [
        ("too_many", {"limit": "memory_per_user"})
    ]
    engine.returns(jids[0], "web2", "z")
    engine.time.pass_(1)
    assert [frame["jid"] for frame in ann.frames if frame["type"] == "job"] == [jids[0]]
    assert not [frame for frame in bob.frames if frame["type"] == "ended"]
    await ann.ask("subscribe", subscription="job", jid=jids[2])


async def of_all_jobs(engine: Engine, talker: Talker) -> Callable[[int], None]:
    await talker.ask("subscribe", subscription="job", jid="*")
    return lambda number: engine.returns(run(engine, 10), "web1", number)


async def of_one_job(engine: Engine, talker: Talker) -> Callable[[int], None]:
    jid = run(engine, 10, *[f"minion{number}" for number in range(CHANGES)])
    await talker.ask("subscribe", subscription="job", jid=jid)
    return lambda number: engine.returns(jid, f"minion{number}", number)


KINDS: dict[str, Callable[[Engine, Talker], Any]] = {
    "all jobs": of_all_jobs,
    "one job": of_one_job,
}


@pytest.mark.parametrize("subscribe", KINDS.values(), ids=[*KINDS])
async def test_changes_of_jobs_behind_an_unread_snapshot_take_no_memory(
    subscribe: Callable[[Engine, Talker], Any],
) -> None:
    """However many there are. When the client reads, it gets the last state of each job."""
    engine = Engine(limits={"memory_per_user": 30_000_000}, ann=ALL)
    ann = await engine.user("ann")
    memory, connection = ann.connection.session.holdings.memory, ann.connection  # type: ignore[union-attr]
    change = await subscribe(engine, ann)
    ann.client.got  # noqa: B018 - forget what is left of the snapshot
    jobs = engine.services.jobs
    before = {job.jid: job.count("returned") for job in jobs.newest_first()}
    (subscription,) = connection.subscriptions.values()
    subscription._sender = Stuck()  # type: ignore[attr-defined]
    for number in range(CHANGES):
        change(number)
        engine.time.pass_(0.2)
    assert (memory.bytes, ann.client.got, subscription.is_behind) == (0, [], True)  # type: ignore[attr-defined]
    subscription._on_sent()  # type: ignore[attr-defined]
    engine.time.pass_(1)
    found: dict[str, set[str]] = {}
    for message in ann.client.got:
        returned = {name for name, part in message.get("minions", {}).items() if part["state"] == "returned"}
        found.setdefault(message.get("jid", ""), set()).update(returned)
    wanted = subscription.jids or [job.jid for job in jobs.newest_first()]  # type: ignore[attr-defined]
    more = {jid: jobs.get(jid).count("returned") - before.get(jid, 0) for jid in wanted}  # type: ignore[union-attr]
    assert sum(more.values()) >= min(CHANGES, len(before))
    assert {jid: len(found.get(jid, ())) for jid in wanted} == more
    assert not subscription.is_behind  # type: ignore[attr-defined]


async def test_a_client_that_never_reads_its_snapshot_is_closed() -> None:
    """Its changes wait until the snapshot is sent, and count as its user's memory."""
    engine = Engine(limits={"memory_per_user": 30_000}, ann=ALL)
    ann = await engine.user("ann")
    memory, connection = ann.connection.session.holdings.memory, ann.connection  # type: ignore[union-attr]
    await ann.ask("subscribe", subscription="minions")

    def change(number: int) -> None:
        keys = dict.fromkeys([*engine.world.minions.all(), f"minion{number}"], "accepted")
        engine.world.minions.read_keys(keys)

    (subscription,) = connection.subscriptions.values()
    subscription._sender = Stuck()  # type: ignore[attr-defined]
    for number in range(100):
        change(number)
        engine.time.pass_(0.2)
    assert 0 < memory.bytes <= 30_000
    for number in range(100, CHANGES):
        change(number)
        engine.time.pass_(0.2)
    assert [code for code, _ in ann.client.closed_with] == [FELL_BEHIND]
    connection.release()
    assert memory.bytes == 0


async def test_changes_behind_a_snapshot_close_the_connection_that_holds_the_most() -> None:
    """Not the one whose snapshot is being sent."""
    engine = Engine(limits={"memory_per_user": 30_000}, ann=ALL)
    ann, stuck = await engine.user("ann"), await engine.user("ann")
    await ann.ask("subscribe", subscription="minions")
    (subscription,) = ann.connection.subscriptions.values()
    subscription._sender = Stuck()  # type: ignore[attr-defined]
    stuck.client.socket.stuck = True
    stuck.connection.outbox.put(b"x" * 20_000)
    keys = dict.fromkeys([f"minion{number}" for number in range(100)], "accepted")
    engine.world.minions.read_keys(keys)
    engine.time.pass_(0.2)
    assert [code for code, _ in stuck.client.closed_with] == [FELL_BEHIND]
    assert (ann.client.closed_with, subscription.is_behind) == ([], True)  # type: ignore[attr-defined]


class Stuck:
    """The sender of a snapshot that its client does not read."""

    def stop(self) -> None:
        pass
