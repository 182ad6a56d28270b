"""The history that clients resume from."""

from __future__ import annotations

from websocket_api.core.events.event import FRAME_BYTES, make
from websocket_api.core.events.history import Gap, History


def fill(history: History, count: int, size: int = 10, now: float = 0.0) -> None:
    for _ in range(count):
        history.append(make(history.next_seq(), "t", {"x": "y" * size}, now)[0])


def seqs(history: History, after: int) -> list[int]:
    return [entry.seq for entry in history.after(after)]


def test_events_after_a_position_are_returned_in_order() -> None:
    """Oldest first, without the event at the position."""
    history = History("e", events=100, size=1 << 20, seconds=60)
    fill(history, 5)
    assert seqs(history, 2) == [3, 4, 5]
    assert seqs(history, 5) == []
    assert seqs(history, 0) == [1, 2, 3, 4, 5]


def test_the_number_of_events_is_limited() -> None:
    """The oldest are dropped, and the missing range is known."""
    history = History("e", events=3, size=1 << 20, seconds=60)
    fill(history, 5)
    assert (history.oldest, seqs(history, 0)) == (3, [3, 4, 5])
    assert history.has_all_after(2)
    assert not history.has_all_after(1)


def test_the_bytes_of_events_are_limited() -> None:
    """The sum of sizes stays within the limit."""
    history = History("e", events=1000, size=10 * (FRAME_BYTES + 1000), seconds=60)
    fill(history, 50, size=1000)
    assert history.bytes <= 10 * (FRAME_BYTES + 1000)
    assert 8 <= len(seqs(history, 0)) <= 10


def test_the_age_of_events_is_limited() -> None:
    """Old events are dropped, also if no new ones arrive."""
    history = History("e", events=1000, size=1 << 20, seconds=60)
    fill(history, 2, now=0.0)
    fill(history, 2, now=50.0)
    history.drop_old(61.0)
    assert seqs(history, 0) == [3, 4]
    history.drop_old(200.0)
    assert (seqs(history, 0), history.bytes, history.oldest) == ([], 0, 5)


def test_a_gap_has_a_number_of_its_own() -> None:
    """A lost bus leaves an entry in its place."""
    history = History("e", events=1000, size=1 << 20, seconds=60)
    fill(history, 1)
    history.append_gap(0.0)
    fill(history, 1)
    assert [isinstance(entry, Gap) for entry in history.after(0)] == [False, True, False]


def test_a_gap_is_dropped_like_an_event() -> None:
    """By count, bytes and age: it must not keep later entries from being dropped."""
    by_count = History("e", events=3, size=1 << 20, seconds=60)
    by_bytes = History("e", events=1000, size=10 * (FRAME_BYTES + 1000), seconds=60)
    by_age = History("e", events=1000, size=1 << 20, seconds=60)
    for history in (by_count, by_bytes, by_age):
        history.append_gap(0.0)
        fill(history, 50, size=1000, now=10.0)
    by_age.drop_old(71.0)
    assert seqs(by_count, 0) == [49, 50, 51]
    assert by_bytes.bytes <= 10 * (FRAME_BYTES + 1000)
    assert (seqs(by_age, 0), by_age.bytes) == ([], 0)


def test_a_replay_across_a_gap_is_not_complete() -> None:
    """All entries may be there, and events are still missing."""
    history = History("e", events=3, size=1 << 20, seconds=60)
    fill(history, 1)
    history.append_gap(0.0)
    fill(history, 1)
    assert (history.has_all_after(1), history.is_whole_after(1), history.is_whole_after(2)) == (True, False, True)
    fill(history, 9)
    assert (history.has_all_after(2), history.is_whole_after(2)) == (False, False)
