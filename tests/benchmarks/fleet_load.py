"""The load of a large fleet: its minions return, and many clients of several kinds follow events and send requests."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from tests.benchmarks import fanout, marks
from tests.benchmarks.children import Child, Machine, listening_on
from tests.benchmarks.cpu_shares import Shares
from tests.benchmarks.fanout import Case
from tests.benchmarks.requesters import Commands, Pollers, in_threads
from tests.benchmarks.simulated import HUNDRED
from tests.benchmarks.stage import Stage
from tests.client import Client

MIB = 1024 * 1024
JOB_SECONDS = 10.0  # between two jobs on half of the fleet
JOB_TARGET = "m*[02468]"
SLACK_SECONDS = 2.0  # until a return is read
FIRST_SECONDS, LAST_SECONDS, LATE_SECONDS = 0.2, 8.0, 10.0  # when the minions of a job return
COMMANDS = 20  # of which the median counts; they are spread, because one takes Salt a second of CPU
STEPS = 4  # parts of the load, after each of which the memory is read


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    minions: int = 10_000
    bundled: int = 600
    single: int = 250
    dashboards: int = 100
    pollers: int = 50
    restricted: int = 50
    rate: int = 500
    """Events a second in addition to the returns, which are as many."""
    seconds: float = 60.0
    stuck: int = 1_000
    """Clients that stop to read."""
    consoles: int = 1_000
    """Consoles that come back after a reload."""
    leaving: int = 200
    """Clients that come and leave all the time."""

    @property
    def users(self) -> dict[str, Any]:
        """Return the restricted users, each with some minions of its own."""
        return {
            f"user{number:02}": [{f"m{number:03}*": ["test.*", "grains.items"]}] for number in range(self.restricted)
        }


@dataclass
class Load:
    """What the clients got, and what it cost while events were sent."""

    bundled: list[dict[str, Any]]
    single: list[dict[str, Any]]
    count: int
    """Events that the sender marked."""
    returned: list[int]
    """How many minions returned to each job that had time to end, as the engine knows it."""
    expected: int
    """How many of each must return."""
    commands: list[float]
    memory: list[float]
    shares: dict[str, float]
    """Who took the CPU, as shares of one core."""
    machine: float
    seconds: float


def latencies(results: list[dict[str, Any]]) -> list[float]:
    """Return the seconds from the sender to the clients of some processes."""
    return [one for result in results for one in result["latencies"]]


def under_load(stage: Stage, token: str, extent: Extent, pollers: Pollers) -> Load:
    """Measure for as long as events are sent."""
    engine, count = listening_on(stage.port), int(extent.rate * extent.seconds)
    bundled = fanout.how_to_listen(stage, Case("engine", 1, extent.rate, bundle=True), token)
    commands, jobs = Commands(stage, token), Jobs(stage, token)
    with ExitStack() as stack:
        everybody = stack.enter_context(fanout.listeners(bundled, extent.bundled, count))
        singles = stack.enter_context(_singles(stage, token, extent, count))
        stack.enter_context(_listening(stage, token, extent.dashboards, subscription="job", without_return=True))
        for user in extent.users:
            stack.enter_context(_listening(stage, stage.token(user), 1, subscription="event", bundle=True))
        stack.enter_context(_fleet(stage))
        stack.enter_context(pollers.running())
        stack.enter_context(in_threads(jobs.run))
        time.sleep(2 * JOB_SECONDS if extent.seconds > JOB_SECONDS else 1)  # the first jobs return
        sender = stack.enter_context(Child("sender", socket=fanout.socket_of_bus(stage), rate=extent.rate, count=count))
        began, shares, machine, memory = time.monotonic(), Shares(stage), Machine(), []
        with commands.running(COMMANDS, extent.seconds / COMMANDS):
            for step in range(1, STEPS + 1):
                time.sleep(max(0.0, began + step * extent.seconds / STEPS - time.monotonic()))
                memory.append(engine.memory_info().rss / MIB)
            sender.answer(extent.seconds + fanout.DRAIN_SECONDS)
            seconds, cpu, busy = time.monotonic() - began, shares.of_one_core(), machine.busy()
        for child in (*everybody, *singles):
            child.tell("sent")
        many, few = ([child.answer(fanout.DRAIN_SECONDS) for child in children] for children in (everybody, singles))
        returned = jobs.returned()
    for failure in (*commands.failures, *pollers.failures, *jobs.failures):
        raise failure
    fleet = len([name for name in stage.accepted if fnmatch(name, JOB_TARGET)])
    expected = fleet - len([name for name in stage.accepted[::HUNDRED] if fnmatch(name, JOB_TARGET)])
    return Load(many, few, count, returned, expected, commands.seconds, memory, cpu, busy, seconds)


@contextmanager
def _singles(stage: Stage, token: str, extent: Extent, count: int) -> Iterator[list[Child]]:
    """Clients that get each event of one of 50 tags by itself."""
    with ExitStack() as stack:
        children = []
        for number in range(5):
            hello = {"id": 1, "type": "subscribe", "subscription": "event", "tag": f"{marks.TAG}deploy/{number}"}
            hello["match_type"] = "fnmatch"
            arguments = fanout.how_to_listen(stage, Case("engine", 1, 1), token) | {"hello": json.dumps(hello)}
            children.append(
                stack.enter_context(Child("listener", clients=extent.single // 5, count=count, **arguments))
            )
        for child in children:
            child.answer(fanout.CONNECT_SECONDS)
        yield children


@contextmanager
def _listening(stage: Stage, token: str, clients: int, **subscribe: Any) -> Iterator[None]:
    """Clients that read and count nothing."""
    arguments = fanout.how_to_listen(stage, Case("engine", 1, 1), token)
    arguments |= {"hello": json.dumps({"id": 1, "type": "subscribe", **subscribe})}
    with Child("listener", clients=clients, count=0, **arguments) as child:
        child.answer(fanout.CONNECT_SECONDS)
        yield


@contextmanager
def _fleet(stage: Stage) -> Iterator[None]:
    times = {"first": FIRST_SECONDS, "last": LAST_SECONDS, "late": LATE_SECONDS}
    with Child("simulated", pub=stage.pub, pull=stage.pull, minions=stage.accepted, **times) as child:
        child.answer(fanout.CONNECT_SECONDS)
        yield


@dataclass
class Jobs:
    """A client that starts a job on half of the fleet every few seconds."""

    stage: Stage
    token: str
    failures: list[BaseException] = field(default_factory=list)
    _started: list[tuple[float, str]] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Start jobs until the event is set."""
        try:
            with Client(self.stage.url) as client:
                client.ask("auth", token=self.token)
                while not stop.is_set():
                    jid = str(client.ask("cmd", fun="test.ping", tgt=JOB_TARGET, patience=60)["jid"])
                    self._started.append((time.monotonic(), jid))
                    stop.wait(JOB_SECONDS)
        except BaseException as failure:  # noqa: BLE001 - the main thread reports it
            self.failures.append(failure)

    def returned(self) -> list[int]:
        """Ask the engine how many minions returned to each job that had time to end."""
        ended = time.monotonic() - LAST_SECONDS - LATE_SECONDS - SLACK_SECONDS
        with Client(self.stage.url) as client:
            client.ask("auth", token=self.token)
            jobs = [client.ask("get_job", jid=jid, patience=60) for began, jid in self._started if began < ended]
        return [sum(part["state"] == "returned" for part in job["minions"].values()) for job in jobs]
