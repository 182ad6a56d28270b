"""Batches survive the end of the engine or master, and failures of the store."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from websocket_api.core.batches.batch import Batch
from websocket_api.core.jobs.job import Job
from websocket_api.errors import ApiError, NotSent

from tests.support.waiting import LOOP_SECONDS
from tests.unit.core.batches.support import Master, Masters, settle, statuses


def of(master: Master, batch: Batch) -> Batch:
    """Another master's view of a batch."""
    found = master.registry.get(batch.id)
    assert found is not None
    return found


async def whole(master: Master, batch: Batch) -> Batch:
    """Return another master's view of a batch, with its requests."""
    return await master.lookup.load(await master.lookup.visible(batch.id, master.session.viewer))


async def test_a_restarted_engine_resumes_at_once_and_sends_nothing_twice() -> None:
    """The job cache has the returns of the time in between."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    batch = await one.batch("a", "b", "c", concurrency=2)
    await masters.pass_(1)
    jid = one.last
    masters.kill(one)
    again = await masters.start("one", "2")
    again.salt.cache = one.salt.cache
    again.returns(jid, "a", on_bus=False)
    await masters.pass_(4)
    after = of(again, batch)
    assert again.sent == [["c"]]
    assert statuses(after) == ["resolved", "sent", "sent"]
    again.returns(jid, "b")
    again.returns(again.last, "c")
    assert after.status == "resolved"


async def test_an_engine_killed_between_storing_and_publishing_does_not_send_again() -> None:
    """The job is searched for; if it is not found, the outcome is unknown."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    blocked = asyncio.Event()

    async def never(*_: object) -> None:
        await blocked.wait()

    one.salt.publish = never  # type: ignore[method-assign,assignment]
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(1)
    masters.kill(one)
    again = await masters.start("one", "2")
    await masters.pass_(25)
    after = of(again, batch)
    assert statuses(after) == ["error", "sent"]
    assert after.at(0).result["error"] == "outcome_unknown"
    assert again.sent == [["b"]]


@pytest.mark.parametrize("where", ["being written", "waiting for a channel"])
async def test_an_engine_stopped_before_it_published_makes_the_requests_pending_again(where: str) -> None:
    """The next run sends them."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    write, writes, begun, written = one.access.write, 0, asyncio.Event(), asyncio.Event()

    async def slow(*what: Any) -> None:
        """The second write is that of the request as sent; it goes on in its thread, whoever is canceled."""
        nonlocal writes
        writes += 1
        if writes == 2:
            begun.set()
            await written.wait()
        await write(*what)

    async def waiting(*_: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise NotSent from None

    if where == "being written":
        one.access.write = slow  # type: ignore[method-assign]
    else:
        one.salt.publish = waiting  # type: ignore[method-assign,assignment]
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(0.5)
    assert begun.is_set()
    assert statuses(batch) == ["sent", "pending"]
    stopping = asyncio.ensure_future(masters.stop(one))
    await settle()
    written.set()
    await stopping
    again = await masters.start("one", "2")
    await masters.pass_(5)
    assert (one.sent, again.sent) == ([], [["a"]])
    assert statuses(of(again, batch)) == ["sent", "pending"]


async def test_an_engine_stopped_while_it_waits_for_the_master_does_not_send_again() -> None:
    """The job may have been published: it is searched for."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")

    async def asking(*_: object) -> None:
        await asyncio.Event().wait()

    one.salt.publish = asking  # type: ignore[method-assign,assignment]
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(0.5)
    await masters.stop(one)
    again = await masters.start("one", "2")
    await masters.pass_(25)
    after = of(again, batch)
    assert again.sent == [["b"]]
    assert after.at(0).result["error"] == "outcome_unknown"


