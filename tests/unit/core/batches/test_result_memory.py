"""The results that a user's batches keep take a limited amount of memory; the rest stay in their jobs."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.batches.batch import NO_ROOM, RESULT_BYTES, TOO_LARGE, Batch
from websocket_api.errors import ApiError

from tests.unit.core.batches.support import Master, Masters

RETURN = ["x" * 100] * 100  # about 10 kB as an event
MAXIMUM = 100_000


@pytest.fixture
async def masters() -> Masters:
    masters = Masters(shared=False)
    await masters.start("one", max_result_bytes=MAXIMUM)
    return masters


async def ran(masters: Masters, count: int, value: Any = RETURN, held: bool = True, **more: Any) -> Batch:
    """Run a batch whose minions all return this value."""
    master, minions = only(masters), [f"m{number}" for number in range(count)]
    batch = await master.batch(*minions, held=held, **more)
    await masters.pass_(1)
    for minion in minions:
        jid = master.last
        data = {"cmd": "_return", "id": minion, "jid": jid, "return": value, "retcode": 0, "success": True}
        master.world.fire(f"salt/job/{jid}/ret/{minion}", **data)
    assert batch.status == "resolved"
    await masters.pass_(3)  # it is written, and leaves the memory unless it is held
    return batch


def only(masters: Masters) -> Master:
    (master,) = masters.all
    return master


def kept(batch: Batch) -> int:
    return sum(batch.at(index).result == RETURN for index in range(batch.total))


async def test_results_beyond_the_limit_stay_in_their_jobs(masters: Masters) -> None:
    """The request names the job. It is resolved all the same."""
    batch = await ran(masters, 20)
    assert 2 < kept(batch) < 10
    assert batch.result_bytes <= MAXIMUM
    assert batch.at(batch.total - 1).result == {
        "jid": only(masters).last,
        "bytes": batch_size(batch),
        "message": NO_ROOM,
    }
    assert batch.done == 20


def batch_size(batch: Batch) -> int:
    size = batch.at(batch.total - 1).result["bytes"]
    assert isinstance(size, int)
    assert size > len(RETURN) * len(RETURN[0])
    return size


async def test_all_batches_of_a_user_in_memory_count_together(masters: Masters) -> None:
    """One that is not in memory any more makes room; other users have room of their own."""
    master, first = only(masters), await ran(masters, 20)
    second = await ran(masters, 3)
    assert kept(second) == 0
    other = master.world.session(".*", user="bob")
    master.accounts.sessions[other.token] = other
    assert kept(await ran(masters, 3, session=other)) == 3
    master.lookup.release(second)
    master.lookup.release(first)
    assert first.requests is None
    assert kept(await ran(masters, 3)) == 3


async def test_a_result_that_is_large_by_itself_is_never_kept(masters: Masters) -> None:
    """It leaves room for the others."""
    batch = await ran(masters, 2, "y" * (RESULT_BYTES + 1))
    assert batch.at(0).result["message"] == TOO_LARGE
    assert (batch.result_bytes, kept(await ran(masters, 3))) == (0, 3)


async def test_old_batches_that_do_not_fit_are_refused_while_others_are_in_use(masters: Masters) -> None:
    """A single one is always loaded, whatever its size."""
    master = only(masters)
    first, second = [await ran(masters, 4, held=False) for _ in range(2)]
    assert first.requests is None
    assert second.requests is None
    assert 2 * first.result_bytes > MAXIMUM
    with master.lookup.holding(first):
        await master.lookup.load(first)
        assert kept(first) == 4
        with pytest.raises(ApiError) as caught, master.lookup.holding(second):
            await master.lookup.load(second)
        assert (caught.value.code, caught.value.details) == ("too_many", {"limit": "memory_per_user"})
    with master.lookup.holding(second):
        await master.lookup.load(second)
        assert kept(second) == 4
