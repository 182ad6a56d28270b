"""Clients that come and go: each makes one visit after the other (visits.py), and what became of each is counted."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import random
import time
import traceback
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor

import websocket
from salt_live import SaltLiveError
from salt_live.errors import ApiError

from tests.benchmarks.visits import VISITS, Incomplete, Site, Unavailable
from tests.client import Closed, Refused
from tests.sse import Ended

PAUSE_SECONDS = 0.3  # at most, between two visits of one visitor
OUTCOMES = ("done", "refused", "lost", "incomplete", "failed")
LOST = (Closed, Ended, OSError, http.client.HTTPException, websocket.WebSocketException, SaltLiveError)


def outcome_of(error: Exception) -> str:
    """Return what became of a visit that raised this.

    ``refused``: the engine answered that it cannot serve now. ``lost``: the connection ended, or no answer in time.
    """
    if isinstance(error, (Unavailable, Refused, ApiError)):
        return "refused" if getattr(error, "retryable", True) else "failed"
    if isinstance(error, Incomplete):
        return "incomplete"
    return "lost" if isinstance(error, LOST) else "failed"


class Visitors:
    """Threads that make visits for a while.

    :param number: of threads
    """

    def __init__(self, port: int, number: int, chance: random.Random) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """By the name of the visit and its outcome."""
        self.faults: list[str] = []
        """What must not happen: all that failed, and in calm times all that was not done."""
        self._ends: deque[float] = deque()
        """When the newest visits ended."""
        self._port = port
        self._number = number
        self._chance = chance
        names = list(VISITS)
        chance.shuffle(names)
        self._names = itertools.cycle(names)
        self._threads = ThreadPoolExecutor(number)

    async def run(self, seconds: float, *, calm: bool) -> None:
        """Come and go for a time; return when all have left.

        :param calm: nothing happens to the master meanwhile
        """
        loop, end = asyncio.get_running_loop(), time.monotonic() + seconds
        chances = [random.Random(self._chance.random()) for _ in range(self._number)]
        visitors = (loop.run_in_executor(self._threads, self._visit, end, calm, chance) for chance in chances)
        await asyncio.gather(*visitors)

    def recent(self, seconds: float) -> int:
        """Return how many visits ended in the last seconds; earlier ones are forgotten."""
        while self._ends and self._ends[0] < time.monotonic() - seconds:
            self._ends.popleft()
        return len(self._ends)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _visit(self, end: float, calm: bool, chance: random.Random) -> None:
        while time.monotonic() < end:
            self._visit_once(next(self._names), Site(self._port, chance), calm)
            time.sleep(chance.uniform(0, PAUSE_SECONDS))

    def _visit_once(self, name: str, site: Site, calm: bool) -> None:
        try:
            VISITS[name](site)
        except Exception as error:  # noqa: BLE001 - counted, and reported at the end
            outcome = outcome_of(error)
            if calm or outcome == "failed":
                self.faults.append(f"{name}: {outcome}: {''.join(traceback.format_exception(error, limit=-3)).strip()}")
        else:
            outcome = "done"
        self.counts[name, outcome] += 1
        self._ends.append(time.monotonic())
