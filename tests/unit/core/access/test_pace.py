"""So many acts a second, some more at once, and what is beyond waits its turn."""

from __future__ import annotations

from websocket_api.core.access.throttle import Pace


def test_a_burst_need_not_wait() -> None:
    """As many as may come at once, then each waits for one step more than the one before it."""
    pace = Pace(10, 5, lambda: 100.0)
    assert [round(pace.wait(), 3) for _ in range(8)] == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]


def test_a_pause_gives_back_no_more_than_a_burst() -> None:
    """However long it was."""
    now = 0.0
    pace = Pace(10, 5, lambda: now)
    for _ in range(9):
        pace.wait()
    now = 0.4
    assert round(pace.wait(), 3) == 0.1
    now = 1000.0
    assert [round(pace.wait(), 3) for _ in range(6)] == [0, 0, 0, 0, 0, 0.1]


def test_acts_at_the_pace_never_wait() -> None:
    """Ten a second, for a minute."""
    now = 0.0
    pace = Pace(10, 1, lambda: now)
    waits = []
    for _ in range(600):
        waits.append(pace.wait())
        now += 0.1
    assert max(waits) < 1e-6
