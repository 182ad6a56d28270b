"""Many timeouts of the same length with one timer."""

from __future__ import annotations

import pytest
from websocket_api.core.timeouts import Timeouts

from tests.unit.core.support import Time

SECONDS = 10.0


class Recorder:
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
    recorder = Recorder()
    recorder.timeouts.start("a")
    recorder.time.pass_(4)
    recorder.timeouts.start("b")
    assert ("a" in recorder.timeouts, "b" in recorder.timeouts, len(recorder.timeouts)) == (True, True, 2)
    recorder.time.pass_(20)
    assert recorder.ended == [("a", SECONDS), ("b", 4 + SECONDS)]
    assert ("a" in recorder.timeouts, len(recorder.timeouts)) == (False, 0)


def test_a_stopped_timeout_does_not_end() -> None:
    """To stop it again does nothing."""
    recorder = Recorder()
    for thing in "abc":
        recorder.timeouts.start(thing)
        recorder.time.pass_(1)
    for _ in range(2):
        recorder.timeouts.stop("a")
    recorder.time.pass_(20)
    assert recorder.ended == [("b", 1 + SECONDS), ("c", 2 + SECONDS)]


def test_a_timeout_that_is_started_again_ends_later() -> None:
    """And keeps none of the others waiting."""
    recorder = Recorder()
    recorder.timeouts.start("a")
    recorder.timeouts.start("b")
    recorder.time.pass_(6)
    recorder.timeouts.start("a")
    recorder.time.pass_(20)
    assert recorder.ended == [("b", SECONDS), ("a", 6 + SECONDS)]


def test_a_thing_may_start_its_timeout_when_its_time_is_up() -> None:
    """Then it ends again and again."""
    recorder = Recorder()
    ended = recorder.end

    def end(thing: str) -> None:
        ended(thing)
        recorder.timeouts.start(thing)

    recorder.timeouts._on_timeout = end
    recorder.timeouts.start("a")
    recorder.time.pass_(35)
    assert recorder.ended == [("a", 10.0), ("a", 20.0), ("a", 30.0)]


def test_a_fault_of_one_thing_does_not_keep_others() -> None:
    """The loop logs the fault."""
    recorder = Recorder()
    ended = recorder.end

    def end(thing: str) -> None:
        ended(thing)
        if thing == "a":
            raise RuntimeError("a fault")

    recorder.timeouts._on_timeout = end
    recorder.timeouts.start("a")
    recorder.timeouts.start("b")
    with pytest.raises(RuntimeError):
        recorder.time.pass_(SECONDS)
    recorder.time.pass_(0)
    assert recorder.ended == [("a", SECONDS), ("b", SECONDS)]


def test_a_thousand_things_need_one_timer() -> None:
    """Connections that come and leave start and stop theirs all the time."""
    recorder = Recorder()
    for number in range(1000):
        recorder.timeouts.start(str(number))
        recorder.timeouts.stop(str(number))
    assert recorder.timers == 1
    recorder.time.pass_(SECONDS)
    assert recorder.ended == []
    assert recorder.timers == 1
