"""One master sends a batch: which requests are next, how they end, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from websocket_api.core.jobs.job import Job
from websocket_api.errors import ApiError

from tests.unit.core.batches.support import Masters, settle, statuses


async def test_a_batch_is_sent_as_one_job_and_ends_with_its_last_return() -> None:
    """The same function on three minions costs the master one publish."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", "c")
    await masters.pass_(1)
    assert one.sent == [["a", "b", "c"]]
    assert statuses(batch) == ["sent"] * 3
    one.returns(one.last, "a", "b")
    assert (batch.status, batch.progress) == ("dispatching", 66)
    one.returns(one.last, "c", value="no", retcode=2)
    assert (batch.status, batch.done, batch.errors, batch.finished) == ("error", 2, 1, masters.time.now)
    assert (batch.at(2).result, batch.at(2).retcode) == ("no", 2)


async def test_the_metadata_of_a_job_name_the_batch_and_the_number() -> None:
    """The job is found by them if its id was not stored."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a")
    await masters.pass_(1)
    assert one.salt.published[0][2] == {"batch": batch.id, "batch_job": 1}


async def test_requests_are_stored_as_sent_before_they_are_published() -> None:
    """The next driver must find them there."""
    masters = Masters()
    one = await masters.start("one")
    publish, found = one.salt.publish, []

    async def look(*args: Any) -> Any:
        found.extend(row[2] for rows in masters.store.chunks.values() for row in rows)
        return await publish(*args)

    one.salt.publish = look  # type: ignore[method-assign]
    await one.batch("a", "b", concurrency=1)
    await masters.pass_(1)
    assert found == ["sent", "pending"]


async def test_with_concurrency_the_next_requests_are_sent_when_others_end() -> None:
    """Returns that arrive close together make room for one larger job."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", "c", "d", concurrency=2)
    await masters.pass_(1)
    assert one.sent == [["a", "b"]]
    one.returns(one.last, "a")
    one.returns(one.last, "b")
    await masters.pass_(1)
    assert one.sent == [["a", "b"], ["c", "d"]]
    one.returns(one.last, "c", "d")
    assert batch.status == "resolved"


async def test_a_return_after_the_stop_sends_nothing_and_leaves_no_task() -> None:
    """Timers and returns still come while the engine writes its last changes; the next engine sends the rest."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(1)
    await masters.stop(one)
    before = asyncio.all_tasks()
    one.returns(one.last, "a")
    await masters.pass_(1)
    assert (one.sent, statuses(batch)) == ([["a"]], ["resolved", "pending"])
    assert asyncio.all_tasks() == before


async def test_on_error_stop_cancels_unsent_requests_and_waits_for_running_ones() -> None:
    """The batch ends when the last running request ends."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", "c", concurrency=2, stop=True)
    await masters.pass_(1)
    one.returns(one.last, "a", retcode=1)
    await masters.pass_(1)
    assert statuses(batch) == ["error", "sent", "canceled"]
    assert batch.at(2).result["error"] == "stopped"
    one.returns(one.last, "b")
    await masters.pass_(1)
    assert (batch.status, one.sent) == ("error", [["a", "b"]])


async def test_on_error_stop_searches_for_unsent_requests_once() -> None:
    """And not at each later error, through a hundred thousand requests."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", "c", "d", concurrency=3, stop=True)
    await masters.pass_(1)
    ended, end_all = list[list[int]](), batch.end_all
    batch.end_all = lambda *args: ended.append(end_all(*args)) or ended[-1]  # type: ignore[method-assign, func-returns-value]
    for minion in ("a", "b", "c"):
        one.returns(one.last, minion, retcode=1)
        await masters.pass_(1)
    assert (batch.status, ended) == ("error", [[3]])


async def test_on_error_stop_does_not_send_a_request_that_is_being_stored() -> None:
    """The error arrives while the next request is stored as sent."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", "c", concurrency=2, stop=True)
    await masters.pass_(1)
    stuck = one.access.stuck = asyncio.Event()
    one.returns(one.last, "a")
    await masters.pass_(1)
    assert statuses(batch) == ["resolved", "sent", "sent"]
    one.returns(one.last, "b", retcode=1)
    stuck.set()
    await masters.pass_(3)
    assert statuses(batch) == ["resolved", "error", "canceled"]
    assert (one.sent, batch.status) == ([["a", "b"]], "error")


