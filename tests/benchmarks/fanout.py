"""One case of the fan-out benchmark: a number of clients, a rate of events and a server."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.children import Child, Machine, cpu_seconds, listening_on
from tests.benchmarks.stage import Stage

CONNECT_SECONDS = 120.0
DRAIN_SECONDS = 60.0  # after everything was sent: then a case is given up
LAG_SECONDS = 0.25  # between two looks at the engine's metrics


@dataclass(frozen=True)
class Case:
    """What is measured. With a ``rate`` of 0 events are sent as fast as the bus accepts them."""

    server: str
    clients: int
    rate: int
    bundle: bool = False
    seconds: float = 5.0
    events: int = 0

    @property
    def count(self) -> int:
        return self.events or int(self.rate * self.seconds)

    @property
    def name(self) -> str:
        rate = f"{self.rate:,}/s" if self.rate else "as the bus"
        form = {True: "bundled", False: "single"}[self.bundle] if self.server == "engine" else ""
        return f"{self.server} {self.clients} clients {rate} {form}".strip()


@dataclass
class Outcome:
    """The result of a case. Times are in seconds."""

    case: Case
    sent_rate: float
    delivered: int
    in_order: bool
    closed: int
    timed: list[tuple[float, float]]
    """When events were sent, in seconds after the first one, and how long each took to a client."""
    seconds: float
    """From the first event sent to the last one received."""
    server_cpu: float
    clients_cpu: float
    """CPU use of the busiest client process, as a share of one core."""
    machine: float | None = None
    """CPU use of all cores while events were sent, as a share."""
    lag: float | None = None
    outbox: float | None = None

    @property
    def latencies(self) -> list[float]:
        return [latency for _, latency in self.timed]

    @property
    def share(self) -> float:
        return self.delivered / (self.case.count * self.case.clients)

    @property
    def per_second(self) -> float:
        return self.delivered / self.seconds if self.seconds > 0 else 0.0

    @property
    def cpu_each(self) -> float:
        """Microseconds of the server's CPU time for each delivered event."""
        return 1e6 * self.server_cpu / self.delivered if self.delivered else 0.0

    def percentile(self, share: float) -> float | None:
        return percentile(self.latencies, share)


def percentile(values: list[float], share: float) -> float | None:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else None


def socket_of_bus(stage: Stage) -> str:
    return str(stage.salt_opts()["sock_dir"]) + "/master_event_pull.ipc"


def fire(stage: Stage, rate: float, count: int) -> dict[str, Any]:
    """Send events and return when all are sent."""
    with Child("sender", socket=socket_of_bus(stage), rate=rate, count=count) as sender:
        return sender.answer(DRAIN_SECONDS + (count / rate if rate else 0))


def how_to_listen(stage: Stage, case: Case, token: str) -> dict[str, Any]:
    """Return the arguments with which a listener connects to the server."""
    if case.server == "saltnado":
        # saltnado's websockets fail on a server that has not answered any other request before.
        request = urllib.request.Request(f"http://127.0.0.1:{stage.saltnado_port}/", headers={"X-Auth-Token": token})
        with urllib.request.urlopen(request, timeout=30) as response:
            response.read()
        path = f"/all_events/{token}"
        return {"port": stage.saltnado_port, "path": path, "hello": "websocket client ready", "answered": ""}
    hello = {"id": 1, "type": "subscribe", "subscription": "event", "tag": "bench/", "bundle": case.bundle}
    headers = {"Authorization": f"Bearer {token}"}
    answered = '"recovered":null'
    return {"port": stage.port, "path": "/ws", "headers": headers, "hello": json.dumps(hello), "answered": answered}


@contextlib.contextmanager
def listeners(said: dict[str, Any], clients: int, count: int) -> Iterator[list[Child]]:
    """Start the clients in one or two processes, and wait until all are connected."""
    processes = 1 if clients < 50 else 2
    shares = [clients // processes + (number < clients % processes) for number in range(processes)]
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(Child("listener", clients=one, count=count, **said)) for one in shares]
        for child in children:
            child.answer(CONNECT_SECONDS)
        yield children


def run(stage: Stage, case: Case, token: str, source: Stage | None = None) -> Outcome:
    """Run a case.

    :param source: where the events are sent; the stage of the clients by default
    """
    if case.server == "local":
        return _run_local(stage, case)
    server = listening_on(stage.port if case.server == "engine" else stage.saltnado_port)
    with listeners(how_to_listen(stage, case, token), case.clients, case.count) as children:
        time.sleep(0.3)
        before, machine = cpu_seconds(server), Machine()
        with Lag(stage) if case.server == "engine" else contextlib.nullcontext() as lag:
            sent = fire(source or stage, case.rate, case.count)
            busy = machine.busy()
            for child in children:
                child.tell("sent")
            results = [child.answer(DRAIN_SECONDS) for child in children]
        cpu = cpu_seconds(server) - before
    return Outcome(
        case=case,
        sent_rate=sent["sent"] / sent["seconds"],
        delivered=sum(one["delivered"] for one in results),
        in_order=all(one["in_order"] for one in results),
        closed=sum(one["closed"] for one in results),
        timed=[
            (when - sent["began"], late)
            for one in results
            for when, late in zip(one["sent"], one["latencies"], strict=True)
        ],
        seconds=max(one["last"] for one in results) - sent["began"],
        server_cpu=cpu,
        clients_cpu=max(one["cpu"] / one["seconds"] for one in results),
        machine=busy,
        lag=lag.worst if lag else None,
        outbox=lag.outbox if lag else None,
    )


def _run_local(stage: Stage, case: Case) -> Outcome:
    with Child("local_listener", config=str(stage.config_dir / "master"), count=case.count) as child:
        child.answer(CONNECT_SECONDS)
        sent = fire(stage, case.rate, case.count)
        child.tell("sent")
        result = child.answer(DRAIN_SECONDS)
    rate = sent["sent"] / sent["seconds"]
    timed = [(0.0, late) for late in result["latencies"]]
    return Outcome(case, rate, result["delivered"], True, 0, timed, sent["seconds"], 0.0, 0.0)


@dataclass
class Lag:
    """Polls the engine's metrics; a context manager."""

    stage: Stage
    worst: float | None = None
    outbox: float | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Lag:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(15)

    def _run(self) -> None:
        # The newest event may be the previous case's, and its lag too.
        while not self._stop.wait(LAG_SECONDS):
            found = metrics(self.stage)
            self.worst = max(self.worst or 0.0, found.get("bus_lag_seconds", 0.0))
            self.outbox = max(self.outbox or 0.0, found.get("outbox_bytes", 0.0))


def metrics(stage: Stage) -> dict[str, float]:
    """Return the engine's gauges by name; empty if the engine has none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{stage.port}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
    except (OSError, urllib.error.HTTPError):
        return {}
    pairs = (line.split(" ") for line in lines if line.startswith("websocket_api_") and "{" not in line)
    return {name.removeprefix("websocket_api_"): float(value) for name, value in pairs}
