"""Users take turns, not requests: one user cannot block the others, however many requests it sends."""

from __future__ import annotations

import asyncio

import pytest
from websocket_api.fair_share import (
    ENGINE,
    RECENT_SECONDS,
    FairQueue,
    FairShare,
    FairTurns,
    RecentUsers,
    Share,
    current_share,
    in_turns,
    on_behalf_of,
)

from tests.support.waiting import LOOP_SECONDS
from tests.unit.core.support import Time

ANN, BOB = Share("ann", "pam"), Share("bob", "pam")


def taken(places: FairShare[str]) -> list[str]:
    """Assign all free places, and return what got one."""
    found = []
    while (one := places.assign()) is not None:
        found.append(one[1])
    return found


def test_users_take_turns_however_many_requests_they_have() -> None:
    """Bob's one request is next, after at most one of Ann's."""
    queue: FairQueue[str] = FairQueue()
    for number in range(5):
        queue.put(ANN, f"a{number}")
    queue.put(BOB, "b0")
    queue.put(BOB, "b1")
    order = []
    while (one := queue.pop()) is not None:
        order.append(one[1])
    assert order == ["a0", "b0", "a1", "b1", "a2", "a3", "a4"]
    assert not len(queue)
    assert not queue.shares


def test_a_user_without_a_turn_keeps_the_position_and_delays_no_other() -> None:
    """The user is passed over, and is first once there is a free place."""
    queue: FairQueue[str] = FairQueue()
    queue.put(ANN, "a")
    queue.put(BOB, "b")
    assert queue.pop(lambda share: share != ANN) == (BOB, "b")
    queue.put(BOB, "b")
    assert queue.pop() == (ANN, "a")


def test_a_waiting_request_can_be_removed() -> None:
    """The others stay; removing it again returns False."""
    queue: FairQueue[str] = FairQueue()
    queue.put(ANN, "a0")
    queue.put(ANN, "a1")
    assert queue.remove(ANN, "a0")
    assert not queue.remove(ANN, "a0")
    assert not queue.remove(BOB, "a1")
    assert queue.count(ANN) == len(queue) == 1
    assert queue.clear() == ["a1"]
    assert queue.pop() is None


def test_a_single_user_may_have_every_place() -> None:
    """The engine's own work does not reduce the share."""
    places: FairShare[str] = FairShare(4, 100, RecentUsers(Time()))
    places.put(ENGINE, "tick")
    assert taken(places) == ["tick"]
    places.leave(ENGINE)
    for number in range(6):
        places.put(ANN, f"a{number}")
    assert taken(places) == ["a0", "a1", "a2", "a3"]


def test_two_users_have_half_of_the_places_each() -> None:
    """Running work continues; a released place goes to the user below the share."""
    places: FairShare[str] = FairShare(4, 100, RecentUsers(Time()))
    for number in range(9):
        places.put(ANN, f"a{number}")
    assert len(taken(places)) == 4
    for number in range(9):
        places.put(BOB, f"b{number}")
    assert taken(places) == []
    for free in ("b0", "b1"):
        places.leave(ANN)
        assert taken(places) == [free]
    places.leave(ANN)
    assert taken(places) == ["a4"]
    places.leave(BOB)
    assert taken(places) == ["b2"]


def test_a_place_stays_free_for_a_recent_user() -> None:
    """Bob waits for each answer before his next request, and finds a place; after he is gone Ann may have all."""
    time = Time()
    places: FairShare[str] = FairShare(4, 100, RecentUsers(time))
    places.put(BOB, "b")
    assert taken(places) == ["b"]
    places.leave(BOB)
    for number in range(9):
        places.put(ANN, f"a{number}")
    assert len(taken(places)) == 2
    places.put(BOB, "b")
    assert taken(places) == ["b"]
    places.leave(BOB)
    time.now += RECENT_SECONDS + 1
    places.put(ANN, "a9")
    assert len(taken(places)) == 2


def test_all_recent_users_count_as_one() -> None:
    """Twenty users with a request now and then take half of the places from Ann, not all but one."""
    recent_users = RecentUsers(Time())
    places: FairShare[str] = FairShare(8, 100, recent_users)
    for number in range(20):
        recent_users.note(Share(f"u{number}", "pam"))
    for number in range(9):
        places.put(ANN, f"a{number}")
    assert len(taken(places)) == 4


def test_recent_users_of_one_resource_reduce_the_share_of_another() -> None:
    """Bob runs commands: Ann's batch leaves the minions some time for them."""
    recent_users = RecentUsers(Time())
    channels: FairShare[str] = FairShare(8, 100, recent_users)
    jobs: FairShare[str] = FairShare(8, 100, recent_users)
    channels.put(BOB, "b")
    for number in range(9):
        jobs.put(ANN, f"a{number}")
    assert len(taken(jobs)) == 4


def test_more_users_than_places_have_one_each_in_turn() -> None:
    """Every share is at least one."""
    places: FairShare[str] = FairShare(2, 100, RecentUsers(Time()))
    users = [Share(f"u{number}", "pam") for number in range(5)]
    for user in users * 2:
        places.put(user, user.user)
    order = taken(places)
    while len(places.waiting):
        places.leave(Share(order[-2], "pam"))
        order += taken(places)
    assert order == [f"u{number}" for number in range(5)] * 2


