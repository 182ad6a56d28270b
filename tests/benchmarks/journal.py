"""Measure what the journal and the common log of masters cost, all in one run: `make bench-journal`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import resource
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.benchmarks import fanout, replay
from tests.benchmarks.fanout import Case, Outcome
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import CHECKOUT, Stage
from tests.support.redis_server import RedisServer
from tests.support.waiting import is_open, wait_until

NAME = "journal"
CASE = Case("engine", 100, 1000, bundle=True)
REPLAYED = 10_000
OTHER = "other master"


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much is measured."""

    case: Case
    pairs: int
    replayed: int


FULL = Extent(dataclasses.replace(CASE, seconds=10.0), pairs=7, replayed=REPLAYED)
QUICK = Extent(dataclasses.replace(CASE, seconds=3.0), pairs=2, replayed=REPLAYED)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.journal", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes instead of ten")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("starting four masters ...", flush=True)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wsr-"))
        redis = RedisServer(Path(folder))
        stack.callback(redis.kill)
        redis.start()
        stages = {
            name: stack.enter_context(
                Stage(minions=0, saltnado=False, options={"history": history}, master_opts={"id": f"bench_{name}"})
            )
            for name, history in histories(redis.url).items()
        }
        wait_until(lambda: "master_up{" in metrics_text(stages[OTHER]), "the other master", every=0.3)
        section = measure(stages, redis, QUICK if options.quick else FULL)
    print(f"\n{section.markdown()}\n")
    if options.write:
        write([section])


def histories(url: str) -> dict[str, dict[str, Any]]:
    """Return the option ``history`` of each master."""
    shared = {"store": "memory", "share": url}
    return {"memory": {"store": "memory"}, "disk": {"store": "disk"}, "redis": shared, OTHER: shared}


def metrics_text(stage: Stage) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{stage.port}/metrics", timeout=10) as response:
        return str(response.read().decode())


def measure(stages: dict[str, Stage], redis: RedisServer, extent: Extent) -> Section:
    """Run the same case with each way to keep events in turn, then restart the engine with a journal."""
    found: dict[str, list[Outcome]] = {name: [] for name in stages}
    of_redis: list[float] = []
    for number in range(extent.pairs + 1):
        for name in stages if number % 2 else reversed(stages):
            source = stages["redis"] if name == OTHER else None
            before = redis.cpu_seconds
            outcome = fanout.run(stages[name], extent.case, stages[name].token(), source)
            print("  ".join(row(name, [outcome])), flush=True)
            if number:  # the first one of each warms up
                found[name].append(outcome)
            if number and name == "redis":
                of_redis.append(1e6 * (redis.cpu_seconds - before) / outcome.case.count)
    load = [load_seconds(extent.replayed) for _ in range(5)]
    resumed = resume_seconds(stages["disk"], extent.replayed)
    section = Section(NAME, "The journal, and the common log")
    section.say(EXPLANATION)
    section.add(table(HEAD, [row(name, outcomes) for name, outcomes in found.items()]))
    rows = [line for name in stages if name != "memory" for line in compared(name, found)]
    rows += [
        ["CPU of Redis itself for an event, us", f"{statistics.median(of_redis):.0f}"],
        [f"read {extent.replayed:,} events at a start", f"{1000 * statistics.median(load):.0f} ms"],
        [
            f"replay of {extent.replayed:,} events after `kill -9`, from `subscribe` to the last",
            f"{1000 * resumed:.0f} ms",
        ],
    ]
    section.add(table(["what", "measured"], rows))
    more = 100 * (cpu_of(found["disk"]) / cpu_of(found["memory"]) - 1)
    section.goal("CPU of disk more than memory, %, at most", more, 5, more <= 5)
    total = 1000 * (statistics.median(load) + resumed)
    section.goal(f"ms to read and replay {extent.replayed:,} events, at most", total, 500, total <= 500)
    return section


