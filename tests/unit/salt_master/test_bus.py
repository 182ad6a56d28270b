"""The reader of the bus on a real socket: its connection is passed on to another reader."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.buses import framed
from tests.support.waiting import until

pytestmark = pytest.mark.with_salt

EVENTS = 3_000


class Publisher:
    """Accepts readers and sends them bytes."""

    def __init__(self) -> None:
        self.readers: list[asyncio.StreamReader] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep the connection."""
        self.readers.append(reader)
        self.writers.append(writer)


@pytest.fixture
async def publisher(tmp_path: Path) -> AsyncIterator[Publisher]:
    """A publisher in this folder."""
    publisher = Publisher()
    server = await asyncio.start_unix_server(publisher.accept, str(tmp_path / "master_event_pub.ipc"))
    yield publisher
    for writer in publisher.writers:
        writer.close()
    server.close()


class Reading:
    """One reader, with what it got."""

    def __init__(self, folder: Path) -> None:
        from websocket_api.salt_master.bus import Bus

        self.bus = Bus({"sock_dir": str(folder)})
        self.numbers: list[int] = []
        self.losses = 0
        self._task: asyncio.Task[None] | None = None

    def start(self, max_delay: float = 0.0) -> None:
        """Read until :meth:`stop`."""
        reading = self.bus.read(self._on_event, self._on_lost, lambda: None, lambda events: max_delay)
        self._task = asyncio.ensure_future(reading)

    async def stop(self) -> None:
        """End reading."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _on_event(self, tag: str, data: dict[str, Any]) -> None:
        self.numbers.append(data["n"])

    def _on_lost(self) -> None:
        self.losses += 1


@pytest.mark.parametrize("step", [1, 50, 700, 100_000])
async def test_a_connection_is_passed_on_without_a_lost_or_doubled_event(
    tmp_path: Path, publisher: Publisher, step: int
) -> None:
    """Wherever an event is cut: each of five readers continues where the one before it stopped.

    :param step: bytes that the publisher writes at once
    """
    stream = b"".join(framed("n", {"n": n, "fill": "f" * (n % 40)}) for n in range(EVENTS))

    async def send() -> None:
        await until(lambda: publisher.writers)
        (writer,) = publisher.writers
        part = max(step, len(stream) // 2_000)  # a byte at a time only where it matters
        for start in range(0, len(stream), part):
            writer.write(stream[start : start + part])
            await writer.drain()
            await asyncio.sleep(0)

    reading = [Reading(tmp_path)]
    reading[0].start()
    sending = asyncio.ensure_future(send())
    for nth in range(1, 5):
        await until(lambda nth=nth: sum(len(one.numbers) for one in reading) >= EVENTS * nth // 6)
        line = await reading[-1].bus.detach()
        assert line is not None
        reading.append(Reading(tmp_path))
        reading[-1].bus.adopt(line)
        reading[-1].start()
    await sending
    await until(lambda: sum(len(one.numbers) for one in reading) >= EVENTS)
    assert [number for one in reading for number in one.numbers] == list(range(EVENTS))
    assert [one.losses for one in reading] == [0] * 5
    assert len(publisher.writers) == 1
    for one in reading:
        await one.stop()


async def test_a_bus_that_is_passed_on_is_not_lost(tmp_path: Path, publisher: Publisher) -> None:
    """Health checks of open connections come until the next process serves. One that cannot be found again is lost."""
    reading = Reading(tmp_path)
    reading.start()
    await until(lambda: reading.bus.connected)
    line = await reading.bus.detach()
    assert line is not None
    line.socket.close()
    assert reading.bus.connected
    await reading.stop()
    assert reading.bus.connected
    (tmp_path / "master_event_pub.ipc").unlink()
    reading.start()
    await until(lambda: not reading.bus.connected)
    await reading.stop()


async def test_an_event_of_many_reads_is_passed_on_with_its_start(tmp_path: Path, publisher: Publisher) -> None:
    """The next reader gets the bytes that no event was made of yet."""
    event = framed("n", {"n": 1, "fill": "f" * 1_000_000})
    first, second = Reading(tmp_path), Reading(tmp_path)
    first.start()
    await until(lambda: publisher.writers)
    (writer,) = publisher.writers
    writer.write(framed("n", {"n": 0}) + event[:900_000])
    await until(lambda: first.numbers == [0])
    await writer.drain()
    line = await first.bus.detach()
    assert line is not None
    second.bus.adopt(line)
    second.start()
    writer.write(event[900_000:] + framed("n", {"n": 2}))
    await until(lambda: second.numbers == [1, 2])
    for one in (first, second):
        await one.stop()


async def test_without_a_connection_there_is_nothing_to_pass_on(tmp_path: Path) -> None:
    """The publisher may be down; the next reader connects by itself."""
    reading = Reading(tmp_path)
    assert await reading.bus.detach() is None
    reading.start()
    await asyncio.sleep(0)
    assert not reading.bus.connected
    await reading.stop()


@pytest.mark.parametrize(("max_delay", "read"), [(0.0, [*range(6)]), (1000.0, [*range(5)])])
async def test_events_in_quick_succession_share_a_read_where_they_may_wait(
    tmp_path: Path, publisher: Publisher, max_delay: float, read: list[int]
) -> None:
    """The first ones show that events follow each other quickly; the last one then waits for others.

    A reader that waits for them still passes its connection on at once, with what it did not read.
    """
    first, second = Reading(tmp_path), Reading(tmp_path)
    first.start(max_delay)
    await until(lambda: publisher.writers)
    (writer,) = publisher.writers
    for number in range(6):
        writer.write(framed("n", {"n": number}))
        await writer.drain()
        if number < len(read):
            await until(lambda number=number: first.numbers[-1:] == [number])
    for _ in range(100):
        await asyncio.sleep(0)
    assert first.numbers == read
    line = await first.bus.detach()
    assert line is not None
    second.bus.adopt(line)
    second.start()
    writer.write(framed("n", {"n": 6}))
    await until(lambda: first.numbers + second.numbers == [*range(7)])
    for one in (first, second):
        await one.stop()


async def test_an_event_after_a_pause_is_delivered_in_the_turn_that_reads_it(
    tmp_path: Path, publisher: Publisher
) -> None:
    """However long events may wait for others, and with no other task of the loop in between."""
    reading = Reading(tmp_path)
    reading.start(max_delay=0.001)
    await until(lambda: publisher.writers)
    (writer,) = publisher.writers
    writer.write(framed("n", {"n": 0}))
    await until(lambda: reading.numbers == [0])
    for number in range(1, 20):
        await asyncio.sleep(0.002)  # longer than events wait
        writer.write(framed("n", {"n": number}))
        await asyncio.sleep(0)  # the loop finds the bytes in this turn, and delivers them before the next one
        await asyncio.sleep(0)
        assert reading.numbers == list(range(number + 1))
    await reading.stop()


@pytest.mark.parametrize("wrong", [b"", b"\xc1" * 20])
async def test_a_reader_connects_again_after_the_end_of_a_connection(
    tmp_path: Path, publisher: Publisher, wrong: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the publisher closes it or sends something else than events; what came before is delivered."""
    caplog.set_level("INFO")
    reading = Reading(tmp_path)
    reading.start()
    await until(lambda: publisher.writers)
    publisher.writers[0].write(framed("n", {"n": 0}) + wrong)
    if not wrong:
        publisher.writers[0].close()
    await until(lambda: len(publisher.writers) == 2)
    assert (reading.numbers, reading.losses) == ([0], 1)
    assert ("not understood: FormatError" if wrong else "the publisher closed the connection") in caplog.text
    publisher.writers[1].write(framed("n", {"n": 1}))
    await until(lambda: reading.numbers == [0, 1])
    await reading.stop()