async def test_the_timeout_ends_all_requests_that_have_not_ended() -> None:
    """A later return changes nothing."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", concurrency=1, timeout=10)
    await masters.pass_(9)
    assert not batch.ended
    await masters.pass_(2)
    assert batch.status == "timeout"
    assert batch.errors == 2
    one.returns(one.last, "a")
    await masters.pass_(1)
    assert batch.done == 0


async def test_cancel_stops_running_jobs_and_sends_nothing_more() -> None:
    """On the minions that still run them, on behalf of the owner."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", "c", concurrency=2)
    await masters.pass_(2)
    one.returns(one.last, "a")
    await one.canceler.cancel(batch)
    assert one.salt.stopped == [(one.last, ["b"])]
    assert (batch.status, batch.done) == ("canceled", 1)
    await masters.pass_(2)
    assert one.sent == [["a", "b"]]


async def test_cancel_finds_a_job_whose_id_is_still_unknown() -> None:
    """The master answered too slowly: the job runs, and is found by its metadata."""
    masters = Masters()
    one = await masters.start("one")
    one.salt.fault, one.salt.published_before_fault = ApiError("master_unavailable", "?", {"sent": True}), True
    batch = await one.batch("a")
    await masters.pass_(0.5)
    assert (one.sent, batch.at(0).jid) == ([["a"]], None)
    canceling = asyncio.ensure_future(one.canceler.cancel(batch))
    await masters.pass_(1.5)
    assert canceling.done()
    assert one.salt.stopped == [(one.last, ["a"])]
    assert (batch.status, batch.at(0).jid) == ("canceled", one.last)


async def test_a_cancel_that_the_master_does_not_answer_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets the error; the log says once that the batch waits, and why."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", "c", concurrency=2)
    await masters.pass_(2)
    stop = one.salt.stop

    async def failing(job: Job, minions: list[str]) -> None:
        raise ApiError("master_unavailable", "the master does not answer")

    one.salt.stop = failing  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="the master does not answer"):
        await one.canceler.cancel(batch)
    assert statuses(batch) == ["sent", "sent", "canceled"]
    with caplog.at_level(logging.WARNING):
        await masters.pass_(8)
    assert caplog.messages == [f"batch {batch.id} waits until it can be stopped: the master does not answer"]
    one.returns(one.last, "a")
    one.salt.stop = stop  # type: ignore[method-assign]
    await masters.pass_(4)
    assert one.salt.stopped == [(one.last, ["b"])]
    assert (batch.status, statuses(batch)) == ("canceled", ["resolved", "canceled", "canceled"])


async def test_a_job_that_cannot_be_stopped_is_watched_until_it_ends() -> None:
    """It ends when no minion runs it any more, whether or not the master answers again."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b")
    await masters.pass_(2)

    async def failing(job: Job, minions: list[str]) -> None:
        raise ApiError("master_unavailable", "the master does not answer")

    one.salt.stop = failing  # type: ignore[method-assign]
    with pytest.raises(ApiError):
        await one.canceler.cancel(batch)
    assert one.batches.returns.watched() == [one.last]
    one.returns(one.last, "a", retcode=1)
    one.silent(one.last, "b")
    await settle()
    assert (batch.status, statuses(batch)) == ("canceled", ["error", "canceled"])
    assert one.batches.returns.watched() == []


async def test_a_cancel_continues_when_its_caller_goes_away() -> None:
    """A client may close its connection before the answer."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a")
    await masters.pass_(2)
    answers, stop = asyncio.Event(), one.salt.stop

    async def slow(job: Job, minions: list[str]) -> None:
        await answers.wait()
        await stop(job, minions)

    one.salt.stop = slow  # type: ignore[method-assign]
    asking = [asyncio.ensure_future(one.canceler.cancel(batch)) for _ in range(2)]
    await settle()
    asking[0].cancel()
    answers.set()
    await asking[1]
    assert asking[0].cancelled()
    assert one.salt.stopped == [(one.last, ["a"])]
    assert batch.status == "canceled"


