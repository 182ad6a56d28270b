"""The history that clients resume from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from websocket_api.core.events.event import EVENT_BYTES, make
from websocket_api.core.events.history import Gap, History, Restored
from websocket_api.core.events.origins import Origin


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
    history = History("e", events=1000, size=10 * (EVENT_BYTES + 1000), seconds=60)
    fill(history, 50, size=1000)
    assert history.bytes <= 10 * (EVENT_BYTES + 1000)
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
    by_bytes = History("e", events=1000, size=10 * (EVENT_BYTES + 1000), seconds=60)
    by_age = History("e", events=1000, size=1 << 20, seconds=60)
    for history in (by_count, by_bytes, by_age):
        history.append_gap(0.0)
        fill(history, 50, size=1000, now=10.0)
    by_age.drop_old(71.0)
    assert seqs(by_count, 0) == [49, 50, 51]
    assert by_bytes.bytes <= 10 * (EVENT_BYTES + 1000)
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


def test_a_gap_of_many_numbers_is_one_entry() -> None:
    """A position before, inside and after it is found; inside it, the rest of it follows."""
    history = History("e", events=1000, size=1 << 20, seconds=60)
    fill(history, 2)
    gap = history.append_restart(500, since=5.0, now=9.0)
    fill(history, 2, now=9.0)
    assert (gap.first, gap.seq, gap.since, gap.time, gap.reason) == (3, 500, 5.0, 9.0, "restart")
    assert [seqs(history, position) for position in (1, 2, 3, 499, 500, 501)] == [
        [2, 500, 501, 502],
        *[[500, 501, 502]] * 3,
        [501, 502],
        [502],
    ]
    assert (history.count_after(2), history.count_after(499), len(history)) == (3, 3, 5)
    assert [history.is_whole_after(position) for position in (1, 2, 499, 500)] == [False, False, False, True]


def test_the_oldest_number_is_the_first_of_a_gap() -> None:
    """Nothing of the gap was dropped as long as the gap is there."""
    history = History("e", events=3, size=1 << 20, seconds=60)
    fill(history, 2)
    history.append_restart(500, since=0.0, now=0.0)
    fill(history, 2)
    assert (history.oldest, history.has_all_after(2), history.has_all_after(1)) == (3, True, False)
    fill(history, 1)
    assert (history.oldest, history.has_all_after(400), history.has_all_after(500)) == (501, False, True)


def entries_of(history: History) -> Restored:
    return Restored(history.epoch, history.seq, list(history.after(0)))


def test_a_restored_history_goes_on() -> None:
    """Epoch, numbers, bytes and gaps are those of before; the next event has the next number."""
    before = History("e", events=1000, size=1 << 20, seconds=60)
    fill(before, 2)
    before.append_gap(0.0)
    fill(before, 1)
    history = History("e", events=1000, size=1 << 20, seconds=60)
    history.restore(entries_of(before), now=1.0)
    assert (history.seq, history.bytes, history.last_gap, history.oldest) == (4, before.bytes, 3, 1)
    fill(history, 1, now=1.0)
    assert seqs(history, 0) == [1, 2, 3, 4, 5]


def test_limits_of_a_restored_history_count_by_the_time_of_events() -> None:
    """An absence makes events old, and smaller limits apply to what was kept with larger ones."""
    before = History("e", events=1000, size=1 << 20, seconds=60)
    fill(before, 2, now=0.0)
    fill(before, 3, now=50.0)
    by_age = History("e", events=1000, size=1 << 20, seconds=60)
    by_age.restore(entries_of(before), now=100.0)
    by_count = History("e", events=1, size=1 << 20, seconds=60)
    by_count.restore(entries_of(before), now=50.0)
    gone = History("e", events=1000, size=1 << 20, seconds=60)
    gone.restore(entries_of(before), now=1e6)
    assert [(seqs(one, 0), one.oldest) for one in (by_age, by_count, gone)] == [([3, 4, 5], 3), ([5], 5), ([], 6)]
    assert gone.next_seq() == 6


@pytest.mark.parametrize(
    "wrong",
    [
        lambda good: Restored("other", good.seq, good.entries),
        lambda good: Restored(good.epoch, good.seq + 1, good.entries),
        lambda good: Restored(good.epoch, good.seq, good.entries[:2] + good.entries[3:]),
        lambda good: Restored(good.epoch, good.seq, good.entries[::-1]),
    ],
)
def test_a_history_with_missing_numbers_is_not_restored(wrong: Callable[[Restored], Restored]) -> None:
    """Nothing would report them as a gap."""
    before = History("e", events=1000, size=1 << 20, seconds=60)
    fill(before, 5)
    history = History("e", events=1000, size=1 << 20, seconds=60)
    with pytest.raises(ValueError, match=r"missing|continue"):
        history.restore(wrong(entries_of(before)), now=0.0)


def test_an_absence_ends_when_the_bus_is_read() -> None:
    """The engine may start before the bus. An event that was read earlier than that is known ends it too."""
    silent = History("e", events=1000, size=1 << 20, seconds=60)
    gap = silent.append_restart(10, since=1.0, now=2.0)
    silent.end_absence(5.0)
    silent.end_absence(9.0)
    assert gap.time == 5.0
    busy = History("e", events=1000, size=1 << 20, seconds=60)
    gap = busy.append_restart(10, since=1.0, now=2.0)
    fill(busy, 1, now=3.0)
    busy.end_absence(5.0)
    assert gap.time == 3.0


def test_gaps_that_do_not_count_leave_a_replay_whole() -> None:
    """Only those after the position are looked at, and none that was dropped."""
    history = History("e", events=4, size=1 << 20, seconds=60)
    fill(history, 1)
    first = history.append_gap(0.0)
    second = history.append_gap_of(Origin("m2", "x", 7), "restart", 0.0)
    fill(history, 1)

    def whole(position: int, *counted: Gap) -> bool:
        return history.is_whole_after(position, lambda gap: gap in counted)

    assert [whole(0), whole(0, first), whole(0, second)] == [True, False, False]
    assert [whole(2), whole(2, first), whole(2, second), whole(3, second)] == [True, True, False, True]
    fill(history, 3)
    assert (history.oldest, whole(3, first, second), whole(2)) == (4, True, False)
    history.append_gap(0.0)
    assert list(history._gaps) == [entry for entry in history.after(0) if isinstance(entry, Gap)]
