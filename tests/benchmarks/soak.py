"""Use an engine for an hour, and look whether anything grows or is lost: `make soak`.

Rounds follow each other. In each, clients of all protocols come and go (visits.py), while others follow numbered events
from the start to the end. In every second round the master is disturbed (faults.py). After each, when all visitors have
left, the figures of the engine are read (figures.py). In the first half the engine is reloaded again and again. In the
second one process serves all the time, so that what only grows in an old process shows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).resolve().parents[2] / name) for name in ("tools", "_engines")]

from children import Signals, run_guarded

from tests.benchmarks import figures
from tests.benchmarks.accounts import Sum
from tests.benchmarks.children import until_stopped
from tests.benchmarks.faults import Faults
from tests.benchmarks.flat import READINGS, Course, courses
from tests.benchmarks.log_lines import unexpected
from tests.benchmarks.masters import One
from tests.benchmarks.numbered import Numbered
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.visitors import OUTCOMES, Visitors
from tests.benchmarks.visits import VISITS
from tests.integration.conftest import CLIENTS as SALT_CLIENTS

NAME = "soak"
LEAST_MINUTES, MOST_MINUTES = 5.0, 120.0
CLIENTS = 4  # that follow all the time
VISITORS = 5  # at the same time
RATE = 50  # numbered events/s
ROUND_SECONDS = 12.0
FAULTS_SECONDS = 9.0  # of a round in which things happen
MORE_SECONDS = 300.0  # that a part may last longer on a loaded machine, to have enough readings
REST_SECONDS = 120.0  # within which all visitors' connections are gone
WARM_UP_SECONDS, WARM_UP_SHARE = (75.0, 600.0), 0.2  # at least and at most, and of the whole time
KEEP_SECONDS = 300  # for which Salt keeps jobs and logins
BATCH_SECONDS = 60  # for which the engine keeps batches
MINION_SECONDS = 30  # within which minions return on a loaded machine
SHOWN = 20  # faults that are printed

AT_RANDOM = {"lose the bus": 3, "stop the publisher": 2, "stop the serving process": 2, "cut": 3}
PARTS = {"with reloads": ["reload"], "one process": []}
"""The two halves, and what happens in each second round of them besides what happens at random."""
EXPECTED = (r"Task was destroyed but it is pending!\s+task: .*PubServer\._drain_loop",)
"""Entries of the log that the faults explain: Salt's publisher logs this when a listener is gone."""


class Soaked(One):
    """A master whose bounds are so low that all are reached while it warms up."""

    def __init__(self) -> None:
        super().__init__(history={"store": "disk", "events": 2000}, share=False, saltnado=False)

    def _common(self, address: str) -> dict[str, Any]:
        options = super()._common(address)
        (engine,) = (one["websocket_api"] for one in options["engines"])
        engine |= {"limits": {"jobs": 100}, "batch_keep": BATCH_SECONDS / 86_400}
        keep = {"keep_jobs_seconds": KEEP_SECONDS, "token_expire": KEEP_SECONDS, "loop_interval": 5}
        patience = {"timeout": MINION_SECONDS, "gather_job_timeout": MINION_SECONDS}
        return {**options, **keep, **patience, "netapi_enable_clients": list(SALT_CLIENTS)}

    def log_lines(self) -> list[str]:
        """Return what the master has logged."""
        path = self.root / f"master-{self.addresses[0]}" / "var/log/salt/master"
        return path.read_text(encoding="utf-8", errors="replace").splitlines()