async def test_a_silent_minion_is_an_error_until_its_late_return() -> None:
    """It does not answer find_job, but returns later."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b")
    await masters.pass_(1)
    one.silent(one.last, "a")
    await settle()
    assert statuses(batch) == ["error", "sent"]
    assert batch.at(0).result["error"] == "missing"
    one.returns(one.last, "a")
    assert statuses(batch) == ["resolved", "sent"]
    one.returns(one.last, "b")
    assert batch.status == "resolved"


async def test_a_return_that_the_bus_lost_is_read_from_the_job_cache() -> None:
    """The bus was down for a moment; the minion no longer runs the job."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b")
    await masters.pass_(1)
    one.returns(one.last, "a", value="there", on_bus=False)
    one.silent(one.last, "a", "b")
    await settle()
    assert statuses(batch) == ["resolved", "error"]
    assert batch.at(0).result == "there"


async def test_a_silent_minion_has_an_unknown_outcome_if_the_job_cache_fails() -> None:
    """The job cache may have its return."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a")
    await masters.pass_(1)
    one.salt.cache_fault = ApiError("master_unavailable", "The job cache fails.")
    one.silent(one.last, "a")
    await settle()
    assert batch.at(0).result["error"] == "outcome_unknown"


async def test_the_end_of_the_token_ends_unsent_requests_with_the_reason() -> None:
    """Running requests continue to their end."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(1)
    masters.accounts.end(one.session, ApiError("token_expired", "the token has expired"))
    await masters.pass_(1)
    assert statuses(batch) == ["sent", "error"]
    assert batch.at(1).result == {"error": "token_expired", "message": "not sent: the token has expired"}
    one.returns(one.last, "a")
    assert (batch.status, batch.done, batch.errors) == ("error", 1, 1)
    assert one.session.held == 0


async def test_a_request_that_salt_refuses_ends_with_its_error() -> None:
    """The rest of the batch is tried all the same."""
    masters = Masters()
    one = await masters.start("one")
    one.salt.fault = ApiError("forbidden", "Salt does not permit this command")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(2)
    assert statuses(batch) == ["error", "error"]
    assert batch.at(0).result["error"] == "forbidden"
    assert batch.status == "error"


async def test_a_publish_that_a_busy_master_did_not_receive_is_repeated() -> None:
    """Nothing was sent, so nothing can have run."""
    masters = Masters()
    one = await masters.start("one")
    one.salt.fault = ApiError("master_unavailable", "busy", {"sent": False})
    batch = await one.batch("a")
    await masters.pass_(3)
    assert statuses(batch) == ["pending"]
    one.salt.fault = None
    await masters.pass_(3)
    assert one.sent == [["a"]]


async def test_a_publish_without_an_answer_is_searched_for_and_never_repeated() -> None:
    """It was published: the job cache finds it by its metadata."""
    masters = Masters()
    one = await masters.start("one")
    one.salt.fault, one.salt.published_before_fault = ApiError("master_unavailable", "?", {"sent": True}), True
    batch = await one.batch("a")
    await masters.pass_(20)
    assert one.sent == [["a"]]
    assert batch.at(0).jid == one.last
    one.returns(one.last, "a")
    assert batch.status == "resolved"


async def test_a_publish_that_is_not_found_ends_with_an_unknown_outcome() -> None:
    """The request may have run, so it is not sent again."""
    masters = Masters()
    one = await masters.start("one")
    one.salt.fault = ApiError("master_unavailable", "?", {"sent": True})
    batch = await one.batch("a")
    await masters.pass_(20)
    assert one.sent == []
    assert batch.at(0).result["error"] == "outcome_unknown"
    assert batch.status == "error"


async def test_an_unexpected_error_does_not_stop_a_batch() -> None:
    """The job is searched for, and the other requests are sent."""
    masters = Masters()
    one = await masters.start("one")
    publish, faults = one.salt.publish, [RuntimeError("nobody foresaw this")]

    async def stumbles(*args: Any) -> Any:
        if faults:
            raise faults.pop()
        return await publish(*args)

    one.salt.publish = stumbles  # type: ignore[method-assign]
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(20)
    assert statuses(batch) == ["error", "sent"]
    assert batch.at(0).result["error"] == "outcome_unknown"
    assert one.sent == [["b"]]


async def test_progress_that_a_minion_reports_is_the_progress_of_its_request() -> None:
    """As the minion module websocket_api reports it."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b")
    await masters.pass_(1)
    said = {"percent": 50, "message": "half"}
    one.world.fire(f"salt/job/{one.last}/prog/a/websocket_api", cmd="_minion_event", id="a", tag="x", data={**said})
    assert (batch.progress, batch.at(0).message) == (25, "half")