async def test_a_failed_write_at_the_end_does_not_prevent_others() -> None:
    """A stop has half a second for all of them."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    first, second = await one.batch("a"), await one.batch("b")
    await masters.pass_(2)
    one.returns(one.salt.published[0][0], "a")
    one.returns(one.salt.published[1][0], "b")
    write = one.access.write

    async def fails(id_: int, *what: Any) -> None:
        if id_ == first.id:
            raise ApiError("master_unavailable", "it fails")
        await write(id_, *what)

    one.access.write = fails  # type: ignore[method-assign]
    await masters.stop(one)
    assert masters.store.batches[second.id]["status"] == "resolved"


async def test_an_engine_killed_before_the_jid_was_stored_finds_the_job_by_its_metadata() -> None:
    """They name the batch and the number of the job."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    batch = await one.batch("a")
    publish = one.salt.publish

    async def published_and_died(*args: object) -> object:
        await publish(*args)  # type: ignore[arg-type]
        await asyncio.Event().wait()
        return {}

    one.salt.publish = published_and_died  # type: ignore[method-assign,assignment]
    await masters.pass_(1)
    masters.kill(one)
    again = await masters.start("one", "2")
    again.salt.cache = one.salt.cache
    again.returns(one.last, "a", on_bus=False)
    await masters.pass_(10)
    assert again.sent == []
    assert of(again, batch).status == "resolved"


@pytest.mark.parametrize("answers", [True, False])
async def test_a_cancel_interrupted_by_a_restart_continues_after_it(answers: bool) -> None:
    """If the master does not answer then either, the jobs are watched to their end."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    batch = await one.batch("a", "b", "c", concurrency=2)
    await masters.pass_(3)

    async def never(job: Job, minions: list[str]) -> None:
        await asyncio.Event().wait()

    async def failing(job: Job, minions: list[str]) -> None:
        raise ApiError("master_unavailable", "the master does not answer")

    one.salt.stop = never  # type: ignore[method-assign]
    canceling = asyncio.ensure_future(one.canceler.cancel(batch))
    await masters.pass_(3)
    masters.kill(one)
    with pytest.raises(ApiError):
        await asyncio.wait_for(canceling, LOOP_SECONDS)
    again = await masters.start("one", "2")
    again.salt.cache = one.salt.cache
    if not answers:
        again.salt.stop = failing  # type: ignore[method-assign]
    await masters.pass_(8)
    after = of(again, batch)
    if not answers:
        assert again.batches.returns.watched() == [one.last]
        again.silent(one.last, "a", "b")
        await masters.pass_(2)
    else:
        assert again.salt.stopped == [(one.last, ["a", "b"])]
    assert (after.status, after.canceled, again.sent) == ("canceled", 3, [])
    assert masters.store.batches[batch.id]["status"] == "canceled"


async def test_another_master_returns_a_batch_with_its_changes() -> None:
    """It reads the store and writes nothing."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a", "b")
    await masters.pass_(2)
    seen = await whole(two, batch)
    assert statuses(seen) == ["sent", "sent"]
    one.returns(one.last, "a")
    await masters.pass_(2)
    assert statuses(await whole(two, batch)) == ["resolved", "sent"]
    assert seen.as_dict() == batch.as_dict()
    await masters.pass_(60)
    assert (one.sent, two.sent) == ([["a", "b"]], [])


@pytest.mark.parametrize("seconds", [0.5, 1.2, 2.5, 4.0])
async def test_requests_read_while_the_batch_changes_belong_to_its_state(seconds: float) -> None:
    """Also if the read is slow, and if the batch ends meanwhile: then nothing reads it again."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a", "b", "c")
    await masters.pass_(7)
    seen = await two.lookup.visible(batch.id, two.session.viewer)
    assert seen.requests is None
    requests, changes = two.access.requests, []
    two.registry.on_change(lambda of_, indexes, what: changes.append(what))

    async def slow(id_: int, numbers: list[int]) -> list[list[Any]]:
        rows = await requests(id_, numbers)
        await two._sleep(seconds)
        return rows

    two.access.requests = slow  # type: ignore[method-assign]
    two.lookup.hold(seen)
    reading = asyncio.ensure_future(two.lookup.load(seen))
    for minions in ("a", "bc"):
        await masters.pass_(0.5)
        one.returns(one.last, *minions)
    assert batch.ended
    await masters.pass_(12)
    assert reading.done()
    assert statuses(seen) == ["resolved"] * 3
    assert seen.as_dict() == batch.as_dict()
    assert changes.count("save") == 1


async def test_a_slow_read_does_not_replace_a_newer_state() -> None:
    """A request of a client overlaps the periodic refresh."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a", "b")
    await masters.pass_(7)
    seen = await two.lookup.visible(batch.id, two.session.viewer)
    two.lookup.hold(seen)
    await two.lookup.load(seen)
    one.returns(one.last, "a")
    await masters.pass_(0.75)
    await one.writer.save(batch)
    requests, answers = two.access.requests, asyncio.Event()

    async def slow(id_: int, numbers: list[int]) -> list[list[Any]]:
        rows = await requests(id_, numbers)
        await answers.wait()
        return rows

    two.access.requests = slow  # type: ignore[method-assign]
    asking = asyncio.ensure_future(two.lookup.visible(batch.id, two.session.viewer))
    await settle()
    two.access.requests = requests  # type: ignore[method-assign]
    one.returns(one.last, "b")
    await masters.pass_(3)
    assert seen.status == "resolved"
    answers.set()
    await asking
    assert (seen.status, statuses(seen)) == ("resolved", ["resolved"] * 2)


