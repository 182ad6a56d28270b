"""Jobs that have not ended are limited, and users have fair shares of the slots."""

from __future__ import annotations

import asyncio

import pytest
from websocket_api.core.access.in_flight import JobsInFlight
from websocket_api.errors import ApiError
from websocket_api.fair_share import RecentUsers, Share, on_behalf_of

from tests.unit.core.batches.support import Masters, settle, statuses
from tests.unit.core.support import JID, World

ANN, BOB = Share("ann", "pam"), Share("bob", "pam")


def in_flight(world: World, size: int) -> JobsInFlight:
    return JobsInFlight(
        size,
        seconds=5,
        limit="jobs_in_flight",
        recent_users=RecentUsers(world.time),
        jobs=world.jobs,
        clock=world.time,
        later=world.time.later,
    )


async def start(world: World, jobs: JobsInFlight, jid: str) -> None:
    """Start a job on web1."""
    async with jobs.slot(0) as slot:
        slot.job = world.jobs.add_started(jid, {"fun": "test.ping", "minions": ["web1"]}, "ann", "pam")


async def test_a_job_keeps_its_slot_until_it_ends() -> None:
    """A user without a free slot waits, and is refused if no job ends in time."""
    world = World()
    jobs = in_flight(world, 1)
    await start(world, jobs, JID)
    with pytest.raises(ApiError) as refused:
        async with jobs.slot(0.01):
            pass
    assert (refused.value.code, refused.value.details) == ("too_many", {"limit": "jobs_in_flight"})
    world.fire(f"salt/job/{JID}/ret/web1", cmd="_return", id="web1", jid=JID, retcode=0, success=True)
    assert jobs.turns.shares.held == 0


async def test_a_long_job_releases_its_slot() -> None:
    """Its minions may be gone, and nobody may ask them."""
    world = World()
    jobs = in_flight(world, 1)
    await start(world, jobs, JID)
    world.time.now += 4
    jobs.tick()
    assert jobs.turns.shares.held == 1
    world.time.now += 1
    jobs.tick()
    assert jobs.turns.shares.held == 0


async def test_who_waits_for_a_slot_gets_it_when_it_is_due() -> None:
    """At a steady rate all requests would wait for the next second, up to a whole one."""
    world = World()
    jobs, started = in_flight(world, 2), list[str]()

    async def ask(name: str) -> None:
        async with jobs.slot() as slot:
            started.append(name)
            slot.job = world.jobs.add_started(name, {"fun": "test.ping", "minions": ["web1"]}, "ann", "pam")

    first, second = (JID[:-1] + last for last in "12")
    await ask(first)
    world.time.pass_(0.25)
    await ask(second)
    asking = [asyncio.ensure_future(ask(JID[:-1] + last)) for last in "345"]
    for seconds, number in ((0.0, 2), (4.5, 2), (0.375, 3), (0.25, 4), (4.5, 4), (0.375, 5)):
        world.time.pass_(seconds)
        await settle()
        assert len(started) == number
    await asyncio.gather(*asking)


async def test_a_job_that_was_not_started_holds_no_slot() -> None:
    """Whatever the reason was."""
    world = World()
    jobs = in_flight(world, 1)
    for fault in (ApiError("forbidden", "no"), asyncio.CancelledError()):
        with pytest.raises(type(fault)):
            async with jobs.slot(0):
                raise fault
    assert jobs.turns.shares.held == 0


async def test_a_batch_publishes_its_next_job_when_one_ends() -> None:
    """Five thousand jobs at once would keep the minions busy for minutes."""
    masters = Masters()
    one = await masters.start("one", slots=3)
    batch = await one.batch(*["a"] * 10)  # the same minion: each request is a job of its own
    await masters.pass_(3)
    assert len(one.sent) == 3
    one.returns(one.last, "a")
    await masters.pass_(3)
    assert len(one.sent) == 4
    for jid, _, _ in list(one.salt.published):
        one.returns(jid, "a")
    await masters.pass_(3)
    assert len(one.sent) == 7
    assert statuses(batch).count("pending") == 3


async def test_canceling_drops_unpublished_jobs() -> None:
    """A batch that waits for a slot is canceled at once, and publishes nothing more."""
    masters = Masters()
    one = await masters.start("one", slots=2)
    batch = await one.batch(*["a"] * 10)
    await masters.pass_(3)
    sent = len(one.sent)
    canceling = asyncio.ensure_future(one.canceler.cancel(batch))
    await settle()
    assert statuses(batch).count("canceled") == 10
    await masters.pass_(5)
    await canceling
    assert len(one.sent) == sent == 2
    assert [jid for jid, _ in one.salt.stopped] == [jid for jid, _, _ in one.salt.published]


async def test_batches_of_two_users_are_published_in_turns() -> None:
    """Bob's ten jobs do not wait for the end of Ann's hundred."""
    masters = Masters()
    one = await masters.start("one", slots=4)
    hers = await one.batch(*["a"] * 100)
    await masters.pass_(1)
    bob = one.world.session(".*", user="bob")
    masters.accounts.sessions[bob.token] = bob
    his = await one.batch(*["b"] * 10, session=bob)
    for _ in range(20):
        jid, minions, _ = next(row for row in one.salt.published if row[0] in {*open_jobs(one)})
        one.returns(jid, *minions)
        await masters.pass_(1)
    assert statuses(his).count("resolved") >= 8
    assert statuses(hers).count("pending") > 80


def open_jobs(master: object) -> list[str]:
    """Return the jobs that have not ended, the oldest first."""
    return [jid for jid, job in master.salt.cache.items() if not job.ended]  # type: ignore[attr-defined]


async def test_a_user_waits_for_their_own_jobs_only() -> None:
    """Ann has all slots; Bob gets the next one, before the many requests of Ann."""
    world = World()
    jobs, order = in_flight(world, 1), list[str]()

    async def ask(share: Share) -> None:
        with on_behalf_of(share):
            async with jobs.slot():
                order.append(share.user)

    await start(world, jobs, JID)
    asking = [asyncio.ensure_future(ask(share)) for share in (ANN, ANN, ANN, BOB)]
    await asyncio.sleep(0)
    world.fire(f"salt/job/{JID}/ret/web1", cmd="_return", id="web1", jid=JID, retcode=0, success=True)
    await asyncio.gather(*asking)
    assert order == ["ann", "bob", "ann", "ann"]
