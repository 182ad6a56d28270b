"""Clients of the engine that send one request after another, with pauses, while something else is measured."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.benchmarks import ways
from tests.benchmarks.stage import AWAY, Stage

POLL_SECONDS = 5.0  # between two requests of one poller


@contextmanager
def in_threads(*functions: Callable[[threading.Event], None]) -> Iterator[None]:
    """Call some functions in threads until the block ends; each must return soon after its event is set."""
    stop = threading.Event()
    threads = [threading.Thread(target=function, args=(stop,)) for function in functions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


@dataclass
class Commands:
    """A client that starts jobs, and the seconds from each `cmd` to its jid."""

    stage: Stage
    token: str
    seconds: list[float] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def run(self, number: int) -> list[float]:
        """Start jobs without pauses."""
        self._run(threading.Event(), number, 0.0)
        return self.seconds

    @contextmanager
    def running(self, number: int, every: float) -> Iterator[None]:
        """Start at most this number of jobs, evenly spread, until the block ends.

        A job is late if the one before it took longer. The last one may end after the block.
        """
        with in_threads(lambda stop: self._try(stop, number, every)):
            yield

    def _try(self, stop: threading.Event, number: int, every: float) -> None:
        try:
            self._run(stop, number, every)
        except BaseException as failure:  # noqa: BLE001 - the main thread reports it
            self.failures.append(failure)

    def _run(self, stop: threading.Event, number: int, every: float) -> None:
        with ExitStack() as stack:
            publish = ways.engine(self.stage, self.token, AWAY)(stack)
            publish()
            due = time.monotonic()
            for _ in range(number):
                if stop.wait(max(0.0, due - time.monotonic())):
                    return
                began = time.perf_counter()
                publish()
                self.seconds.append(time.perf_counter() - began)
                due += every


@dataclass
class Pollers:
    """Clients that ask for the list of jobs over HTTP, each on a connection that stays open."""

    stage: Stage
    token: str
    number: int
    seconds: list[float] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Poll until the block ends."""
        with in_threads(*(partial(self._poll, nth) for nth in range(self.number))):
            yield

    def _poll(self, nth: int, stop: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.stage.port, timeout=60)
        stop.wait(POLL_SECONDS * nth / self.number)
        try:
            while not stop.is_set():
                began = time.perf_counter()
                connection.request("GET", "/jobs", headers={"X-Auth-Token": self.token, "Accept": "application/json"})
                answer = connection.getresponse()
                answer.read()
                self.seconds.append(time.perf_counter() - began)
                if answer.status != 200:
                    raise RuntimeError(f"GET /jobs: {answer.status}")
                stop.wait(POLL_SECONDS)
        except BaseException as failure:  # noqa: BLE001 - the main thread reports it
            self.failures.append(failure)
        finally:
            connection.close()
