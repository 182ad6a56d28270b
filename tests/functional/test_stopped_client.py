"""A client whose process is stopped: it reads and answers nothing, and its socket stays open."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

pytest.importorskip("salt")
pytest.importorskip("websocket")
pytest.importorskip("prometheus_client")

from tests.client import Client
from tests.functional.running import CHECKOUT, Engine
from tests.support.buses import Publisher
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.both_lines]

RunEngine = Callable[..., Engine]
MIB = 1024 * 1024
OUTBOX_BYTES = 2 * MIB  # what may wait for one client
HISTORY_BYTES = MIB  # small, so that it does not hide what a client makes the engine keep
SPARE_BYTES = 4 * MIB  # of the stream, the allocator and the moment
USER_BYTES = 16 * MIB  # what may wait for all clients of a user
LARGE_BYTES = 900_000  # of an event
FILL = 10_000  # bytes of an event
FLOOD = 1_000  # events of a flood: five times what may wait
PING_SECONDS, PONG_SECONDS = 1, 1
SLACK_SECONDS = 20.0  # that a portion which comes at once may take on a loaded machine
GONE_SECONDS = 60.0  # a ping, the wait for its answer, and five seconds for a last word

READER = """
import sys
from tests.client import Client, Closed
from tests.support.waiting import wait_until
client = Client(sys.argv[1], receive_buffer=4096)
client.login("demo")
client.ask("subscribe", subscription="event", tag=sys.argv[4], overflow=sys.argv[2])
print("ready", flush=True)
expected = told = 0
try:
    while expected < int(sys.argv[3]):
        frame = client.recv(60)
        if frame["type"] == "gap":
            expected, told = expected + frame["count"], told + 1
        elif frame["type"] == "event":
            assert frame["data"]["number"] == expected, (frame["data"]["number"], expected)
            expected += 1
    print("all", told, flush=True)
except Closed as closed:
    print("closed", closed.code, flush=True)
"""


class Reader:
    """A client in a process of its own, which can be stopped."""

    def __init__(self, engine: Engine, overflow: str = "close", tag: str = "flood/") -> None:
        command = [sys.executable, "-c", READER, engine.url, overflow, str(FLOOD), tag]
        self._process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        assert self.says() == "ready"

    def stop(self) -> None:
        """Stop the process."""
        os.kill(self._process.pid, signal.SIGSTOP)
        wait_until(lambda: psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED, "the stop")

    def go_on(self) -> None:
        """Continue the process."""
        os.kill(self._process.pid, signal.SIGCONT)

    def says(self) -> str:
        """Return the next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate(timeout=10)


