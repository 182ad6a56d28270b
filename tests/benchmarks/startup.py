"""How soon the engine listens, and its cost while nobody uses it."""

from __future__ import annotations

import argparse
import statistics
import time

import psutil

from tests.benchmarks.report import Section, table
from tests.benchmarks.stage import Stage
from tests.support.waiting import is_open, wait_until

NAME = "startup"

MIB = 1024 * 1024


def measure(stage: Stage, options: argparse.Namespace) -> Section:
    """Measure the start with the master, starts of the engine alone, and memory and CPU at rest."""
    section = Section(NAME, "Start and rest")
    process = stage.engine_process()
    rest = _at_rest(process, options.rest)
    alone = [_start_again(stage) for _ in range(options.starts)]
    first = stage.started["engine process to listening"]
    rows = [
        ["from the master's start to listening", f"{stage.started['master to listening']:.1f} s"],
        ["from the engine's process to listening, with the master's start", f"{first:.1f} s"],
    ]
    if alone:
        median = f"{statistics.median(alone):.1f} s (median of {len(alone)})"
        rows.append(["from the engine's process to listening, master running", median])
    rows += [[name, value] for name, value in rest.items()]
    section.add(table(["what", "measured"], rows))
    return section


def _at_rest(process: psutil.Process, seconds: float) -> dict[str, str]:
    process.cpu_percent()
    time.sleep(seconds)
    cpu = process.cpu_percent()
    memory = process.memory_full_info()
    return {
        "resident memory at rest": f"{memory.rss / MIB:.0f} MiB",
        "of it its own, not shared with the master": f"{memory.uss / MIB:.0f} MiB",
        f"CPU at rest, over {seconds:.0f} s": f"{cpu:.1f} % of one core",
    }


def _start_again(stage: Stage) -> float:
    """Kill the engine's process and return how long the next one took to listen. Salt starts it within 10 s."""
    stage.engine_process().kill()
    wait_until(lambda: not is_open(stage.port), "the end of the engine")
    wait_until(lambda: is_open(stage.port), "the engine's return", every=0.01)
    return time.time() - stage.engine_process().create_time()