async def test_another_master_takes_over_when_the_driver_is_gone_for_twenty_seconds() -> None:
    """It sends only what was not sent before."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a", "b", "c", concurrency=1)
    await masters.pass_(2)
    masters.kill(one)
    await masters.pass_(15)
    assert two.sent == []
    await masters.pass_(20)
    after = of(two, batch)
    assert statuses(after) == ["sent", "pending", "pending"]
    two.silent(one.last, "a")
    await masters.pass_(1)
    assert after.at(0).result["error"] == "outcome_unknown"
    assert two.sent == [["b"]]
    two.returns(two.last, "b")
    await masters.pass_(1)
    two.returns(two.last, "c")
    assert (after.status, after.done, after.errors) == ("error", 2, 1)


async def test_with_a_shared_job_cache_returns_to_the_lost_master_count() -> None:
    """They arrived before that master died."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    two.salt.cache = one.salt.cache
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(2)
    masters.kill(one)
    one.returns(one.last, "a", value="done", on_bus=False)
    await masters.pass_(35)
    assert of(two, batch).at(0).result == "done"
    assert two.sent == [["b"]]


async def test_only_one_of_two_masters_that_claim_at_once_drives() -> None:
    """Both write, both wait, and both read the name of the last writer."""
    masters = Masters()
    one = await masters.start("one")
    two, three = await masters.start("two"), await masters.start("three")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(7)
    masters.kill(one)
    await masters.pass_(40)
    for master in (two, three):
        if master.world.jobs.get(one.last) is not None:
            master.silent(one.last, "a")
    await masters.pass_(5)
    assert sorted(two.sent + three.sent) == [["b"]]
    assert batch.id


async def test_a_suspended_driver_that_lost_its_lease_sends_nothing() -> None:
    """Its memory is a minute old when it continues."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a", "b", "c", concurrency=1)
    await masters.pass_(2)
    stopped = masters.all.pop(one)
    assert stopped is not None
    await masters.pass_(40)
    two.silent(one.last, "a")
    await masters.pass_(1)
    assert two.sent == [["b"]]
    masters.all[one] = None
    one.returns(one.last, "a")  # makes room, as this master still knows it
    await masters.pass_(5)
    assert one.sent == [["a"]]
    assert statuses(await whole(one, batch)) == statuses(of(two, batch))
    two.returns(two.last, "b")
    await masters.pass_(1)
    assert two.sent == [["b"], ["c"]]


async def test_nothing_is_published_after_a_write_that_hung_too_long() -> None:
    """Another master may have taken over in the meantime."""
    masters = Masters()
    one = await masters.start("one")
    await one.batch("a")
    one.access.stuck = asyncio.Event()
    await masters.pass_(15)
    one.access.stuck.set()
    one.access.stuck = None
    await settle()
    assert one.sent == []
    await masters.pass_(5)
    assert one.sent == [["a"]]


async def test_no_batch_is_created_while_the_store_fails() -> None:
    """The client gets the error, and nothing is stored in part."""
    masters = Masters()
    one = await masters.start("one")
    masters.store.fails = True
    with pytest.raises(ApiError) as caught:
        await one.batch("a")
    assert caught.value.code == "master_unavailable"
    assert "not created" in caught.value.message
    masters.store.fails = False
    await masters.pass_(3)
    assert (list(one.registry.known()), masters.store.batches, one.sent) == ([], {}, [])


async def test_a_failing_store_loses_no_running_batch(caplog: pytest.LogCaptureFixture) -> None:
    """Running requests are followed in memory, unsent ones wait; the log says it once."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(1)
    masters.store.fails = True
    with caplog.at_level(logging.WARNING):
        one.returns(one.last, "a")
        await masters.pass_(30)
        assert statuses(batch) == ["resolved", "pending"]
        assert one.sent == [["a"]]
        masters.store.fails = False
        await masters.pass_(5)
    assert one.sent == [["a"], ["b"]]
    one.returns(one.last, "b")
    await masters.pass_(2)
    assert masters.store.batches[batch.id]["status"] == "resolved"
    said = [record.levelname for record in caplog.records if record.name.startswith("websocket_api.core")]
    assert sorted(said) == ["ERROR", "WARNING", "WARNING"], (
        "the store, that it is well again, and that this batch waits"
    )


