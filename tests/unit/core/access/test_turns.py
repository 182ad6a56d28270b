"""Long work runs in slices: other work runs in between, users take turns, and the work of a client ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from websocket_api.core.access.turns import EARNED, IDLE_SECONDS, LOOK_SECONDS, TURN_SECONDS, Turns
from websocket_api.errors import ApiError
from websocket_api.fair_share import Share

from tests.unit.core.support import Client, Time

ANN, BOB = Share("ann", "pam"), Share("bob", "pam")


class Worker:
    """Works of a number of whole slices each, and the order of their slices.

    :param cpu: CPU seconds of the process; by default others always work
    """

    def __init__(self, cpu: Callable[[], float] | None = None) -> None:
        self.time = Time()
        self.turns = Turns(self.time.later, self.time, cpu)
        self.done: list[str] = []

    def begin(self, share: Share, name: str, slices: int) -> None:
        left = slices

        def work() -> None:
            nonlocal left
            assert not self.turns.is_over
            self.time.now += 2 * TURN_SECONDS
            assert self.turns.is_over
            self.done.append(name)
            left -= 1
            if left:
                self.turns.again(share, work)

        self.turns.soon(share, work)


def test_each_turn_of_the_loop_runs_one_slice() -> None:
    """However many works wait, the rest of the loop runs in between."""
    worker = Worker()
    for name in "abcd":
        worker.begin(ANN, name, 2)
    assert worker.done == ["a"]
    while len(worker.done) < 8:
        before = len(worker.done)
        worker.time.pass_(TURN_SECONDS / EARNED)
        assert len(worker.done) <= before + 1
    assert sorted(worker.done[:4]) == [*"aabc"]  # the first one asked for its second slice before the last one came
    assert sorted(worker.done) == [*"aabbccdd"]


def test_long_work_takes_at_most_half_of_the_time() -> None:
    """The rest of the loop, and threads, have the other half even while long work waits."""
    worker = Worker()
    worker.begin(ANN, "a", 2)
    worker.time.pass_(2 * TURN_SECONDS / EARNED - 0.0001)
    assert worker.done == ["a"]
    worker.time.pass_(0.0002)
    assert worker.done == ["a", "a"]


@pytest.mark.parametrize(("share", "rest"), [(0.0, 2 * LOOK_SECONDS), (0.9, 2 * LOOK_SECONDS), (1.0, 2 * TURN_SECONDS)])
def test_the_rest_is_short_if_nothing_else_works(share: float, rest: float) -> None:
    """As the CPU time of the process tells, threads included: else others have half of the time.

    Each slice of these works is as long as two, and needs two such rests.

    :param share: of the CPU time from which the process counts as working
    """
    used = 0.0
    worker = Worker(lambda: used)
    worker.begin(ANN, "a", 2)
    used = share * IDLE_SECONDS
    worker.time.pass_(rest - 0.0001)
    assert worker.done == ["a"]
    worker.time.pass_(0.0002)
    assert worker.done == ["a", "a"]


def test_everything_else_has_a_chance_between_two_slices_of_an_idle_process() -> None:
    """Also of several users: their slices never follow each other without a rest."""
    worker = Worker(lambda: 0.0)
    for share in (ANN, BOB):
        worker.begin(share, share.user, 3)
    done = []
    for _ in range(5):
        worker.time.pass_(2 * TURN_SECONDS + 2 * LOOK_SECONDS + 0.0001)
        done.append(len(worker.done))
    assert done == [2, 3, 4, 5, 6]


def test_users_take_turns_however_much_work_one_has() -> None:
    """Of a hundred works of one user and one of another, the second user's is done with the second slice."""
    worker = Worker()
    for number in range(100):
        worker.begin(ANN, str(number), 2)
    worker.begin(BOB, "bob", 1)
    worker.time.pass_(6 * TURN_SECONDS / EARNED)
    assert "bob" in worker.done[:3]


def test_short_works_share_a_slice() -> None:
    """Until together they have used up a slice."""
    worker = Worker()

    def short() -> None:
        worker.time.now += TURN_SECONDS / 4
        worker.done.append("short")

    for _ in range(10):
        worker.turns.soon(ANN, short)
    assert 4 <= len(worker.done) < 10
    before = len(worker.done)
    worker.time.pass_(2 * TURN_SECONDS / EARNED)
    assert before + 4 <= len(worker.done) <= before + 5
    worker.time.pass_(1)
    assert len(worker.done) == 10


def test_dropped_work_does_not_run() -> None:
    """Its client has left."""
    worker = Worker()
    worker.begin(ANN, "a", 1)

    def work() -> None:
        worker.done.append("dropped")

    worker.turns.soon(BOB, work)
    worker.turns.drop(BOB, work)
    worker.turns.drop(BOB, work)
    worker.time.pass_(1)
    assert (worker.done, len(worker.turns)) == (["a"], 0)


def test_an_error_in_one_work_does_not_stop_the_others() -> None:
    """The loop logs it; waiting works still run."""
    worker = Worker()
    worker.begin(ANN, "a", 1)

    def broken() -> None:
        raise RuntimeError

    worker.turns.soon(ANN, broken)
    worker.begin(BOB, "b", 1)
    with pytest.raises(RuntimeError):
        worker.time.pass_(2 * TURN_SECONDS / EARNED)
    worker.time.pass_(2 * TURN_SECONDS / EARNED)
    assert worker.done == ["a", "b"]
    assert not len(worker.turns)


def test_work_that_is_started_by_work_shares_its_slice() -> None:
    """It is counted once."""
    worker = Worker()

    def outer() -> None:
        worker.turns.soon(ANN, lambda: worker.done.append("inner"))
        worker.done.append("outer")

    worker.turns.soon(ANN, outer)
    assert worker.done == ["inner", "outer"]


async def test_steps_end_with_their_connection() -> None:
    """Nothing is left that waits, and the request gets the reason."""
    worker, client, seen = Worker(), Client(), []

    def steps() -> Iterator[None]:
        for number in range(100):
            seen.append(number)
            worker.time.now += TURN_SECONDS
            yield

    finishing = asyncio.ensure_future(worker.turns.finish(ANN, steps(), client.connection))
    await asyncio.sleep(0)
    assert (len(worker.turns), 0 < len(seen) < 10) == (1, True)
    client.connection.release()
    with pytest.raises(ApiError, match="gone"):
        await finishing
    assert len(worker.turns) == 0


async def test_an_error_in_a_step_is_raised_by_its_request() -> None:
    """Other requests continue."""
    worker, client = Worker(), Client()

    def steps() -> Iterator[None]:
        yield
        raise ApiError("too_large", "too much")

    with pytest.raises(ApiError, match="too much"):
        await worker.turns.finish(ANN, steps(), client.connection)
    worker.begin(ANN, "a", 1)
    assert worker.done == ["a"]