async def test_a_connection_that_was_not_read_yet_is_passed_on_again(tmp_path: Path, publisher: Publisher) -> None:
    """A process may be replaced before it reads at all."""
    first, second, third = (Reading(tmp_path) for _ in range(3))
    first.start()
    await until(lambda: publisher.writers)
    line = await first.bus.detach()
    assert line is not None
    second.bus.adopt(line)
    assert await second.bus.detach() is line
    third.bus.adopt(line)
    third.start()
    publisher.writers[0].write(framed("n", {"n": 0}))
    await until(lambda: third.numbers == [0])
    for one in (first, third):
        await one.stop()


async def test_the_last_reader_goes_on_at_a_further_connection(tmp_path: Path, publisher: Publisher) -> None:
    """It sees every event after the further connection was opened, some of them twice."""
    last, next_ = Reading(tmp_path), Reading(tmp_path)
    last.start()
    await until(lambda: len(publisher.writers) == 1)
    await last.bus.open_second()
    await until(lambda: len(publisher.writers) == 2)

    def send(number: int) -> None:
        for writer in publisher.writers:
            writer.write(framed("n", {"n": number}))

    send(1)
    await until(lambda: last.numbers == [1])
    line = await last.bus.detach()
    assert line is not None
    send(2)
    await last.stop()
    next_.bus.adopt(line)
    next_.start()
    last.start()
    send(3)
    await until(lambda: last.numbers == [1, 1, 2, 3])
    await until(lambda: next_.numbers == [2, 3])
    assert len(publisher.writers) == 2
    for one in (last, next_):
        await one.stop()


async def test_a_further_connection_that_nobody_reads_is_closed(tmp_path: Path, publisher: Publisher) -> None:
    """After a reload that failed, or the publisher would keep all events for it."""
    reading = Reading(tmp_path)
    reading.start()
    await until(lambda: len(publisher.writers) == 1)
    await reading.bus.open_second()
    await until(lambda: len(publisher.writers) == 2)
    reading.bus.close_second()
    assert await asyncio.wait_for(publisher.readers[-1].read(), 20) == b""
    await reading.stop()