async def test_many_returns_cause_few_writes_of_changed_chunks_only() -> None:
    """A thousand returns at once are one write of two chunks."""
    masters = Masters(shared=False)
    one = await masters.start("one")
    names = [f"m{number}" for number in range(2000)]
    await one.batch(*names)
    await masters.pass_(2)
    writes, chunks = masters.store.writes, masters.store.written_chunks
    for jid, minions, _ in one.salt.published[:2]:
        one.returns(jid, *minions)
    await masters.pass_(2)
    assert masters.store.writes - writes <= 2
    assert masters.store.written_chunks - chunks == 2


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("forget", [True, False])
@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.0, 2.5, 3.0])
async def test_a_cancel_between_start_and_takeover_is_carried_out(shared: bool, forget: bool, seconds: float) -> None:
    """At any time: nothing more is sent, and jobs of an earlier run are stopped."""
    masters = Masters(shared=shared)
    one = await masters.start("one", "1")
    batch = await one.batch("a", "b", "c", concurrency=1)
    await masters.pass_(2)
    masters.kill(one)
    again = await masters.start("one", "2")
    again.salt.cache = one.salt.cache
    changes: list[str] = []
    again.registry.on_change(lambda of_, indexes, what: changes.append(what))
    await masters.pass_(seconds)
    seen = await again.lookup.visible(batch.id, again.session.viewer)
    await again.canceler.cancel(seen, forget=forget)
    if forget:
        assert again.registry.get(batch.id) is None
        changes.clear()
    one.returns(one.last, "a", on_bus=False)  # makes room
    await masters.pass_(20)
    assert again.sent == []
    if forget:
        assert (list(again.registry.known()), changes) == ([], [])
        assert (masters.store.batches, masters.store.chunks) == ({}, {})
    else:
        assert seen.status == masters.store.batches[batch.id]["status"] == "canceled"
    assert masters.store.cancels == {}


@pytest.mark.parametrize("shared", [True, False])
async def test_a_cancel_request_survives_two_restarts(shared: bool) -> None:
    """The client was told that the batch is gone, so it stays hidden in the meantime."""
    masters = Masters(shared=shared)
    one = await masters.start("one", "1")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(2)
    masters.kill(one)
    two = await masters.start("one", "2")
    await two.canceler.cancel(of(two, batch), forget=True)
    masters.kill(two)
    three = await masters.start("one", "3")
    three.salt.cache = one.salt.cache
    with pytest.raises(ApiError, match="there is no batch"):
        await three.lookup.visible(batch.id, three.session.viewer)
    await masters.pass_(15)
    assert (two.sent, three.sent, three.salt.stopped) == ([], [], [(one.last, ["a"])])
    assert (masters.store.batches, masters.store.cancels) == ({}, {})


