"""The batch and its requests: states, counts, and which requests are sent next."""

from __future__ import annotations

import json

import pytest
from websocket_api.core.batches.batch import RESULT_BYTES, Batch
from websocket_api.core.batches.request import Call, Request

PING, SLEEP = Call("test.ping", [], {}), Call("test.sleep", [1], {})
NOW = 1_324_308_526.493


def batch(*requests: tuple[str, int], **options: object) -> Batch:
    """A batch of these (minion, call)."""
    made = [Request(minion, call) for minion, call in requests]
    return Batch(4096, "ann", "pam", [PING, SLEEP], made, created=NOW, **options)  # type: ignore[arg-type]


def test_a_batch_is_a_dict_in_snake_case() -> None:
    """Times have milliseconds and a Z."""
    shown = batch(("a", 0), ("b", 0), timeout=36000).as_dict(ids=True)
    assert shown == {
        "id": 4096,
        "created_at": "2011-12-19T15:28:46.493Z",
        "finished_at": None,
        "timeout": 36000,
        "concurrency": 0,
        "on_error": "continue",
        "status": "pending",
        "progress": 0,
        "total_count": 2,
        "done_count": 0,
        "error_count": 0,
        "name": None,
        "functions": [],
        "tgt": None,
        "tgt_type": None,
        "paused": False,
        "user": "ann",
        "requests": [8192, 12288],
    }


def test_a_request_is_a_flat_dict_in_snake_case() -> None:
    """The result is an empty object until the request ends."""
    shown = batch(("a", 1)).request_as_dict(0)
    assert shown == {
        "id": 8192,
        "minion": "a",
        "fun": "test.sleep",
        "arg": [1],
        "kwarg": {},
        "method": "post",
        "resource": "/test/sleep",
        "created_at": "2011-12-19T15:28:46.493Z",
        "finished_at": None,
        "status": "pending",
        "progress": 0,
        "result": {},
        "retcode": None,
        "message": None,
        "jid": None,
    }
    json.dumps(shown)


def test_requests_with_the_same_call_share_a_job_that_has_each_minion_once() -> None:
    """Returns are matched by job and minion."""
    one = batch(("a", 0), ("b", 0), ("a", 0), ("c", 1))
    sent = []
    while indexes := one.next():
        sent.append(indexes)
        one.send(indexes, NOW)
    assert sent == [[0, 1], [2], [3]]


def test_without_concurrency_all_requests_with_the_same_call_share_a_job() -> None:
    """All run at once, so their order does not matter."""
    one = batch(("a", 0), ("a", 1), ("b", 0), ("b", 1))
    assert one.next() == [0, 2]


def test_with_concurrency_requests_are_sent_in_order() -> None:
    """As a rolling restart needs it."""
    one = batch(("a", 0), ("a", 1), ("b", 0), ("b", 1), concurrency=3)
    assert one.next() == [0]
    one.send([0], NOW)
    assert one.next() == [1]


def test_concurrency_limits_how_many_requests_run_at_once() -> None:
    """A request that ends makes room for the next one."""
    one = batch(*((f"m{number}", 0) for number in range(5)), concurrency=2)
    one.send(one.next(), NOW)
    assert one.next() == []
    one.end(0, "resolved", NOW)
    assert one.next() == [2]


def test_unsent_requests_return_to_their_place_in_the_queue() -> None:
    """A publish that certainly did not happen is undone."""
    one = batch(("a", 0), ("b", 0), ("c", 0), concurrency=2)
    job = one.send(one.next(), NOW)
    one.unsend(job)
    assert one.next() == [0, 1]
    assert one.jobs == {}
    assert one.running == 0


@pytest.mark.parametrize(
    ("ends", "status", "done", "errors"),
    [
        (["resolved", "resolved"], "resolved", 2, 0),
        (["resolved", "error"], "error", 1, 1),
        (["error", "error"], "error", 0, 2),
        (["resolved", "canceled"], "error", 1, 0),
    ],
)
def test_the_status_of_a_batch_follows_from_its_requests(ends: list[str], status: str, done: int, errors: int) -> None:
    """With the counts and the time of the end."""
    one = batch(("a", 0), ("b", 0))
    one.send(one.next(), NOW)
    for index, end in enumerate(ends):
        assert not one.ended
        one.end(index, end, NOW + index)
        one.finish_if_done(NOW + index)
    assert (one.status, one.done, one.errors, one.finished) == (status, done, errors, NOW + 1)


