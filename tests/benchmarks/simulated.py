"""Minions that only exist on the master's bus, as a script: they return what jobs ask of them, each at its own speed.

It reads the announcements of jobs and fires returns, as the master's workers do. ``saltutil.find_job`` is answered at
once, so that Salt goes on waiting for a slow minion.

Arguments: one JSON object ``{pub, pull, minions, first, last}``: the master's sockets for its events, the ids, and the
seconds after which the first and the last minion return. With ``late``, one minion in a hundred returns after that many
seconds more, and one in a hundred never. Prints ``{"ready": true}``, and runs until it is killed.
"""

from __future__ import annotations

import heapq
import json
import re
import select
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgpack

from tests.benchmarks.returns import AT_ONCE, framed

FIND_JOB = "saltutil.find_job"
WAIT_SECONDS = 0.02  # how late a return may be
HUNDRED = 100
CHUNK = 1 << 18
FRAME_BYTES = 1 << 28
ANNOUNCEMENT = re.compile(rb"salt/job/\d+/new\n\n")


class Bus:
    """The master's events, of which only the announcements of jobs are unpacked.

    :param pub: is connected to ``master_event_pub.ipc``
    """

    def __init__(self, pub: socket.socket) -> None:
        pub.setblocking(False)
        self._pub = pub
        self._unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=FRAME_BYTES)

    def wait(self, seconds: float | None) -> None:
        """Return when there are events, or after this time."""
        select.select([self._pub], [], [], seconds)

    def jobs(self) -> Iterator[dict[str, Any]]:
        """Yield the announced jobs of the events that are there.

        :raises EOFError: the master has closed its bus
        """
        while True:
            try:
                chunk = self._pub.recv(CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                raise EOFError("the master closed its event bus")
            self._unpacker.feed(chunk)
            for frame in self._unpacker:
                body = frame[b"body"]
                if found := ANNOUNCEMENT.match(body):
                    yield msgpack.unpackb(body[found.end() :], raw=False, strict_map_key=False)


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

    @property
    def seconds_left(self) -> float | None:
        """The time until the next return is due; None if none is."""
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def return_what_is_due(self) -> None:
        """Fire the returns whose time has come."""
        returned = []
        while self._due and self._due[0][0] <= time.monotonic():
            _, jid, minion, fun = heapq.heappop(self._due)
            self._running.discard((jid, minion))
            returned.append(framed(jid, minion, fun, True))
        self._fire(returned)

    def _fire(self, frames: Iterable[bytes]) -> None:
        waiting = list(frames)
        for start in range(0, len(waiting), AT_ONCE):
            self._pull.sendall(b"".join(waiting[start : start + AT_ONCE]))


def main(pub: str, pull: str, minions: list[str], first: float, last: float, late: float = 0.0) -> None:
    """Answer jobs until this process is killed."""
    step = (last - first) / max(1, len(minions) - 1)
    delays = {minion: first + number * step for number, minion in enumerate(minions)}
    for number, minion in enumerate(minions if late else []):
        if number % HUNDRED == 0:
            del delays[minion]
        elif number % HUNDRED == 2:
            delays[minion] += late
    with socket.socket(socket.AF_UNIX) as to_bus, socket.socket(socket.AF_UNIX) as from_bus:
        to_bus.connect(pull)
        from_bus.connect(pub)
        bus, fleet = Bus(from_bus), Minions(delays, to_bus)
        print(json.dumps({"ready": True}), flush=True)
        before = 0.0
        while True:
            bus.wait(fleet.seconds_left)
            # Events and returns that follow each other quickly share a turn.
            time.sleep(max(0.0, before + WAIT_SECONDS - time.monotonic()))
            before = time.monotonic()
            for job in bus.jobs():
                fleet.start(job)
            fleet.return_what_is_due()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
