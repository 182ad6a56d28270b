"""Measure `salt-live` beside pepper and `salt` on one master: `make bench-client`."""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from dataclasses import dataclass

from tests.benchmarks.children import Child
from tests.benchmarks.guarded import guarded
from tests.benchmarks.programs import PEPPER, SALT, SALT_LIVE, Programs, Run
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import Stage

NAME = "command_lines"
MIB = 1024 * 1024

# The goals of the project for these figures.
OF_PEPPERS_PING = 0.6
OF_SALTS_PING = 1.0
OF_PEPPERS_FIRST_RETURN = 1 / 3

FLEET = 50
FIRST_SECONDS, LAST_SECONDS = 0.1, 5.0  # when the first and the last minion of the fleet returns
MANY = 5000
SIMULATED = r"(m\d{5})"


@dataclass(frozen=True)
class Extent:
    """How many runs of each command line are measured."""

    pings: int = 15
    fleets: int = 5
    many: int = 3


def in_turns(programs: Programs, target: str, shown: str, rounds: int) -> dict[str, list[Run]]:
    """Run all command lines in turns, so that other load affects all alike. The first round is not counted."""
    found: dict[str, list[Run]] = {name: [] for name in programs.names}
    for number in range(rounds + 1):
        for name in programs.names:
            ran = programs.run(name, target, shown)
            if number:
                found[name].append(ran)
    return found


def seconds(runs: list[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def first(runs: list[Run]) -> float:
    return statistics.median(run.first for run in runs)


def cpu(runs: list[Run]) -> float:
    return statistics.median(run.cpu for run in runs)


def pings(section: Section, programs: Programs, rounds: int) -> None:
    """Measure the shortest command."""
    found = in_turns(programs, "minion-*", r"(minion-\d)", rounds)
    section.say("`test.ping` on 2 minions that run on the same cores, from the start of the process to its exit.")
    base = seconds(found[PEPPER])
    rows = [
        [
            name,
            str(len(runs)),
            f"{1000 * seconds(runs):.0f}",
            f"{1000 * min(run.seconds for run in runs):.0f}",
            f"{1000 * cpu(runs):.0f}",
            f"{seconds(runs) / base:.2f}",
        ]
        for name, runs in found.items()
    ]
    section.add(table(["command line", "runs", "p50 ms", "least ms", "own CPU ms", "of pepper's p50"], rows))
    ours = seconds(found[SALT_LIVE])
    section.goal("test.ping, of pepper's time", ours / base, OF_PEPPERS_PING, ours < OF_PEPPERS_PING * base)
    salts = ours / seconds(found[SALT])
    section.goal("test.ping, of salt's time", salts, OF_SALTS_PING, salts < OF_SALTS_PING)


def fleet(section: Section, stage: Stage, programs: Programs, rounds: int) -> None:
    """Measure when the first of many returns is on the terminal, with minions of even and of uneven speed."""
    rows = []
    for last in (FIRST_SECONDS, LAST_SECONDS):
        with simulated(stage, FIRST_SECONDS, last):
            found = in_turns(programs, "m0*", SIMULATED, rounds)
        base = first(found[PEPPER])
        rows += [
            [
                name,
                f"{last:g}",
                str(min(run.texts for run in runs)),
                f"{first(runs):.2f}",
                f"{seconds(runs):.2f}",
                f"{first(runs) / base:.2f}",
            ]
            for name, runs in found.items()
        ]
    section.say(
        f"{FLEET} simulated minions: the first returns after {FIRST_SECONDS:g} s, the last one after the time in the "
        "second column, the others evenly between them. *First* is when the first return is on the terminal."
    )
    section.add(table(["command line", "last return, s", "shown", "first, s", "exit, s", "of pepper's first"], rows))
    ratio = first(found[SALT_LIVE]) / base
    section.goal(
        f"first return of {FLEET}, of pepper's time", ratio, OF_PEPPERS_FIRST_RETURN, ratio < OF_PEPPERS_FIRST_RETURN
    )


def many(section: Section, stage: Stage, programs: Programs, rounds: int) -> None:
    """Measure what the command lines themselves need for thousands of returns."""
    with simulated(stage, 0.0, 0.0):
        found = in_turns(programs, "m*", SIMULATED, rounds)
    section.say(f"{MANY:,} simulated minions that return at once: CPU time and peak memory of the command line itself.")
    rows = [
        [
            name,
            str(min(run.texts for run in runs)),
            f"{cpu(runs):.2f}",
            f"{max(run.peak for run in runs) / MIB:.0f}",
            f"{first(runs):.2f}",
            f"{seconds(runs):.2f}",
        ]
        for name, runs in found.items()
    ]
    section.add(table(["command line", "shown", "CPU s", "peak MiB", "first, s", "exit, s"], rows))


def simulated(stage: Stage, first: float, last: float) -> Child:
    """Start the simulated minions of a stage."""
    child = Child("simulated", pub=stage.pub, pull=stage.pull, minions=stage.accepted, first=first, last=last)
    child.answer(60)
    return child


def measure(extent: Extent) -> Section:
    section = Section(NAME, "Command lines")
    section.say(
        "`salt-live`, pepper 0.7.6 and `salt` on one master, in turns. pepper asks salt-api's rest_cherrypy, and in "
        "further runs this engine. Each kept its login from an earlier run; `salt` needs none. pepper does not find "
        "Salt on its machine, which makes it faster. The output goes to a terminal."
    )
    with Stage(minions=2, saltnado=False, cherrypy=True, keys=FLEET) as stage:
        programs = Programs(stage)
        print("measuring test.ping ...", flush=True)
        pings(section, programs, extent.pings)
        print("measuring first returns ...", flush=True)
        fleet(section, stage, programs, extent.fleets)
    with Stage(minions=0, saltnado=False, cherrypy=True, keys=MANY) as stage:
        print(f"measuring {MANY:,} returns ...", flush=True)
        many(section, stage, Programs(stage), extent.many)
    return section


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.command_lines", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs of each")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    began = time.monotonic()
    section = measure(Extent(3, 1, 1) if options.quick else Extent())
    print(section.markdown())
    if options.write:
        write([section])
    print(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    guarded(main)