class RunningEngine:
    """An engine and the bus to which it listens."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.bus = Publisher(engine.sock_dir)
        self.bus.send(("first", {}))

    @property
    def memory(self) -> int:
        """Resident bytes of the engine."""
        return int(psutil.Process(self.engine.pid).memory_info().rss)

    def flood(self, client: Client) -> float:
        """Send events, check that this client gets all in order, and return its longest wait in seconds."""
        slowest = 0.0
        for first in range(0, FLOOD, 50):
            part = range(first, first + 50)
            began = time.monotonic()
            self.bus.send(*[(f"flood/{number}", {"number": number, "fill": "f" * FILL}) for number in part])
            frames = client.frames(until=lambda frame, last=part[-1]: frame["data"]["number"] == last)  # type: ignore[misc]
            slowest = max(slowest, time.monotonic() - began)
            assert [frame["data"]["number"] for frame in frames] == list(part)
        return slowest


def started(run_engine: RunEngine, **limits: Any) -> Iterator[RunningEngine]:
    """Run an engine with small buffers, and a bus."""
    history = {"events": 1000, "bytes": HISTORY_BYTES, "seconds": 60}
    limits = {"outbox_bytes": OUTBOX_BYTES, **limits}
    running = RunningEngine(run_engine({"history": history, "limits": limits}))
    with contextlib.closing(running.bus):
        yield running


@pytest.fixture(scope="module")
def running(run_engine: RunEngine) -> Iterator[RunningEngine]:
    """An engine with the default pings, which are too rare to matter here."""
    yield from started(run_engine)


@pytest.fixture
def shared(run_engine: RunEngine) -> Iterator[RunningEngine]:
    """An engine whose connections may keep as much as their user."""
    yield from started(run_engine, memory_per_user=USER_BYTES, outbox_bytes=2 * USER_BYTES)


@pytest.fixture(scope="module")
def impatient(run_engine: RunEngine) -> Iterator[RunningEngine]:
    """An engine that pings its clients often."""
    yield from started(run_engine, ping_seconds=PING_SECONDS, pong_seconds=PONG_SECONDS)


def test_a_stopped_client_neither_delays_the_others_nor_fills_the_memory(running: RunningEngine) -> None:
    """Others get every event without delay, and the outbox stays below its limit. When the client continues, its
    events and gaps add up to all events."""
    with running.engine.client("demo") as client:
        client.ask("subscribe", subscription="event", tag="flood/")
        calm = running.flood(client)
        before = running.memory
        with contextlib.closing(Reader(running.engine, "drop")) as reader:
            reader.stop()
            held = running.flood(client)
            grown = running.memory - before
            reader.go_on()
            said, gaps = reader.says().split()
        print(f"slowest portion {calm:.3f} s without it, {held:.3f} s with it; {grown / MIB:.1f} MiB more")
        assert held < calm + SLACK_SECONDS
        assert grown < OUTBOX_BYTES + SPARE_BYTES < FLOOD * FILL
        assert said == "all"
        assert int(gaps) > 0


def test_a_stopped_client_that_may_lose_nothing_is_closed(running: RunningEngine) -> None:
    """Over the limit it is closed with 4410, and other clients do not notice."""
    with running.engine.client("demo") as client:
        client.ask("subscribe", subscription="event", tag="flood/")
        with contextlib.closing(Reader(running.engine)) as reader:
            reader.stop()
            assert running.flood(client) < SLACK_SECONDS
            reader.go_on()
            assert reader.says() in ("closed 4410", "closed None")  # None: the last word did not fit any more


def test_the_client_for_which_most_waits_makes_room_for_one_that_reads(shared: RunningEngine) -> None:
    """They have the same user, whose memory is full."""
    engine, closes = shared.engine, 'closes_total{code="4410"}'
    with engine.client("demo") as client, contextlib.ExitStack() as stack:
        client.ask("subscribe", subscription="event", tag="large/")
        most, less = (Reader(engine, tag=tag) for tag in ("flood/", "flood/0"))
        for reader in (most, less):
            stack.enter_context(contextlib.closing(reader))
            reader.stop()
        before, numbers = engine.metric("connections"), itertools.count()

        def is_nearly_full() -> bool:
            room = USER_BYTES - engine.metric('user_memory_bytes{kind="outboxes"}')
            if room < LARGE_BYTES * 2 // 3:
                return True
            # What was sent before may be counted a quarter of a second later.
            for number in itertools.islice(numbers, 100 if room > 6 * MIB else 10):
                shared.bus.send((f"flood/{number % 4}", {"number": number, "fill": "f" * FILL}))
            return False

        wait_until(is_nearly_full, "the user's memory nearly full", every=0.3)
        assert engine.metric(closes) == 0
        shared.bus.send(("large/", {"fill": "f" * LARGE_BYTES}))
        (frame,) = client.frames(until=lambda frame: frame.get("tag") == "large/")
        assert len(frame["data"]["fill"]) == LARGE_BYTES
        wait_until(lambda: engine.metric("connections") == before - 1, "the end of one connection")
        assert engine.metric(closes) == 1
        most.go_on()
        assert most.says() in ("closed 4410", "closed None")  # None: the last word did not fit any more
        assert client.ask("ping")


def test_a_stopped_client_without_events_is_found_by_pings(impatient: RunningEngine) -> None:
    """A client that answers pings stays connected; one that does not is closed and freed."""
    closes = 'closes_total{code="4410"}'
    # Start the reader first: meanwhile this process answers no pings.
    with contextlib.closing(Reader(impatient.engine)) as reader, impatient.engine.client("demo") as client:
        before = [impatient.engine.metric(name) for name in ("connections", "subscriptions", closes)]
        reader.stop()
        began = time.monotonic()
        while impatient.engine.metric("connections") == before[0]:
            assert time.monotonic() - began < GONE_SECONDS
            with contextlib.suppress(TimeoutError):  # answers pings meanwhile, as every client library does
                client.frames(until=lambda frame: True, timeout=0.2)
        after = [impatient.engine.metric(name) for name in ("connections", "subscriptions", closes)]
        assert after == [before[0] - 1, before[1] - 1, before[2] + 1]
        assert client.ask("ping")


def test_a_client_that_reads_but_answers_no_ping_may_resume(impatient: RunningEngine) -> None:
    """The code is 4410: 1000 would mean that there is nothing to resume."""
    with impatient.engine.client("demo") as client:
        client.ws.settimeout(GONE_SECONDS)
        frames = [client.ws.recv_frame()]  # as they come, and unanswered
        while frames[-1].opcode != frames[-1].OPCODE_CLOSE:
            frames.append(client.ws.recv_frame())
        assert frames[0].opcode == frames[0].OPCODE_PING
        assert int.from_bytes(frames[-1].data[:2], "big") == 4410