@pytest.mark.parametrize("final", ["canceled", "timeout"])
def test_a_final_status_does_not_depend_on_the_requests(final: str) -> None:
    """The batch ends only once."""
    one = batch(("a", 0))
    one.final = final
    one.end_all({"pending"}, final, NOW, {})
    assert one.finish_if_done(NOW)
    assert one.status == final
    assert not one.finish_if_done(NOW)


def test_canceled_requests_leave_the_queue() -> None:
    """With ``concurrency`` each change would scan them, and they would use memory until the end."""
    one = batch(*((f"m{number}", 0) for number in range(100)), concurrency=2)
    job = one.send(one.next(), NOW)
    assert one.waiting == 98
    one.end_all({"pending"}, "canceled", NOW, {})
    assert (one.waiting, list(one._pending), one.next()) == (0, [], [])
    one.unsend(job)
    assert (one.waiting, one.next()) == (2, [0, 1])


def test_requests_that_ended_before_they_were_sent_leave_the_queue() -> None:
    """For example requests of minions without a key."""
    one = batch(*((f"m{number}", 0) for number in range(10)), concurrency=2)
    for index in range(9):
        one.end(index, "error", NOW)
    assert one.next() == [9]
    assert list(one._pending) == [9]


def test_progress_sums_ended_requests_and_the_progress_of_running_ones() -> None:
    """One of two has ended, the other one is at 50 %: 75 %."""
    one = batch(("a", 0), ("b", 0))
    one.send(one.next(), NOW)
    one.end(0, "error", NOW)
    assert one.progress == 50
    assert one.report(1, 50.0, "half way")
    assert one.progress == 75
    assert not one.report(1, 50.0, "half way")
    assert not one.report(0, 10.0, None)
    one.end(1, "resolved", NOW)
    assert one.progress == 100


@pytest.mark.parametrize("steps", [3, 7, 13])
def test_progress_is_exact_for_all_reports(steps: int) -> None:
    """A sum of floats drifts: a batch whose requests have all ended must not stay at 99 %."""
    one = batch(*((f"m{number}", 0) for number in range(200)))
    one.send(one.next(), NOW)
    for step in range(steps):
        for index in range(200):
            one.report(index, 100.0 * (step + (index % 2 or step == 0)) / steps, None)
    for index in range(200):
        one.end(index, "resolved", NOW)
        assert one.progress >= (index + 1) // 2
    assert (one.progress, one.weight) == (100, 0)


def test_a_second_return_of_a_minion_changes_nothing() -> None:
    """A request ends once."""
    one = batch(("a", 0))
    one.send(one.next(), NOW)
    assert one.end(0, "resolved", NOW, result=1)
    assert not one.end(0, "error", NOW, result=2)
    assert one.at(0).result == 1
    assert (one.done, one.errors, one.running) == (1, 0, 0)


def test_a_late_return_of_a_silent_minion_counts_while_the_batch_runs() -> None:
    """After the end of the batch it does not."""
    one = batch(("a", 0), ("b", 0))
    one.send(one.next(), NOW)
    one.end(0, "error", NOW, result={"error": "missing"})
    assert one.end(0, "resolved", NOW + 1, result=True, late=True)
    assert (one.done, one.errors) == (1, 0)
    one.end(1, "error", NOW)
    one.finish_if_done(NOW)
    assert not one.end(1, "resolved", NOW, late=True)


def test_a_large_return_stays_in_its_job() -> None:
    """A batch is written often, so it must not hold what the job cache has."""
    one = batch(("a", 0))
    job = one.send(one.next(), NOW)
    one.set_jid(job, "20111219152846512345")
    one.end(0, "resolved", NOW, result="x" * RESULT_BYTES, size=RESULT_BYTES + 2)
    assert one.at(0).result["jid"] == "20111219152846512345"
    assert one.at(0).result["bytes"] == RESULT_BYTES + 2


def test_the_token_is_cleared_at_the_end() -> None:
    """It is needed for sending only."""
    one = batch(("a", 0), token="b" * 64)
    one.send(one.next(), NOW)
    one.end(0, "resolved", NOW)
    one.finish_if_done(NOW)
    assert one.token is None
    assert "token" not in one.as_dict()
