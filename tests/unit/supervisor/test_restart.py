"""How soon a serving process that has ended is started again."""

from __future__ import annotations

from websocket_api.supervisor.restart import MAX_WAIT_SECONDS, QUICK_SECONDS, RestartPolicy

LONG, QUICK = QUICK_SECONDS, QUICK_SECONDS - 0.1


def waits(*lives: float) -> list[float]:
    """Return the wait after each of these lives in seconds."""
    policy = RestartPolicy()
    return [policy.ended(life) for life in lives]


def test_a_process_that_has_lived_is_started_at_once() -> None:
    """However often."""
    assert waits(*[LONG] * 5) == [0.0] * 5


def test_the_first_quick_end_costs_no_wait() -> None:
    """An operator may kill a process right after its start."""
    assert waits(QUICK, LONG, QUICK) == [0.0, 0.0, 0.0]


def test_further_quick_ends_wait_longer_up_to_a_limit() -> None:
    """Otherwise a broken release would take a whole core; it must still start soon after it is fixed."""
    assert waits(*[QUICK] * 7) == [0.0, 1.0, 2.0, 4.0, 8.0, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS]
    assert waits(*[0.0] * 5_000)[-1] == MAX_WAIT_SECONDS


def test_a_long_life_ends_the_waiting() -> None:
    """What ended it is another cause."""
    assert waits(QUICK, QUICK, QUICK, LONG, QUICK, QUICK) == [0.0, 1.0, 2.0, 0.0, 0.0, 1.0]
