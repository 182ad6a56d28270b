"""What an engine uses while only the clients that stay are connected: its processes, its gauges, its files."""

from __future__ import annotations

import contextlib
import os
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.benchmarks.flat import Limit
from tests.benchmarks.masters import Masters

MIB = 1024 * 1024
MEMORY = Limit(6, share=0.06)
LIMITS = {
    "serving process, resident MiB": MEMORY,
    "serving process, proportional MiB": MEMORY,
    "serving process, descriptors": Limit(2),
    "serving process, threads": Limit(8),  # its pools start threads when they need them
    "supervisor, resident MiB": Limit(2),
    "supervisor, proportional MiB": Limit(6),  # a share of pages that fewer or more processes have
    "supervisor, descriptors": Limit(0),
    "supervisor, threads": Limit(0),
    "supervisor, children": Limit(0),
    "open connections": Limit(0),
    "open subscriptions": Limit(0),
    "bytes that users take": Limit(1024),
    "jobs in memory": Limit(20, share=0.1),
    "events in memory": Limit(50, share=0.1),
    "files": Limit(20, share=0.1),
    "files a visit": Limit(3, share=0.5),
    "MiB": Limit(1, share=0.2),
}
"""How much each figure may grow."""


class Gone(Exception):
    """The engine's processes are not there now."""


SALTS_OWN = ("jobs", "tokens")
"""Folders where each visit leaves files, which Salt removes after a while."""
GAUGES = {
    "websocket_api_connections": "open connections",
    "websocket_api_subscriptions": "open subscriptions",
    "websocket_api_user_memory_bytes": "bytes that users take",
    "websocket_api_jobs": "jobs in memory",
    "websocket_api_history_events": "events in memory",
}


def gauges(port: int) -> dict[str, float]:
    """Return those of the engine's metrics that can grow; those with labels as a sum."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    found: Counter[str] = Counter()
    for line in lines:
        name, _, value = line.rpartition(" ")
        if shown := GAUGES.get(name.partition("{")[0]):
            found[shown] += float(value)  # type: ignore[assignment]
    return {name: float(found[name]) for name in GAUGES.values()}


def read(masters: Masters, number: int, visits: int) -> dict[str, float]:
    """Return all figures of a master's engine.

    :param visits: visits in the time for which Salt keeps jobs and logins, which are as many
    :raises Gone: its processes change meanwhile
    """
    processes = masters.engine(number)
    if len(processes) != 2:
        raise Gone(f"{len(processes)} processes listen")
    supervisor, serving = processes
    try:
        found = {**_of_process("serving process", serving), **_of_process("supervisor", supervisor)}
        found["supervisor, children"] = len(supervisor.children())
    except psutil.Error as error:
        raise Gone(str(error)) from error
    return {**found, **gauges(masters.port), **_of_files(masters.cache_folder(number), visits)}


def _of_process(name: str, process: psutil.Process) -> dict[str, float]:
    memory = process.memory_full_info()
    return {
        f"{name}, resident MiB": memory.rss / MIB,
        f"{name}, proportional MiB": memory.pss / MIB,
        f"{name}, descriptors": process.num_fds(),
        f"{name}, threads": process.num_threads(),
    }


def _of_files(folder: Path, visits: int) -> dict[str, float]:
    """Return the number of files of each folder of a cache, and their size if they are the engine's."""
    found: Counter[str] = Counter()
    for parts, size in _files(folder):
        top = parts[0] if len(parts) > 1 else "itself"
        found[f"files: {top}"] += 1
        if top.startswith("websocket_api"):
            found[f"MiB: {top}"] += size / MIB  # type: ignore[assignment]
    for name in SALTS_OWN:
        found[f"files a visit: {name}"] = found.pop(f"files: {name}", 0) / max(1, visits)  # type: ignore[assignment]
    return {name: float(value) for name, value in found.items()}


def _files(folder: Path) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the path and the size of each file; some are removed meanwhile."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            with contextlib.suppress(OSError):
                yield path.relative_to(folder).parts, path.stat().st_size
