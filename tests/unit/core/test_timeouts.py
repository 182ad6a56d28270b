"""Many timeouts of the same length with one timer."""

from __future__ import annotations

import pytest
from websocket_api.core.timeouts import Timeouts

from tests.unit.core.support import Time

SECONDS = 10.0


class Door:
    """Timeouts, and the things whose time was up, each with when that was."""

    def __init__(self) -> None:
        self.time = Time()
        self.began = self.time()
        self.ended: list[tuple[str, float]] = []
        self.timers = 0
        self.timeouts: Timeouts[str] = Timeouts(SECONDS, self.end, self.later, self.time)

    def later(self, seconds: float, call: object) -> None:
        self.timers += 1
        self.time.later(seconds, call)  # type: ignore[arg-type]

    def end(self, thing: str) -> None:
        self.ended.append((thing, self.time() - self.began))


def test_each_timeout_has_its_full_length() -> None:
    """Also where several run."""
    door = Door()
    door.timeouts.start("a")
    door.time.pass_(4)
    door.timeouts.start("b")
    assert ("a" in door.timeouts, "b" in door.timeouts, len(door.timeouts)) == (True, True, 2)
    door.time.pass_(20)
    assert door.ended == [("a", SECONDS), ("b", 4 + SECONDS)]
    assert ("a" in door.timeouts, len(door.timeouts)) == (False, 0)


def test_a_stopped_timeout_does_not_end() -> None:
    """To stop it again does nothing."""
    door = Door()
    for thing in "abc":
        door.timeouts.start(thing)
        door.time.pass_(1)
    for _ in range(2):
        door.timeouts.stop("a")
    door.time.pass_(20)
    assert door.ended == [("b", 1 + SECONDS), ("c", 2 + SECONDS)]


def test_a_timeout_that_is_started_again_ends_later() -> None:
    """And keeps none of the others waiting."""
    door = Door()
    door.timeouts.start("a")
    door.timeouts.start("b")
    door.time.pass_(6)
    door.timeouts.start("a")
    door.time.pass_(20)
    assert door.ended == [("b", SECONDS), ("a", 6 + SECONDS)]


def test_a_thing_may_start_its_timeout_when_its_time_is_up() -> None:
    """Then it ends again and again."""
    door = Door()
    ended = door.end

    def end(thing: str) -> None:
        ended(thing)
        door.timeouts.start(thing)

    door.timeouts._on_timeout = end
    door.timeouts.start("a")
    door.time.pass_(35)
    assert door.ended == [("a", 10.0), ("a", 20.0), ("a", 30.0)]


def test_a_fault_of_one_thing_does_not_keep_others() -> None:
    """The fault itself is the loop's to log."""
    door = Door()
    ended = door.end

    def end(thing: str) -> None:
        ended(thing)
        if thing == "a":
            raise RuntimeError("a fault")

    door.timeouts._on_timeout = end
    door.timeouts.start("a")
    door.timeouts.start("b")
    with pytest.raises(RuntimeError):
        door.time.pass_(SECONDS)
    door.time.pass_(0)
    assert door.ended == [("a", SECONDS), ("b", SECONDS)]


def test_a_thousand_things_need_one_timer() -> None:
    """Connections that come and leave start and stop theirs all the time."""
    door = Door()
    for number in range(1000):
        door.timeouts.start(str(number))
        door.timeouts.stop(str(number))
    assert door.timers == 1
    door.time.pass_(SECONDS)
    assert door.ended == []
    assert door.timers == 1