async def test_the_master_that_takes_over_carries_out_a_cancel_request() -> None:
    """Although it already hides the batch."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    two.salt.cache = one.salt.cache
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(6)
    masters.kill(one)
    await two.canceler.cancel(await two.lookup.visible(batch.id, two.session.viewer), forget=True)
    await masters.pass_(40)
    assert (two.sent, two.salt.stopped) == ([], [(one.last, ["a"])])
    assert (masters.store.batches, masters.store.cancels) == ({}, {})


async def test_a_cancel_request_reaches_the_driver_through_the_store() -> None:
    """DELETE on one master, for a batch that another one drives."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(3)
    seen = await two.lookup.visible(batch.id, two.session.viewer)
    await two.canceler.cancel(seen, forget=True)
    with pytest.raises(ApiError, match="there is no batch"):
        await two.lookup.visible(batch.id, two.session.viewer)
    await masters.pass_(4)
    assert one.salt.stopped == [(one.last, ["a"])]
    assert list(one.registry.known()) == list(two.registry.known()) == []
    assert (masters.store.batches, masters.store.chunks, masters.store.cancels) == ({}, {}, {})


async def test_a_slow_remote_cancel_does_not_cost_other_batches_their_lease() -> None:
    """However slowly the master answers, it is carried out once."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    stopped, going_on = await one.batch("a"), await one.batch("b")
    await masters.pass_(3)
    answers, stop = asyncio.Event(), one.salt.stop

    async def slow(job: Job, minions: list[str]) -> None:
        await answers.wait()
        await stop(job, minions)

    one.salt.stop = slow  # type: ignore[method-assign]
    await two.canceler.cancel(await two.lookup.visible(stopped.id, two.session.viewer), forget=False)
    await masters.pass_(40)
    assert not two.writer.drives(going_on)
    assert not two.writer.drives(stopped)
    answers.set()
    await masters.pass_(2)
    assert [minions for _, minions in one.salt.stopped] == [["a"]]
    assert (stopped.status, masters.store.cancels) == ("canceled", {})


async def test_a_remote_cancel_that_fails_is_logged_once_and_retried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The master does not answer; the log does not blame the store."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a")
    await masters.pass_(3)
    fault, stop = ApiError("master_unavailable", "the master does not answer"), one.salt.stop

    async def failing(job: Job, minions: list[str]) -> None:
        raise fault

    one.salt.stop = failing  # type: ignore[method-assign]
    await two.canceler.cancel(await two.lookup.visible(batch.id, two.session.viewer), forget=False)
    with caplog.at_level(logging.WARNING):
        await masters.pass_(10)
    assert caplog.messages == [f"the remote cancel of batch {batch.id} waits: the master does not answer"]
    one.salt.stop = stop  # type: ignore[method-assign]
    await masters.pass_(2)
    assert (batch.status, masters.store.cancels) == ("canceled", {})


async def test_a_cancel_request_for_a_batch_that_has_ended_is_carried_out() -> None:
    """It has no driver any more: any master that finds the request handles it."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a", held=False)
    await masters.pass_(3)
    seen = await two.lookup.visible(batch.id, two.session.viewer)
    one.returns(one.last, "a")
    await settle()
    await two.canceler.cancel(seen, forget=True)
    await masters.pass_(15)
    assert list(one.registry.known()) == list(two.registry.known()) == []
    assert (masters.store.batches, masters.store.cancels) == ({}, {})


async def test_a_batch_that_several_callers_forget_at_once_is_removed_once() -> None:
    """The others wait, and get no error of the store."""
    masters = Masters(shared=False)
    one = await masters.start("one")
    batch = await one.batch("a")
    await masters.pass_(2)
    remove, at_once = one.access.remove, [0, 0]

    async def counted(id_: int) -> None:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await settle()
        await remove(id_)
        at_once[0] -= 1

    one.access.remove = counted  # type: ignore[method-assign]
    forgetting = [asyncio.ensure_future(one.canceler.cancel(batch, forget=True)) for _ in range(4)]
    await asyncio.gather(*forgetting)
    assert (at_once, masters.store.batches) == ([0, 1], {})


async def test_a_forgotten_batch_is_not_written_again_by_a_waiting_write() -> None:
    """A slow write is followed by the removal and by the write of the end."""
    masters = Masters(shared=False)
    one = await masters.start("one")
    batch = await one.batch("a")
    await masters.pass_(2)
    stuck = one.access.stuck = asyncio.Event()
    one.writer.mark(batch, [0])
    await masters.pass_(1)
    forgetting = asyncio.ensure_future(one.canceler.cancel(batch, forget=True))
    await masters.pass_(2)
    stuck.set()
    await masters.pass_(2)
    assert forgetting.done()
    assert (masters.store.batches, masters.store.chunks) == ({}, {})


