"""What is read of the bus: nothing waits for others after a pause, and everything is delivered in slices."""

from __future__ import annotations

import random
from typing import Any

import pytest
from websocket_api.salt_master.bus_stream import BURST_GAP, BURST_READS, SLICE_SECONDS, InvalidStreamError, Stream

from tests.support.buses import framed

LONGEST = 0.008


class World:
    """A stream with a clock that moves only here.

    :param cost: seconds that the delivery of one frame takes
    """

    def __init__(self, cost: float = 0.0, rest: bytes = b"") -> None:
        self.now = 100.0
        self.cost = cost
        self.delivered: list[Any] = []
        self.asked: list[int] = []
        self.stream = Stream(rest, self._deliver, self._max_delay, clock=lambda: self.now)

    def _deliver(self, frame: Any) -> None:
        self.delivered.append(frame[b"body"])
        self.now += self.cost

    def _max_delay(self, events: int) -> float:
        self.asked.append(events)
        return LONGEST


def frames(*numbers: int) -> bytes:
    """Return events in their frames."""
    return b"".join(framed("n", {"n": number}) for number in numbers)


def bodies(*numbers: int) -> list[bytes]:
    """Return what is delivered of these events."""
    world = World()
    world.stream.feed(frames(*numbers))
    return list(world.delivered)


@pytest.mark.parametrize(
    ("gaps", "events", "waits"),
    [
        ([LONGEST * BURST_GAP * 0.99] * BURST_READS, 1, True),
        ([LONGEST * BURST_GAP * 1.01] * BURST_READS, 1, False),
        ([0.0005] * BURST_READS, 1, True),
        ([0.0005] * (BURST_READS - 1), 1, False),
        ([60.0, *[0.0005] * (BURST_READS - 1)], 1, False),
        ([60.0, *[0.0005] * BURST_READS], 1, True),
        ([LONGEST] * BURST_READS, 2, False),
        ([LONGEST] * BURST_READS, 3, True),
        ([60.0] * BURST_READS, 40, False),
    ],
)
def test_only_a_read_after_several_in_quick_succession_waits(gaps: list[float], events: int, waits: bool) -> None:
    """What was read is delivered all the same: only the next read waits.

    :param gaps: seconds between the reads
    :param events: in each of them but the first
    """
    world = World()
    world.stream.feed(frames(0))
    pauses = [world.stream.pause()]
    for gap in gaps:
        world.now += gap
        world.stream.begin_slice()
        assert world.stream.feed(frames(*range(events)))
        pauses.append(world.stream.pause())
    assert len(world.delivered) == 1 + len(gaps) * events
    assert pauses == pytest.approx([0.0] * len(gaps) + [LONGEST if waits else 0.0])
    assert world.asked == [1, *[events] * len(gaps)]


@pytest.mark.parametrize("late", [0.001, 0.0049, 0.007])
def test_events_that_a_busy_machine_sends_together_do_not_wait(late: float) -> None:
    """At 200 a second one is late, and the next ones follow it closely.

    :param late: seconds
    """
    world, sent = World(), [100 + 0.005 * number for number in range(30)]
    for number, due in enumerate(sent):
        world.now = max(world.now + 0.0001, due, sent[10] + late if number >= 10 else 0.0)
        world.stream.begin_slice()
        world.stream.feed(frames(number))
        assert world.stream.pause() == 0


@pytest.mark.parametrize("step", [1, 30, 5_000])
def test_a_large_event_in_many_reads_is_one_event(step: int) -> None:
    """Its reads follow each other quickly, but they are no burst."""
    world, event = World(), framed("n", {"n": 0, "fill": "f" * 100})
    for start in range(0, len(event), step):
        world.now += 0.0001
        world.stream.feed(event[start : start + step])
        assert world.stream.pause() == 0
    assert len(world.delivered) == 1


def test_the_time_of_the_delivery_is_part_of_the_pause() -> None:
    """A read that takes longer than its events may wait is followed by the next one at once."""
    for cost, left in ((0.001, LONGEST - 0.001), (LONGEST * 2, 0.0)):
        world = World(cost)
        for number in range(BURST_READS + 1):
            assert world.stream.pause() == 0
            world.stream.feed(frames(number))
        assert world.stream.pause() == pytest.approx(left)


def test_a_burst_is_delivered_in_slices() -> None:
    """Others run between two of them, and the number of all its events counts for the pause."""
    world, numbers = World(SLICE_SECONDS / 4), range(10)
    assert not world.stream.feed(frames(*numbers))
    assert (len(world.delivered), world.stream.is_over_time) == (4, True)
    world.stream.begin_slice()
    assert not world.stream.is_over_time
    assert not world.stream.deliver_rest()
    world.stream.begin_slice()
    assert world.stream.deliver_rest()
    assert world.delivered == bodies(*numbers)
    world.stream.pause()
    assert world.asked == [10]


@pytest.mark.parametrize("seed", range(20))
def test_the_rest_is_what_no_frame_was_made_of(seed: int) -> None:
    """Wherever the bytes are cut, another stream continues with it, and no event is lost or doubled."""
    rng, numbers = random.Random(seed), range(40)
    whole, world, found = frames(*numbers), World(), []
    start = 0
    while start < len(whole):
        end = start + rng.randint(1, 200)
        while not world.stream.feed(whole[start:end]):
            pytest.fail("no slice takes that long")
        start = end
        if rng.random() < 0.3:
            found += world.delivered
            world = World(rest=world.stream.rest)
    assert found + world.delivered == bodies(*numbers)
    assert world.stream.rest == b""


@pytest.mark.parametrize("wrong", [b"\xc1", frames(1)[:-5] + b"\xc1" * 50])
def test_bytes_that_are_no_frames_are_reported_after_the_events_before_them(wrong: bytes) -> None:
    """The reader then connects again."""
    world = World()
    with pytest.raises(InvalidStreamError):
        world.stream.feed(frames(0) + wrong)
    assert world.delivered[:1] == bodies(0)
