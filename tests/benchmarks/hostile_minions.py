"""Minions whose returns are hostile, on a master's bus, as a script.

Jobs are announced as a master does, for :data:`MINIONS` minions each. Half of these return before the announcement,
all in reverse order. Minions without the job return too; some return in another one's name. All return a second time,
and a third time after the end of the job, one of them with nearly 1 MiB, which is the largest event of a master.

Arguments: one JSON object ``{pull, minions, rate}``: the master's socket for events, the ids, and jobs per second.
Prints ``{"ready": true}`` at once. After ``flood`` on standard input, sends :data:`FLOOD` large returns as fast as the
bus takes them, and prints ``{"sent": N}``. After ``tell``, prints ``{"jobs": {JID: [MINION, ...]}, "returns": N,
"bytes": N}`` with the newest jobs. Runs until it is killed.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

from tests.benchmarks.returns import announced, framed

FUN = "test.hostile"
MINIONS = 10
FLOOD = 450
LARGE = "x" * (1024 * 1024 - 1024)
NEWEST = 50
"""Jobs that are reported: each of them must be right."""


def returns(jid: str, chosen: list[str], strangers: list[str]) -> Iterator[bytes]:
    """Yield the events of one job."""
    early, late = chosen[: MINIONS // 2], chosen[MINIONS // 2 :]
    yield from (framed(jid, minion, FUN, True) for minion in reversed(early))
    yield announced(jid, chosen, FUN)
    for stranger, minion in zip(strangers, late, strict=False):
        yield framed(jid, stranger, FUN, "for a job of others")
        yield framed(jid, minion, FUN, "in another one's name", sender=stranger)
    for text in (True, "a second time", "a third time"):
        yield from (framed(jid, minion, FUN, text) for minion in reversed(chosen))
    yield framed(jid, chosen[0], FUN, LARGE)


class Hostile:
    """Sends jobs at a rate."""

    def __init__(self, pull: socket.socket, minions: list[str]) -> None:
        self._pull = pull
        self._minions = minions
        self._jobs: dict[str, list[str]] = {}
        self._number = self._returns = self._bytes = 0

    def send(self) -> None:
        """Send one job with its returns."""
        chosen, strangers = self._choose()
        jid = _jid()
        self._fire(returns(jid, chosen, strangers))
        self._jobs[jid] = chosen
        if len(self._jobs) > NEWEST:
            del self._jobs[next(iter(self._jobs))]

    def flood(self) -> None:
        """Send large returns only, each minion's once."""
        for _ in range(FLOOD // MINIONS):
            jid, (chosen, _) = _jid(), self._choose()
            self._fire([announced(jid, chosen, FUN), *(framed(jid, minion, FUN, LARGE) for minion in chosen)])

    def _choose(self) -> tuple[list[str], list[str]]:
        """Return the minions of the next job, and others."""
        start = self._number * MINIONS % (len(self._minions) - 2 * MINIONS)
        self._number += 1
        middle = start + MINIONS
        return self._minions[start:middle], self._minions[middle : middle + MINIONS]

    def _fire(self, events: Iterable[bytes]) -> None:
        for event in events:
            self._pull.sendall(event)
            self._returns += 1
            self._bytes += len(event)

    @property
    def sent(self) -> dict[str, Any]:
        """What was sent."""
        return {"jobs": self._jobs, "returns": self._returns, "bytes": self._bytes}


def _jid() -> str:
    return datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S%f")


def main(pull: str, minions: list[str], rate: float) -> None:
    """Send until this process is killed."""
    with socket.socket(socket.AF_UNIX) as to_bus:
        to_bus.connect(pull)
        hostile, began, sent = Hostile(to_bus, minions), time.monotonic(), 0
        print(json.dumps({"ready": True}), flush=True)
        while True:
            if select.select([sys.stdin], [], [], max(0.0, began + sent / rate - time.monotonic()))[0]:
                if sys.stdin.readline().strip() == "flood":
                    hostile.flood()
                    print(json.dumps({"sent": FLOOD}), flush=True)
                else:
                    print(json.dumps(hostile.sent), flush=True)
                began, sent = time.monotonic(), 0
            hostile.send()
            sent += 1


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