def test_a_queue_filled_by_one_user_accepts_the_others() -> None:
    """Up to their share of it; the engine's own work always waits."""
    places: FairShare[str] = FairShare(1, 10, RecentUsers(Time()))
    places.put(ENGINE, "tick")
    taken(places)
    assert sum(places.put(ANN, "a") for _ in range(50)) == 10
    assert sum(places.put(BOB, "b") for _ in range(50)) == 5
    assert places.put(ENGINE, "tick")
    assert not places.put(ANN, "a")


def test_all_clients_without_a_login_share_one_users_part() -> None:
    """Addresses cost nothing: a hundred of them leave Ann half, and take turns among each other."""
    places: FairShare[str] = FairShare(4, 40, RecentUsers(Time()))
    for number in range(100):
        places.put(Share("", f"192.0.2.{number}"), f"s{number}")
        places.put(ANN, f"a{number}")
    assert len(places.waiting) == 48
    assert sorted(name[0] for name in taken(places)) == ["a", "a", "s", "s"]


def test_tasks_inherit_the_share_of_their_block() -> None:
    """Code outside the block keeps its own share."""

    async def both() -> tuple[Share, Share]:
        with on_behalf_of(ANN):
            inner = asyncio.ensure_future(share_of())
        return await inner, current_share()

    async def share_of() -> Share:
        await asyncio.sleep(0)
        return current_share()

    assert asyncio.run(both()) == (ANN, ENGINE)


def test_long_work_leaves_a_spare_place_for_the_next_user() -> None:
    """A single user has all but one: Bob could not wait for the end of Ann's work."""
    places: FairShare[str] = FairShare(3, 100, RecentUsers(Time()), spare=1)
    for number in range(9):
        places.put(ANN, f"a{number}")
    assert taken(places) == ["a0", "a1"]
    places.put(BOB, "b")
    assert taken(places) == ["b"]


def test_in_turns_yields_round_robin_between_users() -> None:
    """Bob's batch is the second that is written, not the hundredth."""
    share_of = {"a0": ANN, "a1": ANN, "a2": ANN, "b": BOB}
    assert list(in_turns(share_of, share_of.__getitem__)) == ["a0", "b", "a1", "a2"]


async def test_places_are_assigned_round_robin() -> None:
    """Bob is next although Ann has sent more requests before."""
    turns, order = FairTurns(1, 100, RecentUsers(Time())), []
    assert await turns.enter(ANN)

    async def ask(share: Share) -> None:
        assert await turns.enter(share)
        order.append(share.user)
        turns.leave(share)

    asking = [asyncio.ensure_future(ask(share)) for share in (ANN, ANN, ANN, BOB)]
    await asyncio.sleep(0)
    turns.leave(ANN)
    await asyncio.gather(*asking)
    assert order == ["ann", "bob", "ann", "ann"]
    assert turns.shares.held == 0


async def test_a_request_without_a_place_in_time_leaves_the_queue() -> None:
    """If the queue is full, it does not wait at all."""
    turns = FairTurns(1, 1, RecentUsers(Time()))
    assert await turns.enter(ANN)
    assert await turns.enter(ANN, 0.01) is False
    assert not len(turns.shares.waiting)
    waits = asyncio.ensure_future(turns.enter(ANN))
    await asyncio.sleep(0)
    assert await turns.enter(ANN) is None
    turns.close()
    assert await waits is False
    turns.leave(ANN)
    assert await turns.enter(ANN, 0)


@pytest.mark.parametrize("given", [False, True])
async def test_a_canceled_request_passes_its_place_on(given: bool) -> None:
    """Also if it gets the place at the moment of the cancellation."""
    turns = FairTurns(1, 100, RecentUsers(Time()))
    assert await turns.enter(ANN)
    canceled = asyncio.ensure_future(turns.enter(ANN, LOOP_SECONDS))
    patient = asyncio.ensure_future(turns.enter(BOB, LOOP_SECONDS))
    await asyncio.sleep(0)
    if given:
        turns.leave(ANN)
    canceled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await canceled
    if not given:
        turns.leave(ANN)
    assert await asyncio.wait_for(patient, LOOP_SECONDS)
    turns.leave(BOB)
    assert turns.shares.held == 0


def test_removing_costs_the_same_in_a_long_queue() -> None:
    """Nothing else in the queue is compared."""
    compared = 0

    class Thing:
        def __init__(self, number: int) -> None:
            self.number = number

        def __hash__(self) -> int:
            return self.number

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return self is other

    queue: FairQueue[Thing] = FairQueue()
    things = [Thing(number) for number in range(1000)]
    for thing in things:
        queue.put(ANN, thing)
    compared = 0
    assert all(queue.remove(ANN, thing) for thing in reversed(things))
    assert compared < 10
    assert (len(queue), queue.count(ANN), queue.pop()) == (0, 0, None)