@dataclass
class Run:
    """What a run has found."""

    minutes: float
    readings: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    """After the warm-up, by the part."""
    faults: Counter[str] = field(default_factory=Counter)
    visits: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Visits that failed, and times at which the engine did not come to rest."""
    sent: int = 0
    events: Sum = field(default_factory=Sum)
    connections: int = 0
    log: list[str] = field(default_factory=list)

    @property
    def warm_up(self) -> float:
        """The seconds that are not judged, at the start of each part."""
        least, most = WARM_UP_SECONDS
        return max(least, min(most, WARM_UP_SHARE * self.minutes * 60))


async def soak(masters: Soaked, run: Run, chance: random.Random) -> None:
    """Do a run, and note what it finds."""
    numbered = Numbered(masters, RATE, CLIENTS)
    visitors = Visitors(masters.port, VISITORS, chance)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(visitors.close)
        await numbered.start(stack)
        for number, (name, always) in enumerate(PARTS.items()):
            faults = Faults(masters, chance, AT_RANDOM)
            # The second part's process has warmed up in the last reload's round; its caches fill in half of the time.
            judged = time.monotonic() + run.warm_up / (number + 1)
            end = time.monotonic() + run.minutes * 60 / len(PARTS)
            run.readings[name] = []
            calm = False
            while time.monotonic() < end or (
                len(run.readings[name]) < READINGS and time.monotonic() < end + MORE_SECONDS
            ):
                await _round(visitors, faults, always, calm=calm)
                numbered.check()
                calm = not calm
                reading = await _at_rest(masters, run, visitors)
                if reading and time.monotonic() > judged:
                    run.readings[name].append(reading)
            run.faults += faults.done
        await numbered.finish()
        run.sent = sum(numbered.sent.values())
        run.events = sum((account.close(numbered.sent) for account in numbered.accounts), Sum())
        run.connections = sum(client.connections for client in numbered.clients)
    run.visits = visitors.counts
    run.wrong += visitors.faults
    run.log = unexpected(masters.log_lines(), EXPECTED)


async def _round(visitors: Visitors, faults: Faults, always: list[str], *, calm: bool) -> None:
    happening = [] if calm else [faults.run(FAULTS_SECONDS), *map(faults.do, always)]
    await asyncio.gather(visitors.run(ROUND_SECONDS, calm=calm), *happening)


async def _at_rest(masters: Soaked, run: Run, visitors: Visitors) -> dict[str, float]:
    """Wait until only the clients that stay are connected to the only process, and return the figures then."""
    deadline, found, fault = time.monotonic() + REST_SECONDS, dict[str, float](), ""
    while time.monotonic() < deadline:
        try:
            found = await asyncio.to_thread(figures.read, masters, 0, visitors.recent(KEEP_SECONDS))
        except (OSError, ValueError, figures.Gone) as error:  # the process changes, or does not answer yet
            fault = f"{type(error).__name__}: {error}"
        else:
            fault = f"{found}"
            if (found["open connections"], found["supervisor, children"]) == (CLIENTS, 1):
                return found
        await asyncio.sleep(0.5)
    run.wrong.append(f"no rest after a round: {fault}")
    return {}


def report(run: Run) -> Section:
    """Return the counts as text, with their goals."""
    section = Section(NAME, "An hour's soak")
    section.say(
        f"For {run.minutes:g} minutes {VISITORS} clients at a time come and go, of all protocols, while {CLIENTS} "
        f"follow {RATE} numbered events/s. In every second round of {ROUND_SECONDS:g} s things happen to the master: "
        "in the first half also reloads, in the second half one process serves all the time. In the others every visit "
        "must succeed. The figures are read after each round, when all visitors have left, from "
        f"{run.warm_up / 60:.1f} minutes on, and compared: the medians of the first and the last third."
    )
    section.add(table(["visit", *OUTCOMES], [_visits(run, name) for name in VISITS]))
    section.add(table(["what happened", "times"], [[what, f"{run.faults[what]:,}"] for what in sorted(run.faults)]))
    events = run.events
    rows = [
        ["events sent to each", f"{run.sent:,}"],
        ["connections", f"{run.connections:,}"],
        ["events delivered, all", f"{events.delivered:,}"],
        ["events in gaps, all", f"{events.named:,}"],
    ]
    section.add(table(["clients that stay", "count"], rows))
    judged = {name: courses(readings, figures.LIMITS) for name, readings in run.readings.items()}
    for name, found in judged.items():
        section.say(f"The half {name}, {len(run.readings[name])} readings:")
        head = ["figure", "first third", "last third", "most", "may grow by", ""]
        section.add(table(head, [_row(course) for course in found]))
    growing = sum(not course.is_flat for found in judged.values() for course in found)
    for what, number in (
        ("figures that are not flat", growing),
        ("events unaccounted for", events.lost),
        ("events delivered twice", events.twice),
        ("events out of order", events.late),
        ("events at two positions", events.strayed),
        ("kinds of visits that were never done", sum(not run.visits[name, "done"] for name in VISITS)),
        ("visits that failed, or were not done in a calm round", len(run.wrong)),
        ("unexpected errors in the log", len(run.log)),
    ):
        section.count(what, number, 0)
    return section


def _visits(run: Run, name: str) -> list[str]:
    return [name, *(f"{run.visits[name, outcome]:,}" for outcome in OUTCOMES)]


def _row(course: Course) -> list[str]:
    numbers = (course.start, course.end, course.most, course.limit)
    return [course.name, *(f"{number:,.1f}" for number in numbers), "flat" if course.is_flat else "GROWS"]


def main(signals: Signals) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it lasts, 5 to 120 (%(default)s)")
    parser.add_argument("--seed", type=int, help="choose the same faults as an earlier run")
    parser.add_argument("--keep-logs", metavar="FOLDER", type=Path, help="copy the master's log to a folder")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/benchmarks.md")
    options = parser.parse_args()
    if not LEAST_MINUTES <= options.minutes <= MOST_MINUTES:
        parser.error(f"--minutes must be from {LEAST_MINUTES:g} to {MOST_MINUTES:g}")
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    logging.basicConfig(level=logging.ERROR)
    print(f"seed {seed}; starting a master ...", flush=True)
    run = Run(options.minutes)
    masters = Soaked()
    with masters.running(options.keep_logs):
        work = soak(masters, run, random.Random(seed))
        asyncio.run(until_stopped(work, lambda: signals.received))
    section = report(run)
    print(f"\n{section.markdown()}\n")
    for fault in [*run.wrong[:SHOWN], *run.log[:SHOWN]]:
        print(f"{fault}\n", flush=True)
    if options.write:
        write([section])
    return int(bool(section.failures))


if __name__ == "__main__":
    sys.exit(run_guarded(main))
