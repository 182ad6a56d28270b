"""The stored form of batches."""

from __future__ import annotations

from websocket_api.core.batches import records
from websocket_api.core.batches.batch import Batch
from websocket_api.core.batches.request import Call, Request

NOW = 1_324_308_526.0
CALLS = [Call("test.sleep", [1], {"x": {"y": 2}}, "POST", "/test/sleep")]


def made(count: int) -> Batch:
    requests = [Request(f"m{number}", 0) for number in range(count)]
    return Batch(4096, "ann", "pam", CALLS, requests, created=NOW, concurrency=3, token="a" * 64)


def stored(batch: Batch) -> Batch:
    """Return the batch that is read from what was written."""
    head = records.head(records.record(batch))
    numbers = sorted(records.chunks_of(range(batch.total)))
    records.fill(head, records.calls(batch), [records.chunk(batch, number) for number in numbers])
    return head


def test_a_batch_read_from_the_store_equals_the_one_written() -> None:
    """In every state that a request can have."""
    batch = made(1200)
    for master in ("m1", "m2", "m1"):
        batch.set_master(master)
    job = batch.send(batch.next(), NOW)
    batch.set_jid(job, "20111219152846512345")
    batch.report(0, 40.0, "busy")
    batch.end(1, "error", NOW, result={"a": [1]}, retcode=3)
    again = stored(batch)
    assert again.as_dict(ids=True) == batch.as_dict(ids=True)
    assert (again.master, again.masters) == ("m1", ("m2", "m1"))
    assert [again.request_as_dict(index) for index in range(5)] == [batch.request_as_dict(index) for index in range(5)]
    assert again.next() == batch.next() == [3]
    assert again.jobs[1].indexes == {"m0": 0, "m2": 2}
    assert again.jobs[1].jid == "20111219152846512345"


def test_arguments_may_be_nested_as_deeply_as_a_message() -> None:
    """Unusual arguments of a client must not fail."""
    arg: list[object] = []
    for _ in range(900):
        arg = [arg]
    batch = Batch(4096, "ann", "pam", [Call("test.echo", arg, {})], [Request("a", 0)], created=NOW)
    assert records.calls(batch)[0]["arg"] is arg


def test_missing_chunks_and_missing_calls_are_detected() -> None:
    """An incomplete batch is not loaded."""
    batch = made(1200)
    calls, chunks = records.calls(batch), [records.chunk(batch, number) for number in range(3)]
    assert records.complete(batch, calls, chunks)
    assert not records.complete(batch, calls, [chunks[0], [], chunks[2]])
    assert not records.complete(batch, [], chunks)


def test_requests_are_written_in_chunks() -> None:
    """A change in one chunk does not write the others."""
    batch = made(1200)
    assert records.chunks_of([3, 499, 1100]) == {0, 2}
    assert [len(records.chunk(batch, number)) for number in range(3)] == [500, 500, 200]


def test_a_head_has_all_fields_except_the_requests() -> None:
    """So a list of batches reads one record for each."""
    batch = made(700)
    batch.send(batch.next(), NOW)
    batch.end(0, "resolved", NOW)
    head = records.head(records.record(batch))
    assert head.requests is None
    assert head.as_dict(ids=True) == batch.as_dict(ids=True)


def test_a_sent_request_whose_job_is_not_recorded_is_still_pending() -> None:
    """The engine died after it wrote the chunk. It publishes only after it wrote the record."""
    batch = made(3)
    before = records.record(batch)
    batch.send(batch.next(), NOW)
    again = records.head(before)
    records.fill(again, records.calls(batch), [records.chunk(batch, 0)])
    assert [again.at(index).status for index in range(3)] == ["pending"] * 3


def test_a_sent_request_whose_job_left_the_record_is_never_sent_again() -> None:
    """It may have run."""
    batch = made(3)
    batch.send(batch.next(), NOW)
    after = {**records.record(batch), "jobs": []}
    again = records.head(after)
    records.fill(again, records.calls(batch), [records.chunk(batch, 0)])
    assert [again.at(index).status for index in range(3)] == ["error"] * 3
    assert again.at(0).result["error"] == "outcome_unknown"
    assert again.next() == []
