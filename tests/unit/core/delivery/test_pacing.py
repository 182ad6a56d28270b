"""Changes are sent at a limited rate, and the last one always."""

from __future__ import annotations

from websocket_api.core.delivery.pacing import Pacer

from tests.unit.core.support import Time


def paced(time: Time) -> tuple[Pacer, list[float]]:
    changes: list[float] = []
    start = time.now
    return Pacer(0.1, lambda: changes.append(round(time.now - start, 3)), time.later, time), changes


def test_the_first_change_is_sent_at_once() -> None:
    """Nothing was sent recently."""
    time = Time()
    pacer, changes = paced(time)
    pacer.request_flush()
    time.pass_(0.0)
    assert changes == [0.0]


def test_changes_within_the_interval_are_sent_together() -> None:
    """Once, at its end."""
    time = Time()
    pacer, changes = paced(time)
    for _ in range(50):
        pacer.request_flush()
        time.pass_(0.01)
    time.pass_(1.0)
    assert changes == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_nothing_is_sent_without_a_change() -> None:
    """One change is sent once."""
    time = Time()
    pacer, changes = paced(time)
    pacer.request_flush()
    time.pass_(10.0)
    assert changes == [0.0]


def test_after_a_pause_a_change_is_sent_at_once_again() -> None:
    """The interval counts from the last flush."""
    time = Time()
    pacer, changes = paced(time)
    pacer.request_flush()
    time.pass_(5.0)
    pacer.request_flush()
    time.pass_(0.0)
    assert changes == [0.0, 5.0]
