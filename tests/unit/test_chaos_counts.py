"""The chaos benchmark finds each event that is lost, delivered twice, late, or not named by its gap."""

from __future__ import annotations

import dataclasses

import pytest

from tests.benchmarks.accounts import Account, Claim, Place, Places, Sum

pytestmark = pytest.mark.any_python

A, B = "m1", "m2"
OLD, NEW, IDLE = "e1", "e2", "e3"
PLACES = {number: Place(OLD, 10 + number) for number in range(5)} | {8: Place(NEW, 1), 9: Place(NEW, 2)}
"""Where the first sender's events are; 5 to 7 were sent while no engine ran."""
COUNT = 10
RESTART = Claim(A, PLACES[4], Place(NEW, 0))

Item = int | tuple[str, int] | Claim
"""A number of the first sender, sender and number of the other one, or a gap."""


def counted(*items: Item, sent: int = COUNT, also: int = 0) -> Sum:
    """Return the counts of a client that got these, beside one that got all that any engine read.

    :param sent: events of the first sender
    :param also: events of the second one
    """
    places = {A: Places(), B: Places()}
    whole, client = Account(places), Account(places)
    for number, place in PLACES.items():
        whole.event(A, number, place)
    for item in items:
        if isinstance(item, Claim):
            client.gap([item])
        elif isinstance(item, tuple):
            client.event(*item)
        else:
            client.event(A, item, PLACES.get(item))
    return client.close({A: sent, B: also})


@pytest.mark.parametrize(
    ("items", "found"),
    [
        pytest.param([0, 1, 2, 3, 4, RESTART, 8, 9], {"named": 3}, id="the gap of an absence"),
        pytest.param([0, 1, 2, 3, 4, 8, 9], {"lost": 3}, id="no gap"),
        pytest.param([0, 1, 2, RESTART, 8, 9], {"named": 3, "lost": 2}, id="lost before the gap starts"),
        pytest.param(
            [0, 1, 2, Claim(A, PLACES[2], Place(NEW, 0)), 8, 9], {"named": 5, "hidden": 2}, id="a gap over known events"
        ),
        pytest.param([0, 1, 2, 3, 4, RESTART, 9], {"named": 3, "lost": 1}, id="lost after the gap ends"),
        pytest.param(
            [0, 1, 2, 3, 4, Claim(A, PLACES[4], Place(NEW, 1)), 9], {"named": 4, "hidden": 1}, id="a gap into a run"
        ),
        pytest.param([0, 1, 3, 4, RESTART, 8, 9], {"named": 3, "lost": 1}, id="lost in between"),
        pytest.param([RESTART, 0, 1, 2, 3, 4, 8, 9], {"lost": 3}, id="a gap at another place of the stream"),
        pytest.param([0, 1, 2, 3, 4, Claim(B), 8, 9], {"lost": 3}, id="a gap of another master"),
        pytest.param([0, 1, 2, 3, 4, Claim(A), 8, 9], {"named": 3}, id="a gap without positions"),
        pytest.param([0, 1, 2, 3, Claim(A, PLACES[3]), 8, 9], {"named": 4, "hidden": 1}, id="a gap without an end"),
        pytest.param(
            [0, 1, 2, 3, Claim(A, PLACES[3], Place(IDLE, 0)), 9], {"named": 4, "hidden": 1, "lost": 1},
            id="a gap that ends in a run without events",
        ),
        pytest.param([0, 1, 2, 3, 4, RESTART, 8], {"named": 3, "lost": 1}, id="the end is lost"),
        pytest.param([0, 1, 2, 3, 4, RESTART, 8, Claim(A, PLACES[8])], {"named": 4, "hidden": 1}, id="ends in a gap"),
        pytest.param([0, 1, 1, 2, 3, 4, RESTART, 8, 9], {"named": 3, "twice": 1}, id="twice"),
        pytest.param([0, 1, 2, 3, 4, RESTART, 8, 9, 0, 1], {"named": 3, "twice": 2}, id="a replay of what was there"),
        pytest.param([0, 2, 1, 3, 4, RESTART, 8, 9], {"named": 3, "late": 1}, id="out of order"),
        pytest.param([0, 2, 1, 1, 3, 4, RESTART, 8, 9], {"named": 3, "late": 1, "twice": 1}, id="late and twice"),
    ],
)  # fmt: skip
def test_every_event_is_delivered_once_or_named_by_a_gap(items: list[Item], found: dict[str, int]) -> None:
    counts = counted(*items)
    shown = {name: count for name, count in dataclasses.asdict(counts).items() if count}
    shown.pop("gaps", None)
    assert shown.pop("delivered") + counts.named + counts.lost == COUNT
    assert shown == found


def test_senders_are_counted_apart() -> None:
    """The same numbers of another sender are other events, and a gap of one names none of the other."""
    counts = counted(0, 1, 2, 3, 4, (B, 0), RESTART, (B, 2), 8, 9, also=3)
    assert (counts.delivered, counts.named, counts.lost, counts.twice) == (9, 3, 1, 0)


def test_two_events_at_one_position_are_found() -> None:
    """Two clients that have an event at different positions cannot both resume."""
    places = {A: Places()}
    one, other = Account(places), Account(places)
    one.event(A, 0, Place(OLD, 1))
    other.event(A, 0, Place(OLD, 2))
    assert (one.sum.strayed, other.sum.strayed) == (0, 1)
