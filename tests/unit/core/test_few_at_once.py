"""Many things at once leave turns of the loop to other work."""

from __future__ import annotations

import pytest
from websocket_api.core.few_at_once import FewAtOnce

from tests.unit.core.support import Time


def test_a_few_are_handled_in_each_turn_in_their_order() -> None:
    """Also those that come meanwhile."""
    time, handled, turns = Time(), list[int](), list[int]()

    def later(seconds: float, call: object) -> None:
        turns.append(len(handled))
        time.later(seconds, call)  # type: ignore[arg-type]

    few = FewAtOnce(3, handled.append, later)
    for number in range(7):
        few.put(number)
    assert handled == []
    time.pass_(0)
    assert (handled, turns) == ([*range(7)], [0, 3, 6])
    few.put(7)
    time.pass_(0)
    assert (handled, turns) == ([*range(8)], [0, 3, 6, 7])


def test_a_fault_of_one_does_not_keep_the_others() -> None:
    """The loop logs the fault."""
    time, handled = Time(), list[int]()

    def handle(number: int) -> None:
        if number == 1:
            raise RuntimeError("a fault")
        handled.append(number)

    few = FewAtOnce(3, handle, time.later)
    for number in range(5):
        few.put(number)
    with pytest.raises(RuntimeError):
        time.pass_(0)
    time.pass_(0)
    assert handled == [0, 2, 3, 4]


def test_flush_handles_all_now() -> None:
    """Nothing is handled twice."""
    time, handled = Time(), list[int]()
    few = FewAtOnce(3, handled.append, time.later)
    for number in range(5):
        few.put(number)
    few.flush()
    assert handled == [*range(5)]
    time.pass_(0)
    assert handled == [*range(5)]
