"""Minions that only exist on the master's bus, as a script: they return what jobs ask of them, each at its own speed.

It reads the announcements of jobs and fires returns, as the master's workers do. ``saltutil.find_job`` is answered at
once, so that Salt goes on waiting for a slow minion.

Arguments: one JSON object ``{config, pull, minions, first, last}``: the master's configuration file, its socket for
events, the ids, and the seconds after which the first and the last minion return. With ``late``, one minion in a
hundred returns after that many seconds more, and one in a hundred never. Prints ``{"ready": true}``, and runs until
it is killed.
"""

from __future__ import annotations

import heapq
import json
import socket
import sys
import time
from typing import Any

import salt.config
import salt.utils.event

from tests.benchmarks.returns import AT_ONCE, framed

FIND_JOB = "saltutil.find_job"
WAIT_SECONDS = 0.02  # how late a return may be
HUNDRED = 100


class Minions:
    """The simulated minions.

    :param delays: the seconds after which each returns
    """

    def __init__(self, delays: dict[str, float], pull: socket.socket) -> None:
        self._delays = delays
        self._pull = pull
        self._due: list[tuple[float, str, str, str]] = []  # when, job id, minion, function
        self._running: set[tuple[str, str]] = set()

    def start(self, job: dict[str, Any]) -> None:
        """Begin a job on its minions."""
        jid, fun, now = job["jid"], job["fun"], time.monotonic()
        minions = [minion for minion in job["minions"] if minion in self._delays]
        if fun == FIND_JOB:
            wanted = str(job["arg"][0])
            self._fire(
                framed(jid, minion, fun, {"jid": wanted, "pid": 1} if (wanted, minion) in self._running else {})
                for minion in minions
            )
            return
        for minion in minions:
            heapq.heappush(self._due, (now + self._delays[minion], jid, minion, fun))
            self._running.add((jid, minion))

    def return_what_is_due(self) -> None:
        """Fire the returns whose time has come."""
        returned = []
        while self._due and self._due[0][0] <= time.monotonic():
            _, jid, minion, fun = heapq.heappop(self._due)
            self._running.discard((jid, minion))
            returned.append(framed(jid, minion, fun, True))
        self._fire(returned)

    def _fire(self, frames: Any) -> None:
        waiting = list(frames)
        for start in range(0, len(waiting), AT_ONCE):
            self._pull.sendall(b"".join(waiting[start : start + AT_ONCE]))


def main(config: str, pull: str, minions: list[str], first: float, last: float, late: float = 0.0) -> None:
    """Answer jobs until this process is killed."""
    step = (last - first) / max(1, len(minions) - 1)
    delays = {minion: first + number * step for number, minion in enumerate(minions)}
    for number, minion in enumerate(minions if late else []):
        if number % HUNDRED == 0:
            del delays[minion]
        elif number % HUNDRED == 1:
            delays[minion] += late
    opts = salt.config.client_config(config)
    with (
        socket.socket(socket.AF_UNIX) as to_bus,
        salt.utils.event.get_event("master", opts=opts, listen=True) as from_bus,
    ):
        to_bus.connect(pull)
        fleet = Minions(delays, to_bus)
        from_bus.subscribe("salt/job/*/new", match_type="fnmatch")
        from_bus.connect_pub()
        print(json.dumps({"ready": True}), flush=True)
        while True:
            job = from_bus.get_event(WAIT_SECONDS, tag="salt/job/*/new", match_type="fnmatch")
            if job:
                fleet.start(job)
            fleet.return_what_is_due()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
