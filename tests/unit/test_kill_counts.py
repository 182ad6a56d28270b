"""The benchmark that kills the engine counts right: a missing event is in a gap only if the gap's range holds it."""

from __future__ import annotations

import pytest

pytest.importorskip("websockets")

from salt_live import Event, Gap, Position

from tests.benchmarks.followers import Follower, order_of, unaccounted

pytestmark = [pytest.mark.any_python, pytest.mark.with_salt]

OLD, NEW = "e1", "e2"
PLACES = {number: Position(OLD, 10 + number) for number in range(5)} | {8: Position(NEW, 1), 9: Position(NEW, 2)}
"""Where any client had the events; 5 to 7 were sent while no engine ran."""


def gap(after: Position, until: Position) -> Gap:
    return Gap("epoch", after, until, None)


def counted(*items: int | Gap) -> Follower:
    """Return a follower that got these events and gaps."""
    follower, gaps = Follower(), []
    for item in items:
        if isinstance(item, Gap):
            gaps.append(item)
            continue
        place = PLACES[item]
        follower.count(Event("bench/x", {"number": item}, place.seq, place.epoch), gaps, dict(PLACES))
        gaps = []
    return follower


@pytest.mark.parametrize(
    ("items", "lost"),
    [
        ([0, 1, 2, 3, 4, gap(PLACES[4], Position(NEW, 0)), 8, 9], 0),
        ([0, 1, 2, 3, 4, 8, 9], 3),
        ([0, 1, 2, gap(PLACES[2], Position(NEW, 0)), 8, 9], 0),
        ([0, 1, 2, gap(PLACES[4], Position(NEW, 0)), 8, 9], 2),
        ([0, 1, 2, 3, 4, gap(PLACES[4], Position(NEW, 0)), 9], 1),
        ([0, 1, 2, 3, 4, gap(PLACES[4], Position(NEW, 1)), 9], 0),
        ([0, 1, 3, 4, gap(PLACES[4], Position(NEW, 0)), 8, 9], 1),
        ([0, 1, gap(PLACES[1], PLACES[2]), 3, 4, gap(PLACES[4], Position(NEW, 0)), 8, 9], 0),
    ],
)
def test_missing_events_outside_of_gaps_are_unaccounted(items: list[int | Gap], lost: int) -> None:
    follower = counted(*items)
    order = order_of(PLACES, [item for item in items if isinstance(item, Gap)])
    assert unaccounted(follower, PLACES, order) == lost


def test_an_event_that_is_told_twice_is_counted() -> None:
    follower = counted(0, 1, 1, 0, 2)
    assert (follower.delivered, follower.twice, follower.last) == (3, 2, 2)
