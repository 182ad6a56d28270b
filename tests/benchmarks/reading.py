"""Measure the cost of an event that nobody wants, beside the master's publisher: `python -m tests.benchmarks.reading`.

CPU time is read from the kernel's scheduler, so it is usable on a busy machine too.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from tests.benchmarks import fanout
from tests.benchmarks.children import cpu_seconds, listening_on
from tests.benchmarks.fanout import Case
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import Stage

NAME = "reading"

RATES = (20, 200, 1_000)
CLIENTS = (0, 10)
SECONDS = 20.0
SETTLE_SECONDS = 1.0
WANTED_US, WANTED_SHARE, WANTED_RATE = 60, 0.03, 200

EXPLANATION = """\
Events on the bus with no client, and with ten that get each one in a frame of its own. *engine* and *publisher* are the
CPU time of the serving process and of Salt's event publisher for one event, in us; *core* is the engine as a share of
one core. The engine's CPU at rest is included."""


@dataclass(frozen=True)
class Cost:
    """The CPU seconds of one run."""

    rate: int
    clients: int
    events: int
    seconds: float
    engine: float
    publisher: float

    @property
    def engine_us(self) -> float:
        return 1e6 * self.engine / self.events

    @property
    def publisher_us(self) -> float:
        return 1e6 * self.publisher / self.events

    @property
    def core(self) -> float:
        return self.engine / self.seconds

    @property
    def row(self) -> list[str]:
        who = f"{self.clients} single" if self.clients else "none"
        return [who, f"{self.rate:,}", f"{self.engine_us:.0f}", f"{self.publisher_us:.0f}", f"{100 * self.core:.1f} %"]


def publisher_of(stage: Stage) -> psutil.Process:
    """Return the process of the master that serves its bus."""
    for process in psutil.Process(stage.master.pid).children(recursive=True):
        if "EventPublisher" in " ".join(process.cmdline()):
            return process
    raise RuntimeError("no process of the master is its event publisher")


def measure(stage: Stage, seconds: float = SECONDS) -> list[Cost]:
    """Measure each rate without clients, then with some."""
    engine, publisher, token, found = listening_on(stage.port), publisher_of(stage), stage.token(), []
    for clients in CLIENTS:
        for rate in RATES:
            case = Case("engine", clients, rate, seconds=seconds)
            with ExitStack() as stack:
                if clients:
                    how = fanout.how_to_listen(stage, case, token)
                    stack.enter_context(fanout.listeners(how, clients, case.count))
                time.sleep(SETTLE_SECONDS)
                began, before = time.monotonic(), (cpu_seconds(engine), cpu_seconds(publisher))
                fanout.fire(stage, rate, case.count)
                time.sleep(SETTLE_SECONDS)
                taken = time.monotonic() - began
                cost = [cpu_seconds(engine) - before[0], cpu_seconds(publisher) - before[1]]
            found.append(Cost(rate, clients, case.count, taken, *cost))
            print("  ".join(found[-1].row), flush=True)
    return found


def section_of(costs: list[Cost]) -> Section:
    section = Section(NAME, "The cost of an event that nobody wants")
    section.say(EXPLANATION)
    section.add(table(["clients", "events/s", "engine us", "publisher us", "core"], [cost.row for cost in costs]))
    for cost in costs:
        if not cost.clients and cost.rate >= WANTED_RATE:
            reached = cost.engine_us <= WANTED_US
            section.goal(f"us of the engine at {cost.rate:,}/s, at most", cost.engine_us, WANTED_US, reached)
        if not cost.clients and cost.rate == WANTED_RATE:
            section.goal("% of a core at 200/s, at most", 100 * cost.core, 3, cost.core <= WANTED_SHARE)
    return section


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reading", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="five seconds of each case")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    options = parser.parse_args()
    with Stage(minions=0, saltnado=False) as stage:
        section = section_of(measure(stage, 5.0 if options.quick else SECONDS))
    print(f"\n{section.markdown()}\n")
    if options.write:
        write([section])


if __name__ == "__main__":
    guarded(main)
