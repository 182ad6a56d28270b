"""Where the time of a `local` goes: until the master publishes, until the minion's return, and until the answer."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import threading
import time
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

import psutil

from tests.benchmarks import lows
from tests.benchmarks.lows import CHERRYPY, ENGINE, SALTNADO
from tests.benchmarks.report import Section, table
from tests.benchmarks.stage import Stage
from tests.benchmarks.timing import Times, at_once
from tests.benchmarks.ways import FUN, Open
from tests.support.waiting import wait_until

NAME = "local-times"

WARM_UP = 5

ONE = """\
The same `local` as above, from one client; the servers take turns. Salt stamps the events of a job: *publish* is the
time from the request to the event that announces the job, *minion* from there to the event with the minion's return,
*answer* from there to the answer at the client. Medians, in ms."""
MANY = """\
CPU time for one `local` of {clients} clients at once, in ms of one core: of the server, of Salt's master, of the minion
with the processes that it forks for each job, and of the measuring clients. The machine has {cores} cores, so a minion
and a master that need *n* ms together allow at most {cores},000 / *n* answers a second."""


class Stamps:
    """The times of the events of jobs on the master's bus, as Salt stamped them; a context manager."""

    def __init__(self, opts: dict[str, Any]) -> None:
        self._opts = opts
        self._found: dict[str, dict[str, float]] = {}
        self._ending = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Stamps:
        self._thread.start()
        self._ready.wait(30)
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        self._thread.join(30)

    def clear(self) -> None:
        self._found.clear()

    def of_one(self) -> tuple[float, float]:
        """Return when the only job since :meth:`clear` was announced, and when its minion returned."""
        (found,) = wait_until(lambda: [one for one in list(self._found.values()) if len(one) == 2], "a job's events")
        return found["new"], found["ret"]

    def _listen(self) -> None:
        import salt.utils.event

        opts = self._opts
        with salt.utils.event.get_event("master", sock_dir=opts["sock_dir"], opts=opts, listen=True) as bus:
            self._ready.set()
            while not self._ending.is_set():
                event = bus.get_event(wait=0.2, tag="salt/job/", full=True)
                if event is None or event["data"].get("fun") != FUN:
                    continue
                jid, kind = event["tag"].split("/")[2:4]
                if kind in ("new", "ret"):
                    self._found.setdefault(jid, {})[kind] = _seconds(event["data"]["_stamp"])


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).replace(tzinfo=timezone.utc).timestamp()


class Processes:
    """The CPU time of the parts of a stage."""

    def __init__(self, stage: Stage) -> None:
        engine, supervisor = stage.engine_process(), stage.engine_process().parent()
        master, *others = (psutil.Process(one.pid) for one in stage.processes)
        minion, api = others[0], others[-1]
        self._trees = {
            "engine": ([engine], []),
            "salt-api": ([api], []),
            "master": ([master], [engine, supervisor]),
            "minion": ([minion], []),
            "clients": ([psutil.Process()], [master, *others]),
        }

    def seconds(self) -> dict[str, float]:
        """Return the CPU seconds of each part so far, with those of its processes that have ended."""
        return {name: _family(roots, without) for name, (roots, without) in self._trees.items()}


def _family(roots: list[psutil.Process], without: list[Any]) -> float:
    family = [each for root in roots for each in (root, *root.children(recursive=True))]
    excluded = {each.pid for root in without for each in (root, *root.children(recursive=True))}
    total = 0.0
    for process in family:
        if process.pid not in excluded:
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])
    return total


def measure(stage: Stage, options: argparse.Namespace) -> Section:
    """Measure one client, then the CPU time of many."""
    section = Section(NAME, "Where the time of a `local` goes")
    missed: list[Any] = []
    low = {"client": "local", "tgt": stage.minion_ids[0], "fun": FUN}
    ports = {ENGINE: stage.port, SALTNADO: stage.saltnado_port, CHERRYPY: stage.cherrypy_port}
    ways = {name: lows.way(port, low, missed) for name, port in ports.items()}
    section.say(ONE)
    section.add(table(["server", "publish", "minion", "answer", "all"], _one(stage, ways, options.samples // 3)))
    section.say(MANY.format(clients=options.clients, cores=psutil.cpu_count()))
    head = ["server", "its own", "master", "minion", "clients", "all", "answers/s"]
    section.add(table(head, _many(stage, ways, options)))
    return section


def _one(stage: Stage, ways: dict[str, Open], samples: int) -> list[list[str]]:
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    with ExitStack() as stack, Stamps(stage.salt_opts()) as stamps:
        calls = {name: open_one(stack) for name, open_one in ways.items()}
        for number in range(WARM_UP + samples):
            for name, call in calls.items():
                stamps.clear()
                began = time.time()
                call()
                ended = time.time()
                new, ret = stamps.of_one()
                if number >= WARM_UP:
                    found[name].append([new - began, ret - new, ended - ret, ended - began])
    return [
        [name, *(f"{1000 * statistics.median(column):.1f}" for column in zip(*rows, strict=True))]
        for name, rows in found.items()
    ]


def _many(stage: Stage, ways: dict[str, Open], options: argparse.Namespace) -> list[list[str]]:
    processes, rows = Processes(stage), []
    for name, open_one in ways.items():
        before = processes.seconds()
        times = at_once({name: open_one}, options.clients, options.seconds, 1)[name]
        spent = {part: seconds - before[part] for part, seconds in processes.seconds().items()}
        rows.append([name, *_cpu(name, spent, times, options.clients)])
    return rows


def _cpu(name: str, spent: dict[str, float], times: Times, clients: int) -> list[str]:
    answers = len(times.samples) + clients  # each client's first request is not among the samples
    own = spent["engine" if name == ENGINE else "salt-api"]
    parts = [own, spent["master"], spent["minion"], spent["clients"]]
    return [*(f"{1000 * seconds / answers:.0f}" for seconds in (*parts, sum(parts))), f"{times.per_second:.1f}"]
