"""To whom a process of a benchmark belongs, by its command line, which Salt changes to a title."""

from __future__ import annotations

ENGINE, PUBLISHER, WORKERS = "engine", "Salt's publisher", "Salt's workers"
OTHERS, CLIENTS, SIMULATED = "Salt's other processes", "clients", "simulated minions, sender"
WHO = (ENGINE, PUBLISHER, WORKERS, OTHERS, CLIENTS, SIMULATED)
SALTS = {"EventPublisher": PUBLISHER, "MWorker-": WORKERS}
"""By a part of the process's title."""
MINE = {"tests.benchmarks.simulated": SIMULATED, "tests.benchmarks.sender": SIMULATED}
"""By an argument; all other processes of the benchmark are clients, also its first one."""


def who_is(title: list[str], *, salts: bool) -> str:
    """Return to whom a process belongs by its title.

    :param title: its command line
    :param salts: it is one of Salt's master, else of the benchmark
    """
    text = " ".join(title)
    kinds, other = (SALTS, OTHERS) if salts else (MINE, CLIENTS)
    return next((who for part, who in kinds.items() if part in text), other)
