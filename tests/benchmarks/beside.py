"""Measure what the engine costs its master: `make bench-beside`, or `python -m tests.benchmarks.beside`.

Two masters with one minion each run at the same time, one of them with the engine. Commands go to both in turns.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import psutil

from tests.benchmarks import fanout, ways
from tests.benchmarks.children import Child
from tests.benchmarks.fanout import Case
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import AWAY, Stage

NAME = "beside"
CLIENTS, RATE = 100, 500
IDLE_TIMES, LOADED_TIMES = 1.02, 1.10
CHOICES = 2_000

EXPLANATION = """\
Two masters with one minion each on the same machine, one of them with the engine. Each way goes to both in turns, and
the figures are medians in ms. *95 %* is the range of the ratio over 2,000 random choices of the same pairs of
measurements (a bootstrap). *Loaded*: 100 clients of the engine get 500 events/s of its master in bundles; the other
master carries the same events. *Files* are the open files of all processes of a master but the engine's, *processes*
their number, before and after."""


def measure(stages: tuple[Stage, Stage], samples: int, calls: int) -> Section:
    """Measure both masters, at rest and under load."""
    section = Section(NAME, "What the engine costs its master")
    section.say(EXPLANATION)
    rows, before = [], [_files(stage) for stage in stages]
    with ExitStack() as stack:
        tokens = [stage.token() for stage in stages]
        jobs = [ways.local_client(stage, token, AWAY)(stack) for stage, token in zip(stages, tokens, strict=True)]
        pings = [partial(_ping, stage) for stage in stages]
        kinds: tuple[tuple[str, Sequence[Callable[[], object]], int], ...]
        kinds = (("LocalClient.run_job", jobs, samples), ("salt '*' test.ping", pings, calls))
        for load, limit in (("at rest", IDLE_TIMES), ("loaded", LOADED_TIMES)):
            with _loaded(stages, tokens[0]) if load == "loaded" else ExitStack():
                for name, both, number in kinds:
                    print(f"measuring {name}, {load}, {number} times each ...", flush=True)
                    pairs = _in_turns(both, number)
                    ours, alone = (statistics.median(one) for one in zip(*pairs, strict=True))
                    times, (low, high) = ours / alone, _range(pairs)
                    figures = [f"{1000 * ours:.1f}", f"{1000 * alone:.1f}", f"{times:.3f}", f"{low:.3f} to {high:.3f}"]
                    rows.append([name, load, *figures])
                    section.goal(f"{name}, {load}: times that without the engine", times, limit, times <= limit)
    section.add(table(["way", "load", "with the engine", "without", "ratio", "95 %"], rows))
    after = [_files(stage) for stage in stages]
    lines = [
        [who, f"{old[0]}, {new[0]}", f"{old[1]}, {new[1]}"]
        for who, old, new in zip(("with the engine", "without"), before, after, strict=True)
    ]
    section.add(table(["master", "files", "processes"], lines))
    return section


def _in_turns(both: Sequence[Callable[[], object]], number: int) -> list[tuple[float, float]]:
    """Return the seconds of each, measured in turns; which one is first changes every time."""
    pairs = []
    for turn in range(number + 1):
        taken = [0.0, 0.0]
        for which in (0, 1) if turn % 2 else (1, 0):
            began = time.perf_counter()
            both[which]()
            taken[which] = time.perf_counter() - began
        if turn:
            pairs.append((taken[0], taken[1]))
    return pairs


def _range(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Return between which ratios of the medians 95 of 100 random choices of the pairs are."""
    chance = random.Random(1)
    found = []
    for _ in range(CHOICES):
        ours, alone = zip(*chance.choices(pairs, k=len(pairs)), strict=True)
        found.append(statistics.median(ours) / statistics.median(alone))
    found.sort()
    return found[CHOICES // 40], found[-CHOICES // 40]


def _ping(stage: Stage) -> None:
    """Run the command line on the minion that runs here."""
    command = [
        sys.executable,
        stage.script("salt"),
        "-c",
        str(stage.config_dir),
        "-t",
        "60",
        stage.minion_ids[0],
        "test.ping",
    ]
    done = subprocess.run([*command, "--out=json"], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode or json.loads(done.stdout) != {stage.minion_ids[0]: True}:
        raise RuntimeError(f"salt ended with {done.returncode}: {done.stdout} {done.stderr}")


@contextmanager
def _loaded(stages: tuple[Stage, Stage], token: str) -> Iterator[None]:
    """Fire events on both buses, and let clients follow those of the first master."""
    case = Case("engine", CLIENTS, RATE, bundle=True)
    how = fanout.how_to_listen(stages[0], case, token)
    with ExitStack() as stack:
        stack.enter_context(fanout.listeners(how, CLIENTS, 0))
        for stage in stages:
            stack.enter_context(Child("sender", socket=fanout.socket_of_bus(stage), rate=RATE, count=10**7))
        time.sleep(1)
        yield


def _files(stage: Stage) -> tuple[int, int]:
    """Return the numbers of open files and processes of a master, without those of the engine."""
    master = psutil.Process(stage.master.pid)
    engine = set()
    if stage.engine:
        serving = stage.engine_process()
        engine = {serving.pid, serving.ppid()}
    processes = [one for one in [master, *master.children(recursive=True)] if one.pid not in engine]
    return sum(one.num_fds() for one in processes), len(processes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.beside", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few commands only")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    print("starting two masters ...", flush=True)
    with Stage(saltnado=False) as ours, Stage(saltnado=False, engine=False) as alone:
        section = measure((ours, alone), *((20, 4) if asked.quick else (300, 60)))
    print(f"\n{section.markdown()}\n")
    if asked.write:
        write([section])


if __name__ == "__main__":
    guarded(main)