async def test_a_batch_forgotten_during_writes_is_not_logged_as_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names another master only if there is one."""
    masters = Masters(shared=False)
    one = await masters.start("one")
    first, second = await one.batch("a"), await one.batch("b")
    await masters.pass_(2)
    stuck, write = asyncio.Event(), one.access.write

    async def slow(id_: int, *what: Any) -> None:
        if id_ == first.id:
            await stuck.wait()
        await write(id_, *what)

    one.access.write = slow  # type: ignore[method-assign]
    one.writer.mark(first)
    one.writer.mark(second)
    await masters.pass_(1)
    await one.canceler.cancel(second)
    await one.canceler.cancel(second, forget=True)
    stuck.set()
    await masters.pass_(2)
    assert list(masters.store.batches) == [first.id]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


async def test_an_interrupted_creation_leaves_no_batch() -> None:
    """The engine stops and asks the client to send it again, so it must not exist twice."""
    masters = Masters(shared=False)
    one = await masters.start("one")
    stuck, write = asyncio.Event(), one.access.write
    one.access.stuck = stuck

    async def in_a_thread(*args: Any) -> None:
        await asyncio.shield(asyncio.ensure_future(write(*args)))  # who stops waiting does not stop it

    one.access.write = in_a_thread  # type: ignore[method-assign]
    making = asyncio.ensure_future(one.batch("a"))
    await settle()
    making.cancel()
    await settle()
    stuck.set()
    await settle()
    assert making.cancelled()
    assert (masters.store.batches, masters.store.chunks) == ({}, {})


async def test_a_slow_job_cache_does_not_delay_the_lease() -> None:
    """The engine renews it while it reads the jobs of a batch that it took over."""
    masters = Masters()
    one = await masters.start("one", "1")
    batch = await one.batch("a")
    await masters.pass_(2)
    masters.kill(one)
    again = await masters.start("one", "2")

    async def hangs(_: str) -> None:
        await asyncio.Event().wait()

    again.salt.job = hangs  # type: ignore[method-assign]
    await masters.pass_(5)
    beat = masters.store.batches[batch.id]["driver"]["beat"]
    await masters.pass_(12)
    assert masters.store.batches[batch.id]["driver"]["beat"] > beat
    masters.kill(again)


async def test_a_failed_takeover_does_not_start_others_twice() -> None:
    """Takeovers under way are waited for, and nothing is sent twice."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    first = await one.batch("x", "y", concurrency=1)
    await one.batch(*[f"m{number}" for number in range(1500)], held=False)
    masters.kill(one)
    one.salt.published.clear()
    again = Master(masters.store, masters.accounts, masters.time, "one", "2")
    record, requests, taken, faults = again.access.record, again.access.requests, [], [ApiError("too_many", "busy")]

    async def fails_once(id_: int) -> dict[str, Any] | None:
        if id_ == first.id and faults:
            raise faults.pop()
        return await record(id_)

    async def slow(id_: int, numbers: list[int]) -> list[list[Any]]:
        rows = await requests(id_, numbers)
        await again._sleep(0.5)
        return rows

    def resumed(batch: Batch) -> None:
        taken.append(batch.id)
        resume(batch)

    again.access.record, again.access.requests = fails_once, slow  # type: ignore[method-assign]
    resume = again.runner.resume
    again.runner.resume = resumed  # type: ignore[method-assign]
    masters.all[again] = None
    await masters.pass_(15)
    assert sorted(taken) == sorted(batch.id for batch in again.registry.known())
    assert len(taken) == 2
    minions = [minion for job in again.sent for minion in job]
    assert len(minions) == len(set(minions))


