"""The bus reader, with a publisher that does what Salt's does only in trouble."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")

import msgpack
from websocket_api.errors import ApiError
from websocket_api.salt_master.bus import Bus
from websocket_api.salt_master.event_body import decode

from tests.support.buses import framed
from tests.support.waiting import until

pytestmark = pytest.mark.both_lines


class Publisher:
    """Both of the publisher's sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clients: list[asyncio.StreamWriter] = []
        self.fired: list[tuple[str, dict[str, Any]]] = []
        self.servers: list[asyncio.AbstractServer] = []

    async def start(self) -> None:
        """Listen."""
        for side, handler in (("pub", self._subscribed), ("pull", self._pull)):
            path = self.folder / f"master_event_{side}.ipc"
            path.unlink(missing_ok=True)
            self.servers.append(await asyncio.start_unix_server(handler, path))

    async def stop(self) -> None:
        """Close all servers and connections."""
        for server in self.servers:
            server.close()
        for client in self.clients:
            client.close()
        self.servers.clear()
        self.clients.clear()

    async def send(self, data: bytes) -> None:
        """Send to all connections."""
        for client in self.clients:
            client.write(data)
            await client.drain()

    async def _subscribed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients.append(writer)

    async def _pull(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients.append(writer)
        try:
            while True:
                (length,) = struct.unpack(">I", await reader.readexactly(4))
                self.fired.append(decode(msgpack.unpackb(await reader.readexactly(length))["body"]))
        except asyncio.IncompleteReadError:
            writer.close()


class Reader:
    """A bus reader, and what it reported."""

    def __init__(self, folder: Path) -> None:
        self.bus = Bus({"sock_dir": str(folder), "max_event_size": 1048576})
        self.reported: list[Any] = []
        self.task = asyncio.ensure_future(
            self.bus.read(
                lambda tag, data: self.reported.append((tag, data)),
                lambda: self.reported.append("lost"),
                lambda: self.reported.append("found"),
            )
        )


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    """A publisher that does not listen yet."""
    with tempfile.TemporaryDirectory(prefix="bus-") as folder:
        publisher = Publisher(Path(folder))
        yield publisher
        await publisher.stop()


@pytest.fixture
async def reader(publisher: Publisher) -> AsyncIterator[Reader]:
    """A reader that reads."""
    reader = Reader(publisher.folder)
    yield reader
    reader.task.cancel()
    reader.bus.close()


async def test_waiting_for_the_first_connection_reports_nothing(publisher: Publisher, reader: Reader) -> None:
    """Engines start before the publisher: nothing was lost then."""
    await asyncio.sleep(0.1)
    assert not reader.bus.connected
    await publisher.start()
    await until(lambda: bool(publisher.clients))
    await publisher.send(framed(b"a", {"x": 1}))
    await until(lambda: bool(reader.reported))
    assert reader.reported == [("a", {"x": 1})]
    assert reader.bus.connected


async def test_a_reader_that_is_held_passes_on_nothing(publisher: Publisher) -> None:
    """Until it is released; then everything comes in order."""
    await publisher.start()
    reader = Reader(publisher.folder)
    reader.bus.hold()
    await until(lambda: bool(publisher.clients) and reader.bus.connected)
    await publisher.send(framed(b"a", {"x": 1}) + framed(b"b", {"x": 2}))
    await asyncio.sleep(0.05)  # it could read now
    assert reader.reported == []
    reader.bus.release()
    await until(lambda: len(reader.reported) == 2)
    await publisher.send(framed(b"c", {"x": 3}))
    await until(lambda: len(reader.reported) == 3)
    assert reader.reported == [("a", {"x": 1}), ("b", {"x": 2}), ("c", {"x": 3})]
    reader.task.cancel()
    reader.bus.close()


async def test_a_reader_that_is_held_passes_its_connection_on(publisher: Publisher) -> None:
    """A reload does not wait: the next process reads what was held."""
    await publisher.start()
    first = Reader(publisher.folder)
    first.bus.hold()
    await until(lambda: bool(publisher.clients) and first.bus.connected)
    await publisher.send(framed(b"a", {"x": 1}))
    line = await first.bus.detach()
    assert line is not None
    second = Reader(publisher.folder)
    second.bus.adopt(line)
    await until(lambda: bool(second.reported))
    assert (first.reported, second.reported) == ([], [("a", {"x": 1})])
    for reader in (first, second):
        reader.task.cancel()
        reader.bus.close()


async def test_events_come_in_order_whatever_the_chunks(publisher: Publisher, reader: Reader) -> None:
    """A frame may arrive in many chunks, and a chunk may hold a thousand frames."""
    await publisher.start()
    await until(lambda: bool(publisher.clients))
    stream = b"".join(framed(b"tag/%d" % number, {"n": number}) for number in range(2000))
    for start in range(0, 3000, 7):
        await publisher.send(stream[start : start + 7] if start + 7 < 3000 else stream[start:])
        if start % 70 == 0:
            await asyncio.sleep(0)
    await until(lambda: len(reader.reported) == 2000)
    assert [tag for tag, _ in reader.reported] == [f"tag/{number}" for number in range(2000)]


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the levels of what the bus logged. Salt's own test plugin logs into the same record."""
    return [record.levelname for record in caplog.records if record.name == "websocket_api.salt_master.bus"]


async def test_a_lost_connection_and_the_next_one_are_reported(
    publisher: Publisher, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    """The events between the two are lost: subscribers must learn of the gap."""
    caplog.set_level("INFO", "websocket_api.salt_master.bus")
    await publisher.start()
    await until(lambda: bool(publisher.clients))
    await publisher.stop()
    await until(lambda: reader.reported == ["lost"])
    # A master that stops closes its bus before it stops the engine, so a loss alone is no reason for a warning.
    assert levels(caplog) == ["INFO"]
    await publisher.start()
    await until(lambda: reader.reported == ["lost", "found"] and bool(publisher.clients))
    await publisher.send(framed(b"b", {}))
    await until(lambda: reader.reported == ["lost", "found", ("b", {})])
    assert levels(caplog) == ["INFO", "WARNING"]


@pytest.mark.parametrize("bad", [b"\xc1", b"", b"\x93\x01", b"\x01", msgpack.packb([1])])
async def test_an_event_that_cannot_be_decoded_is_skipped(bad: bytes, publisher: Publisher, reader: Reader) -> None:
    """A minion can put anything on the bus."""
    await publisher.start()
    await until(lambda: bool(publisher.clients))
    await publisher.send(framed(b"bad", bad) + framed(b"good", {}))
    await until(lambda: bool(reader.reported))
    assert reader.reported == [("good", {})]
    assert reader.bus.undecodable == 1


async def test_a_stream_without_valid_frames_is_left_for_a_new_connection(publisher: Publisher, reader: Reader) -> None:
    """Nothing marks where its next frame begins."""
    await publisher.start()
    await until(lambda: bool(publisher.clients))
    await publisher.send(b"\xc1\xc1\xc1")
    await until(lambda: reader.reported == ["lost", "found"])


async def test_an_event_whose_handler_fails_is_skipped(publisher: Publisher) -> None:
    """The log names it."""
    told: list[str] = []

    def handle(tag: str, data: dict[str, Any]) -> None:
        told.append(tag)
        raise ValueError(tag)

    bus = Bus({"sock_dir": str(publisher.folder)})
    task = asyncio.ensure_future(bus.read(handle, lambda: None, lambda: None))
    await publisher.start()
    await until(lambda: bool(publisher.clients))
    await publisher.send(framed(b"a", {}) + framed(b"b", {}))
    await until(lambda: len(told) == 2)
    task.cancel()
    assert told == ["a", "b"]


async def test_a_burst_does_not_hold_up_the_loop(publisher: Publisher, reader: Reader) -> None:
    """The engine serves clients while ten thousand events wait."""
    await publisher.start()
    await until(lambda: bool(publisher.clients))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    burst = framed(b"salt/job/20260101000000000000/ret/one", {"return": "x" * 100, "list": list(range(50))}) * 10000
    sending = asyncio.ensure_future(publisher.send(burst))
    counting = asyncio.ensure_future(count())
    await until(lambda: len(reader.reported) == 10000)
    counting.cancel()
    await sending
    assert turns > 5


@pytest.mark.parametrize(
    ("packed", "meant"),
    [
        (msgpack.packb({"a": b"\xff\x00"}, use_bin_type=True), {"a": b"\xff\x00"}),
        (msgpack.packb({b"a": b"\xff"}, use_bin_type=False), {"a": "\udcff"}),
        (msgpack.packb({1: {None: 2}}), {1: {None: 2}}),
        (msgpack.packb({"t": msgpack.ExtType(78, b"20260102T03:04:05.000006")}), {"t": "2026-01-02T03:04:05.000006"}),
        (msgpack.packb({"t": msgpack.ExtType(5, b"x")}), {"t": b"x"}),
    ],
)
def test_unusual_data_is_decoded_as_far_as_possible(packed: bytes, meant: Any) -> None:
    """Events hold bytes, strings that are not UTF-8, keys of any kind and Salt's dates."""
    assert decode(b"tag\n\n" + packed) == ("tag", meant)


def test_a_tag_that_is_not_utf8_is_shown_with_replacements() -> None:
    """The event is not lost."""
    assert decode(b"t\xff\n\n\x80") == ("t\N{REPLACEMENT CHARACTER}", {})


async def test_events_are_fired_in_order_stamped_and_leave_the_callers_data_alone(
    publisher: Publisher, reader: Reader
) -> None:
    """They are sent over one connection, as Salt's own ``fire_event`` does."""
    await publisher.start()
    data = {"x": 1}
    for number in range(50):
        await reader.bus.fire(f"my/{number}", data)
    await until(lambda: len(publisher.fired) == 50)
    assert data == {"x": 1}
    assert [tag for tag, _ in publisher.fired] == [f"my/{number}" for number in range(50)]
    assert set(publisher.fired[0][1]) == {"x", "_stamp"}


async def test_firing_without_a_master_is_an_error_and_works_again_with_one(
    publisher: Publisher, reader: Reader
) -> None:
    """The next event opens a new connection."""
    with pytest.raises(ApiError) as refused:
        await reader.bus.fire("a", {})
    assert refused.value.code == "master_unavailable"
    await publisher.start()
    await reader.bus.fire("b", {})
    await until(lambda: len(publisher.fired) == 1)
    await publisher.stop()
    writer = reader.bus._writer
    await until(lambda: writer._reader is not None and writer._reader.at_eof())
    with pytest.raises(ApiError):
        await reader.bus.fire("c", {})
    await publisher.start()
    await reader.bus.fire("d", {})
    await until(lambda: [tag for tag, _ in publisher.fired] == ["b", "d"])


async def test_data_over_the_masters_limit_is_trimmed(publisher: Publisher, reader: Reader) -> None:
    """It is trimmed as Salt does; the event itself arrives."""
    await publisher.start()
    await reader.bus.fire("big", {"small": 1, "large": "x" * 2_000_000})
    await until(lambda: bool(publisher.fired))
    tag, data = publisher.fired[0]
    assert (tag, data["small"], data["large"]) == ("big", 1, "VALUE_TRIMMED")
