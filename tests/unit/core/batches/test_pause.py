"""Pause and resume: nothing more is sent, what runs goes on; a pause survives restarts and takeovers."""

from __future__ import annotations

import pytest
from websocket_api.core.batches.batch import Batch
from websocket_api.errors import ApiError

from tests.unit.core.batches.support import Master, Masters, settle, statuses


async def seen_by(master: Master, batch: Batch) -> Batch:
    """Return a batch as another master or a later run has it."""
    return await master.lookup.visible(batch.id, master.session.viewer)


async def test_a_pause_sends_nothing_more_and_what_runs_goes_on() -> None:
    """Resumed, it continues with the next request. Both can be repeated without effect."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", "c", concurrency=1)
    await masters.pass_(2)
    for _ in range(2):
        await one.pauser.set(batch, True)
    one.returns(one.last, "a")
    await masters.pass_(10)
    assert (one.sent, statuses(batch), batch.status) == ([["a"]], ["resolved", "pending", "pending"], "dispatching")
    assert batch.as_dict()["paused"] is True
    for _ in range(2):
        await one.pauser.set(batch, False)
    await masters.pass_(1)
    assert one.sent == [["a"], ["b"]]
    one.returns(one.last, "b")
    await masters.pass_(1)
    one.returns(one.last, "c")
    assert (batch.status, batch.paused) == ("resolved", False)


async def test_a_batch_without_a_limit_waits_too_and_goes_on_when_it_is_resumed() -> None:
    """Jobs that wait for a slot are not sent while it is paused."""
    masters = Masters()
    one = await masters.start("one", slots=1)
    blocking = await one.batch("x")
    await masters.pass_(1)
    batch = await one.batch("a", "b")
    await masters.pass_(1)
    await one.pauser.set(batch, True)
    one.returns(one.last, "x")
    await masters.pass_(10)
    assert (blocking.status, one.sent, batch.status) == ("resolved", [["x"]], "pending")
    await one.pauser.set(batch, False)
    await masters.pass_(1)
    assert one.sent == [["x"], ["a", "b"]]


async def test_a_pause_while_a_job_is_stored_makes_its_requests_pending_again() -> None:
    """They were not published yet."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", concurrency=1)
    batch.set_paused(True)
    await masters.pass_(10)
    assert (one.sent, statuses(batch), batch.running) == ([], ["pending", "pending"], 0)


async def test_a_paused_batch_can_be_canceled_and_can_time_out() -> None:
    """It is not paused any more then."""
    masters = Masters()
    one = await masters.start("one")
    canceled = await one.batch("a", "b", concurrency=1)
    late = await one.batch("a", "b", concurrency=1, timeout=60)
    await masters.pass_(2)
    for batch in (canceled, late):
        await one.pauser.set(batch, True)
    await one.canceler.cancel(canceled)
    assert (canceled.status, canceled.paused) == ("canceled", False)
    await masters.pass_(70)
    assert (late.status, late.paused) == ("timeout", False)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("gracefully", [True, False])
async def test_a_pause_survives_a_restart(shared: bool, gracefully: bool) -> None:
    """So does its end."""
    masters = Masters(shared=shared)
    one = await masters.start("one", "1")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(2)
    await one.pauser.set(batch, True)
    one.returns(one.last, "a")
    if gracefully:
        await masters.stop(one)
    else:
        masters.kill(one)
    two = await masters.start("one", "2")
    two.salt.cache = one.salt.cache
    await masters.pass_(20)
    seen = await seen_by(two, batch)
    assert (two.sent, seen.paused, seen.status) == ([], True, "dispatching")
    await two.pauser.set(seen, False)
    masters.kill(two)
    three = await masters.start("one", "3")
    three.salt.cache = one.salt.cache
    await masters.pass_(10)
    assert two.sent + three.sent == [["b"]]
    assert (await seen_by(three, batch)).paused is False


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.0, 2.5, 3.0])
async def test_a_pause_between_start_and_takeover_is_carried_out(shared: bool, seconds: float) -> None:
    """At any time: nothing more is sent until it is resumed."""
    masters = Masters(shared=shared)
    one = await masters.start("one", "1")
    batch = await one.batch("a", "b", "c", concurrency=1)
    await masters.pass_(2)
    masters.kill(one)
    two = await masters.start("one", "2")
    two.salt.cache = one.salt.cache
    await masters.pass_(seconds)
    seen = await seen_by(two, batch)
    await two.pauser.set(seen, True)
    two.returns(one.last, "a")
    await masters.pass_(20)
    assert (two.sent, (await seen_by(two, batch)).paused) == ([], True)
    await two.pauser.set(await seen_by(two, batch), False)
    await masters.pass_(2)
    assert two.sent == [["b"]]