async def test_takeovers_are_limited_to_a_few_dozen_at_a_time() -> None:
    """A master may leave thousands, and the pool refuses more calls than fit its queue."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    for _ in range(200):
        await one.batch("a", held=False)
    masters.kill(one)
    again = Master(masters.store, masters.accounts, masters.time, "one", "2")
    record, at_once, most = again.access.record, 0, 0

    async def counted(id_: int) -> dict[str, Any] | None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        stored = await record(id_)
        at_once -= 1
        return stored

    again.access.record = counted  # type: ignore[method-assign]
    masters.all[again] = None
    await masters.pass_(6)
    assert sum(map(again.writer.drives, again.registry.known())) == 200
    assert most <= 32


async def test_an_unexpected_error_in_a_takeover_does_not_stop_others(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the takeover is retried."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    first, second = await one.batch("a"), await one.batch("b")
    await masters.pass_(1)
    masters.kill(one)
    again = Master(masters.store, masters.accounts, masters.time, "one", "2")
    record, faults = again.access.record, [RuntimeError("nobody foresaw this")]

    async def stumbles(id_: int) -> dict[str, Any] | None:
        if id_ == first.id and faults:
            raise faults.pop()
        return await record(id_)

    again.access.record = stumbles  # type: ignore[method-assign]
    masters.all[again] = None
    await masters.pass_(4)
    assert (again.writer.drives(of(again, first)), again.writer.drives(of(again, second))) == (False, True)
    assert f"cannot take over batch {first.id}" in caplog.messages
    await masters.pass_(6)
    assert again.writer.drives(of(again, first))


async def test_a_damaged_batch_does_not_stop_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It can never end: it is logged and hidden."""
    masters = Masters(shared=False)
    one = await masters.start("one", "1")
    lost, whole_ = await one.batch("a", "b", concurrency=1), await one.batch("c", "d", concurrency=1)
    await masters.pass_(1)
    masters.kill(one)
    del masters.store.chunks[lost.id, 0]
    again = await masters.start("one", "2")
    await masters.pass_(5)
    assert [batch.id for batch in again.registry.known()] == [whole_.id]
    assert [record.levelname for record in caplog.records if "cannot go on" in record.message] == ["ERROR"]


async def test_lost_requests_of_an_ended_batch_are_not_found() -> None:
    """Its head stays, and nothing else fails."""
    masters = Masters(shared=False)
    one = await masters.start("one")
    batch = await one.batch("a", held=False)
    await masters.pass_(1)
    one.returns(one.last, "a")
    await masters.pass_(2)
    del masters.store.chunks[batch.id, 0]
    with pytest.raises(ApiError) as caught:
        await one.lookup.load(batch)
    assert caught.value.code == "not_found"


async def test_old_batches_are_forgotten_and_running_ones_are_not() -> None:
    """After the days of ``batch_keep``."""
    masters = Masters(shared=False)
    one = await masters.start("one")
    old, running = await one.batch("a"), await one.batch("b")
    await masters.pass_(1)
    one.returns(one.salt.published[0][0], "a")
    await masters.pass_(2)
    assert old.ended
    masters.time.now += 6 * 86_400
    await masters.pass_(12)
    assert len(one.registry) == 2
    masters.time.now += 86_400
    await masters.pass_(12)
    assert [batch.id for batch in one.registry.known()] == [running.id]
    assert list(masters.store.batches) == [running.id]


async def test_requests_of_an_ended_batch_are_read_only_when_needed() -> None:
    """Only its head stays in memory; the token is gone everywhere."""
    masters = Masters(shared=False)
    one = await masters.start("one")
    batch = await one.batch("a", "b", held=False)
    await masters.pass_(1)
    one.returns(one.last, "a", "b", value=7)
    await masters.pass_(2)
    assert batch.requests is None
    assert masters.store.batches[batch.id]["token"] is None
    with one.lookup.holding(batch):
        await one.lookup.load(batch)
        assert [batch.at(index).result for index in range(2)] == [7, 7]
    assert batch.requests is None


async def test_only_the_owner_and_users_with_all_permissions_see_a_batch() -> None:
    """For all others it does not exist."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a")
    assert await one.lookup.visible(batch.id, one.world.session("test.ping", user="ann").viewer) is batch
    assert await one.lookup.visible(batch.id, one.world.session(".*", user="bob").viewer) is batch
    for stranger in (one.world.session("test.*", user="bob"), one.world.session("test.*", user="ann", eauth="ldap")):
        with pytest.raises(ApiError) as caught:
            await one.lookup.visible(batch.id, stranger.viewer)
        assert caught.value.message == f"there is no batch with the id {batch.id}, or you may not see it"
        assert await one.lookup.all_visible(stranger.viewer) == []