def compared(name: str, found: dict[str, list[Outcome]]) -> list[list[str]]:
    """Return what a way to keep events costs more than memory alone."""
    ratios = [cpu_each(one) / cpu_each(memory) for memory, one in zip(found["memory"], found[name], strict=True)]
    late = [1000 * (latency(found[name], part) - latency(found["memory"], part)) for part in (0.5, 0.99)]
    return [
        [
            f"CPU of `{name}` more than `memory`, by medians",
            f"{100 * (cpu_of(found[name]) / cpu_of(found['memory']) - 1):+.1f} %",
        ],
        ["the same by pairs of runs", ", ".join(f"{100 * (ratio - 1):+.1f} %" for ratio in sorted(ratios))],
        [f"latency of `{name}` more than `memory`, p50 and p99", f"{late[0]:+.1f} ms, {late[1]:+.1f} ms"],
    ]


EXPLANATION = """\
Four masters: one engine with `history.store: memory`, one with `disk`, and two that share a Redis (`history.share`).
The same load runs on them in turn. `redis` has the clients where the events are; with `other master` the clients are at
the second one, which reads them from Redis. *CPU/event* is the CPU time of the process that serves the clients, for one
event of the bus, with all its deliveries and its threads."""

HEAD = ["store", "runs", "clients", "events/s", "delivered", "CPU/event us", "p50 ms", "p99 ms"]


def row(store: str, outcomes: list[Outcome]) -> list[str]:
    case = outcomes[0].case
    share = min(one.share for one in outcomes)
    p50, p99 = (1000 * latency(outcomes, part) for part in (0.5, 0.99))
    cpu = cpu_of(outcomes)
    figures = [f"{100 * share:.1f} %", f"{cpu:.0f}", f"{p50:.1f}", f"{p99:.1f}"]
    return [store, str(len(outcomes)), str(case.clients), f"{case.rate:,}", *figures]


def latency(outcomes: list[Outcome], part: float) -> float:
    """Return the median of a percentile, in seconds."""
    return statistics.median(one.percentile(part) or 0.0 for one in outcomes)


def cpu_of(outcomes: list[Outcome]) -> float:
    """Return the median of the CPU time for one event of the bus, in microseconds."""
    return statistics.median(cpu_each(one) for one in outcomes)


def cpu_each(one: Outcome) -> float:
    """Return the microseconds of CPU time for one event of the bus."""
    return 1e6 * one.server_cpu / one.case.count


def load_seconds(events: int) -> float:
    """Return how long a start takes to read a journal with this many events of 600 bytes."""
    sys.path.insert(0, str(CHECKOUT / "_engines"))  # the formula's folder has the same name as the engine's package
    from websocket_api.core.events.event import make
    from websocket_api.core.events.history import History
    from websocket_api.core.journal.journal import Batch
    from websocket_api.journaling import open_journal
    from websocket_api.salt_master.journal_file import JournalFile
    from websocket_api.settings import History as Limits

    with tempfile.TemporaryDirectory() as folder:
        opts, limits, now = {"cachedir": folder, "id": "master"}, Limits(store="disk"), time.time()
        opened = open_journal(opts, limits, now)
        assert isinstance(opened.file, JournalFile)
        made = [make(seq, f"bench/{seq}", {"x": "y" * 560}, now)[0] for seq in range(1, events + 1)]
        for first in range(0, events, 50):
            part = made[first : first + 50]
            opened.file.apply(Batch(entries=part, seq=part[-1].seq, oldest=1, time=now))
        opened.file.close()
        began = time.perf_counter()
        again = open_journal(opts, limits, now)
        assert again.restored is not None
        history = History(again.restored.epoch, events=limits.events, size=limits.bytes, seconds=limits.seconds)
        history.restore(again.restored, now)
        seconds = time.perf_counter() - began
        assert len(history) == events
        assert isinstance(again.file, JournalFile)
        again.file.close()
    return seconds


def resume_seconds(stage: Stage, events: int) -> float:
    """Return how long a client waits for its events after the engine was killed and started again."""
    token = stage.token()
    epoch, seq = replay.position(stage, token)
    fanout.fire(stage, replay.FILL_RATE, events)
    wait_until(lambda: replay.position(stage, token)[1] >= seq + events, "the reading of all events", every=0.3)
    time.sleep(1)  # more than the journal waits for
    killed = stage.engine_process()
    killed.kill()
    killed.wait()
    wait_until(lambda: is_open(stage.port), "the engine", every=0.1)
    return replay.once(stage, token, {"epoch": epoch, "seq": seq}, events)


if __name__ == "__main__":
    guarded(main)
