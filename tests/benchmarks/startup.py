"""How soon the engine listens, and its cost while nobody uses it."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
import urllib.error
import urllib.request

import psutil

from tests.benchmarks.report import Section, table
from tests.benchmarks.stage import Stage

NAME = "startup"

MIB = 1024 * 1024
LIFE_SECONDS = 6.0  # after a shorter life the supervisor waits before the next start


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
        rows.append(["from kill -9 of the serving process to an answer", median])
    rows += [[name, value] for name, value in rest.items()]
    supervisor = stage.engine_process().parent().memory_full_info()
    rows.append(["memory of the supervisor, not shared with others", f"{supervisor.uss / MIB:.1f} MiB"])
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
    """Kill the serving process and return how long a client waits for an answer of the next one."""
    time.sleep(LIFE_SECONDS)
    process = stage.engine_process()
    process.kill()
    process.wait(10)
    began = time.monotonic()
    with contextlib.suppress(urllib.error.HTTPError):  # 503 until it reads the bus is an answer too
        urllib.request.urlopen(f"http://127.0.0.1:{stage.port}/healthz", timeout=60).close()
    return time.monotonic() - began
