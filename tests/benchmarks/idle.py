"""The cost of an idle connection with a login."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from tests.benchmarks import fanout
from tests.benchmarks.children import listening_on
from tests.benchmarks.fanout import Case
from tests.benchmarks.stage import Stage

WARM_UP = 200  # connections that come and go first: what is made once only is not counted
SETTLE_SECONDS = 1.5


@dataclass(frozen=True)
class Idle:
    """A number of connections, and how many of them the engine counts."""

    connections: int
    held: int
    kib_each: float


def measure(stage: Stage, token: str, steps: tuple[int, ...]) -> list[Idle]:
    """Open more and more connections.

    Run this before all other benchmarks: memory that a busy engine has freed would hide the cost of connections.
    """
    said = fanout.how_to_listen(stage, Case("engine", 1, 1), token) | {"hello": "", "answered": ""}
    with fanout.listeners(said, WARM_UP, 0):
        time.sleep(SETTLE_SECONDS)
    engine = listening_on(stage.port)
    before, found, opened = engine.memory_info().rss, [], 0
    with contextlib.ExitStack() as stack:
        for step in steps:
            stack.enter_context(fanout.listeners(said, step - opened, 0))
            opened = step
            time.sleep(SETTLE_SECONDS)
            grown = engine.memory_info().rss - before
            held = int(fanout.metrics(stage).get("connections", 0))
            found.append(Idle(step, held, grown / 1024 / step))
    return found
