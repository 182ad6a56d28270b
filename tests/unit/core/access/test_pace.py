"""A number of actions a second, a burst after a pause, and a delay for the rest."""

from __future__ import annotations

from websocket_api.core.access.throttle import Pace


def test_a_burst_does_not_wait() -> None:
    """After the burst, each action waits one step longer than the one before it."""
    pace = Pace(10, 5, lambda: 100.0)
    assert [round(pace.wait(), 3) for _ in range(8)] == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]


def test_a_pause_restores_at_most_one_burst() -> None:
    """However long it was."""
    now = 0.0
    pace = Pace(10, 5, lambda: now)
    for _ in range(9):
        pace.wait()
    now = 0.4
    assert round(pace.wait(), 3) == 0.1
    now = 1000.0
    assert [round(pace.wait(), 3) for _ in range(6)] == [0, 0, 0, 0, 0, 0.1]


def test_actions_at_the_allowed_rate_never_wait() -> None:
    """Ten a second, for a minute."""
    now = 0.0
    pace = Pace(10, 1, lambda: now)
    waits = []
    for _ in range(600):
        waits.append(pace.wait())
        now += 0.1
    assert max(waits) < 1e-6