async def test_another_master_pauses_and_resumes_through_the_store() -> None:
    """The newest request counts, each is handled once, and none stays when the batch has ended."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a", "b", "c", concurrency=1)
    await masters.pass_(6)
    await two.pauser.set(await seen_by(two, batch), True)
    await masters.pass_(3)
    one.returns(one.last, "a")
    await masters.pass_(5)
    assert (one.sent, batch.paused, (await seen_by(two, batch)).paused) == ([["a"]], True, True)
    # The driver's own user resumes: the request that was handled does not pause it again.
    await one.pauser.set(batch, False)
    await masters.pass_(5)
    assert (one.sent, batch.paused) == ([["a"], ["b"]], False)
    for paused in (True, False, True):
        await two.pauser.set(await seen_by(two, batch), paused)
    await masters.pass_(3)
    assert batch.paused is True
    await two.pauser.set(await seen_by(two, batch), False)
    await masters.pass_(2)
    one.returns(one.last, "b")
    await masters.pass_(2)
    one.returns(one.last, "c")
    await masters.pass_(30)
    another = await one.batch("a", concurrency=1)
    await masters.pass_(3)
    assert (batch.status, masters.store.pauses, another.ended) == ("resolved", {}, False)


async def test_the_master_that_takes_over_handles_the_request_first() -> None:
    """The driver is gone before it could read it."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    two.salt.cache = one.salt.cache
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(6)
    masters.kill(one)
    await two.pauser.set(await seen_by(two, batch), True)
    one.returns(one.last, "a", on_bus=False)
    await masters.pass_(60)
    seen = await seen_by(two, batch)
    assert (two.sent, seen.paused) == ([], True)
    await two.pauser.set(seen, False)
    await masters.pass_(2)
    assert two.sent == [["b"]]


async def test_a_store_that_fails_is_reported_and_the_batch_is_paused_all_the_same() -> None:
    """The pause is stored when it works again."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(2)
    masters.store.fails = True
    with pytest.raises(ApiError, match="the batch store of the master fails"):
        await one.pauser.set(batch, True)
    assert batch.paused is True
    masters.store.fails = False
    await masters.pass_(3)
    assert masters.store.batches[batch.id]["paused"] is True


async def test_subscribers_see_a_pause_at_once() -> None:
    """As a change of the batch without requests."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(2)
    seen: list[tuple[int, bool, list[int]]] = []
    one.registry.on_change(lambda of, indexes, what: seen.append((of.id, of.paused, list(indexes))))
    await one.pauser.set(batch, True)
    await settle()
    assert (batch.id, True, []) in seen


async def test_records_of_earlier_releases_have_no_pause_and_no_name() -> None:
    """They can still be read."""
    masters = Masters()
    one = await masters.start("one", "1")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(2)
    masters.kill(one)
    for name in ("name", "functions", "tgt", "tgt_type", "paused", "pause_request"):
        del masters.store.batches[batch.id][name]
    two = await masters.start("one", "2")
    shown = (await seen_by(two, batch)).as_dict()
    assert [shown[name] for name in ("name", "functions", "tgt", "tgt_type", "paused")] == [None, [], None, None, False]
