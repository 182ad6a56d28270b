"""The role of a process in a benchmark, by its command line, which Salt replaces by a title."""

from __future__ import annotations

ENGINE, PUBLISHER, WORKERS = "engine", "Salt's publisher", "Salt's workers"
OTHERS, CLIENTS, SIMULATED = "Salt's other processes", "clients", "simulated minions, sender"
ROLES = (ENGINE, PUBLISHER, WORKERS, OTHERS, CLIENTS, SIMULATED)
SALTS = {"EventPublisher": PUBLISHER, "MWorker-": WORKERS}
"""Roles by a part of the process title."""
MINE = {"tests.benchmarks.simulated": SIMULATED, "tests.benchmarks.sender": SIMULATED}
"""Roles by an argument. All other processes of the benchmark are clients, also its first one."""


def role_of(title: list[str], *, salts: bool) -> str:
    """Return the role of a process.

    :param title: its command line
    :param salts: whether it belongs to Salt's master, not to the benchmark
    """
    text = " ".join(title)
    kinds, other = (SALTS, OTHERS) if salts else (MINE, CLIENTS)
    return next((role for part, role in kinds.items() if part in text), other)
