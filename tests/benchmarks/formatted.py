"""The cost of one change on `/formatted_events` by the number of jobs, compared with saltnado."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import statistics
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import salt.utils.event
import websocket

from tests.benchmarks.report import Section, table
from tests.benchmarks.stage import AWAY, Stage

NAME = "formatted"

ENGINE, SALTNADO = "this engine", "saltnado"
SIZES = (10, 1000)  # jobs there are
CHANGES = 11  # of which the median is told
PAUSE = 0.005  # seconds between two events: saltnado loses what comes closer together
PATIENCE = 60.0
GOAL = 1.1  # bytes with a thousand jobs, of those with ten


class Follower:
    """A client of one server, which counts the jobs that it receives."""

    def __init__(self, name: str, port: int, token: str) -> None:
        self.name = name
        if name == SALTNADO:
            # saltnado starts to read the bus at its first request over HTTP.
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            with contextlib.closing(connection):
                connection.request("GET", "/")
                connection.getresponse().read()
        self._ws = websocket.create_connection(f"ws://127.0.0.1:{port}/formatted_events/{token}", timeout=PATIENCE)
        self._ws.send("websocket client ready")
        self.jobs: set[str] = set()

    def read(self, seconds: float) -> tuple[int, dict[str, Any]] | None:
        """Return the size and the jobs of the next frame with jobs; None if none arrives in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._ws.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                text = self._ws.recv()
            except websocket.WebSocketTimeoutException:
                return None
            jobs = json.loads(text).get("jobs")
            if jobs is not None:
                self.jobs |= set(jobs)
                return len(text), jobs
        return None

    def drain(self, seconds: float = 0.5) -> None:
        """Read until no more frames arrive."""
        while self.read(seconds):
            pass

    def change(self, jid: str, minion: str) -> int | None:
        """Return the size of the frame with a minion's return."""
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            got = self.read(1.0)
            if got and got[1].get(jid, {}).get("minions", {}).get(minion, {}).get("return") is True:
                return got[0]
        return None

    def close(self) -> None:
        self._ws.close()


def measure(stage: Stage, options: argparse.Namespace) -> Section:
    """Fill both servers with jobs, and measure what they send for one return."""
    section = Section(NAME, "Bytes for one change of `/formatted_events`")
    token = stage.token()
    section.say(
        "Jobs on two minions each are fired on the master's bus; then one minion returns `true` for one of them. "
        f"The table has the length of the frame that a client gets for it, the median of {CHANGES}."
    )
    rows, found = [], {}
    servers = [(ENGINE, stage.port), *([(SALTNADO, stage.saltnado_port)] if stage.saltnado else [])]
    with _bus(stage) as bus:
        for place, (name, port) in enumerate(servers):
            with contextlib.closing(Follower(name, port, token)) as follower:
                for size, told, median in _measured(bus, follower, place * max(SIZES)):
                    found[name, size] = median
                    rows.append([name, f"{size:,}", f"{told:,}", f"{median:,.0f}" if median else "none came"])
    section.add(table(["server", "jobs", "of which it told", "bytes"], rows))
    few, many = (found[ENGINE, size] for size in SIZES)
    if few and many:
        ratio = many / few
        section.goal(f"bytes with {SIZES[1]:,} jobs, of those with {SIZES[0]}", ratio, GOAL, ratio <= GOAL)
    return section


def _measured(bus: Any, follower: Follower, first: int) -> Iterator[tuple[int, int, float | None]]:
    """Yield, for each number of jobs, how many the client received, and the size of a change.

    :param first: the number of the first job, because each server has its own jobs
    """
    follower.drain(2.0)
    jids: list[str] = []
    for size in SIZES:
        for number in range(len(jids), size):
            jids.append(_publish(bus, first + number))
            time.sleep(PAUSE)
        follower.drain()
        sizes = []
        for number in range(CHANGES):
            # Each return is one that the minion had not given yet: the last ones on the other minion.
            jid, minion = jids[-1 - number % len(jids)], "minion-1" if number < len(jids) else AWAY
            _return(bus, jid, minion)
            told = follower.change(jid, minion)
            if told is not None:
                sizes.append(told)
        yield size, len(follower.jobs & set(jids)), statistics.median(sizes) if sizes else None


@contextlib.contextmanager
def _bus(stage: Stage) -> Iterator[Any]:
    opts = stage.salt_opts()
    with salt.utils.event.get_event("master", sock_dir=opts["sock_dir"], opts=opts, listen=False) as bus:
        yield bus


def _publish(bus: Any, number: int) -> str:
    """Announce a job on the bus and return its jid."""
    jid = f"{datetime.now(timezone.utc):%Y%m%d%H%M%S}{number:06}"
    load = {"jid": jid, "fun": "test.ping", "arg": [], "tgt": "*", "tgt_type": "glob", "user": "demo", "missing": []}
    bus.fire_event({**load, "minions": ["minion-1", AWAY]}, f"salt/job/{jid}/new")
    return jid


def _return(bus: Any, jid: str, minion: str) -> None:
    load = {"cmd": "_return", "id": minion, "jid": jid, "fun": "test.ping", "return": True, "retcode": 0}
    bus.fire_event({**load, "success": True}, f"salt/job/{jid}/ret/{minion}")
