"""Measure times: of one client after another, or of many at once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from tests.benchmarks.ways import Open

PATIENCE_SECONDS = 120.0  # for one request on a machine that has 20 to do


@dataclass
class Times:
    """Measurements of one way: the seconds of each request, and the total time."""

    samples: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def percentile(self, percent: float) -> float:
        """Return the nearest-rank percentile, in milliseconds."""
        ordered = sorted(self.samples)
        return 1000 * ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]

    @property
    def median(self) -> float:
        return self.percentile(50)

    @property
    def per_second(self) -> float:
        return len(self.samples) / self.seconds


def timed(call: Callable[[], str]) -> float:
    began = time.perf_counter()
    jid = call()
    took = time.perf_counter() - began
    if len(jid) < 20:
        raise AssertionError(f"no jid but {jid!r}")
    return took


def interleaved(ways: dict[str, Open], samples: int, warmup: int = 10) -> dict[str, Times]:
    """Time one client of each way, in turns, so that other load of the machine affects all alike."""
    found = {name: Times() for name in ways}
    with ExitStack() as stack:
        calls = {name: open_one(stack) for name, open_one in ways.items()}
        for number in range(warmup + samples):
            for name, call in calls.items():
                took = timed(call)
                if number >= warmup:
                    found[name].samples.append(took)
                    found[name].seconds += took
    return found


def at_once(ways: dict[str, Open], clients: int, seconds: float, rounds: int) -> dict[str, Times]:
    """Time many clients of one way at once, each with a new request after each answer. The ways take turns."""
    found = {name: Times() for name in ways}
    for _ in range(rounds):
        for name, open_one in ways.items():
            _rush(open_one, clients, seconds, found[name])
    return found


def _rush(open_one: Open, clients: int, seconds: float, into: Times) -> None:
    """Send requests for some seconds, and count every request that was started in this time.

    To count only requests that end in this time would leave out slow ones, and report too short times.
    """
    samples: list[float] = []
    failures: list[BaseException] = []
    warm = threading.Barrier(clients + 1, timeout=PATIENCE_SECONDS)
    with ExitStack() as stack:
        calls = [open_one(stack) for _ in range(clients)]

        def work(call: Callable[[], str]) -> None:
            try:
                timed(call)
                warm.wait()
                end = time.perf_counter() + seconds
                while time.perf_counter() < end:
                    samples.append(timed(call))
            except BaseException as failure:  # noqa: BLE001 - handed to the main thread
                failures.append(failure)
                warm.abort()

        threads = [threading.Thread(target=work, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        with suppress(threading.BrokenBarrierError):  # its cause is in failures
            warm.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join(timeout=seconds + PATIENCE_SECONDS)
        took = time.perf_counter() - began
    if failures:
        raise failures[0]
    into.samples += samples
    into.seconds += took
