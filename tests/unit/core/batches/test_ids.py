"""Ids of batches and requests."""

from __future__ import annotations

from websocket_api.core.batches.ids import MASTERS, Ids, index_of, request_id

NOW = 1_764_000_000.0
LATE = 3_700_000_000.0  # 2087


def test_ids_are_below_2_to_the_53_and_shorter_than_a_jid() -> None:
    """JavaScript holds them exactly, and the length tells whether /jobs/ID is a batch or a job."""
    for now in (NOW, LATE):
        batch = Ids(MASTERS - 1, 0, lambda now=now: now).allocate(100_000)
        assert request_id(batch, 99_999) < 2**53
        assert len(str(request_id(batch, 99_999))) < 20


def test_ids_of_batches_and_requests_never_overlap() -> None:
    """Even if ten batches are created in the same millisecond."""
    ids, seen = Ids(7, 0, lambda: NOW), set()
    for _ in range(10):
        batch = ids.allocate(50)
        numbers = {batch, *(request_id(batch, index) for index in range(50))}
        assert len(numbers) == 51
        assert seen.isdisjoint(numbers)
        seen |= numbers


def test_two_masters_never_allocate_the_same_id() -> None:
    """Although their clocks show the same time."""
    first, second = Ids(1, 0, lambda: NOW), Ids(2, 0, lambda: NOW)
    one, other = first.allocate(1000), second.allocate(1000)
    assert {request_id(one, index) for index in range(1000)}.isdisjoint(
        {request_id(other, index) for index in range(1000)} | {other}
    )


def test_after_a_restart_ids_continue_behind_those_already_allocated() -> None:
    """A large batch uses more milliseconds than have passed."""
    before = Ids(1, 0, lambda: NOW)
    batch = before.allocate(100_000)
    after = Ids(1, before.last, lambda: NOW + 1)
    assert after.allocate(1) > request_id(batch, 99_999)


def test_the_index_of_a_request_follows_from_the_two_ids() -> None:
    """By arithmetic only."""
    batch = Ids(9, 0, lambda: NOW).allocate(10)
    assert index_of(batch, request_id(batch, 4)) == 4
    assert index_of(batch, batch) is None
    assert index_of(batch, request_id(batch, 4) + 1) is None
