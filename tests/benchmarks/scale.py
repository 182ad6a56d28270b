"""Measure a large fleet with many clients: `make bench-scale`, or `python -m tests.benchmarks.scale --help`.

Accepted keys with cached grains stand for minions. A process returns what jobs ask of them, as the master's workers do.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import resource
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.benchmarks import misbehaving
from tests.benchmarks.children import cpu_seconds
from tests.benchmarks.fanout import percentile
from tests.benchmarks.fleet_load import COMMANDS, JOB_SECONDS, LAST_SECONDS, LATE_SECONDS, Extent, latencies, under_load
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.requesters import POLL_SECONDS, Commands, Pollers
from tests.benchmarks.stage import SECRET, USER, Stage
from tests.benchmarks.wire import connected, text_frame
from tests.client import Client
from tests.support.reloading import request_reload
from tests.support.waiting import wait_until

NAME, HOSTILE, RATE = "scale", "hostile", "scale_rate"
# The goals of the project for these figures.
P99_SECONDS, COMMAND_TIMES, MEMORY_MIB, GROWTH_MIB = 0.5, 1.3, 400, 20
CONSOLES_SECONDS = 1.0
ROUNDS = 5  # reloads
FLEETS, RATES = (100, 100_000), (10, 5_000)  # that can be asked for: at least, at most
CONSOLE: tuple[dict[str, Any], ...] = (
    {"subscription": "minions", "grains": ["os", "osrelease", "saltversion", "roles"]},
    {"subscription": "batch"},
)
REST_SECONDS = 60.0  # maximum wait until the engine is idle
Positions = list[dict[str, Any]]

QUICK = Extent(1_000, 60, 25, 10, 5, 5, rate=100, seconds=15.0, stuck=100, consoles=100, leaving=20)


class FleetStage(Stage):
    """A master with the cached grains of all its minions."""

    def _accept_the_one_that_is_away(self) -> None:
        super()._accept_the_one_that_is_away()
        import salt.cache

        cache = salt.cache.factory(self.salt_opts())
        for number, name in enumerate(self.accepted):
            grains = {
                "id": name,
                "os": "Debian",
                "osrelease": "12",
                "saltversion": "3008.3",
                "roles": ["web", number % 7],
            }
            cache.store("grains", name, {**grains, "ipv4": [f"10.0.{number // 250}.{number % 250}"], "fill": "x" * 500})


def measure(stage: Stage, extent: Extent) -> Section:
    """Measure the fleet at rest, under load and with clients that misbehave."""
    section, token = Section(NAME, "A large fleet with many clients"), stage.token()
    section.say(_explanation(extent))
    _measure_load(stage, token, extent, section)
    section.add(table(["what", "measured"], _misbehaving(stage, token, extent, section)))
    return section


def measure_rate(stage: Stage, extent: Extent) -> Section:
    """Measure the fleet at rest and under load, at another rate than the goal's."""
    section, token = Section(RATE, f"The same fleet at {extent.rate:,} events/s"), stage.token()
    section.say(_explanation(extent))
    _measure_load(stage, token, extent, section)
    return section


def _measure_load(stage: Stage, token: str, extent: Extent, section: Section) -> None:
    print("measuring commands at rest ...", flush=True)
    idle, pollers = Commands(stage, token).run(COMMANDS), Pollers(stage, token, extent.pollers)
    print(f"measuring under load, for {extent.seconds:.0f} s ...", flush=True)
    load = under_load(stage, token, extent, pollers)
    wanted_single = extent.single * load.count // 50
    got_bundled = sum(child["delivered"] for child in load.bundled)
    got_single = sum(child["delivered"] for child in load.single)
    in_order = all(child["in_order"] for child in (*load.bundled, *load.single))
    command = statistics.median(load.commands) / statistics.median(idle)
    rows = [
        ["events to bundled clients", f"{got_bundled:,} of {extent.bundled * load.count:,}"],
        ["events to single clients with a filter", f"{got_single:,} of {wanted_single:,}"],
        ["in order", "yes" if in_order else "NO"],
        [f"returns to each of {len(load.returned)} jobs that have ended", _counts(load.returned)],
        ["all events sent, s", f"{load.seconds:.1f}"],
        ["a bundled event, p50; p99, ms", _two(latencies(load.bundled))],
        ["a single event, p50; p99, ms", _two(latencies(load.single))],
        [f"`cmd` to jid idle, p50 of {len(idle)}, ms", f"{1000 * statistics.median(idle):.1f}"],
        [f"`cmd` to jid under load, p50 of {len(load.commands)}, ms", f"{1000 * statistics.median(load.commands):.1f}"],
        [f"`GET /jobs` under load, p50; p99 of {len(pollers.seconds)}, ms", _two(pollers.seconds)],
        ["all cores, with clients and Salt", f"{100 * load.machine:.0f} %"],
        ["resident memory, MiB, over the load", ", ".join(f"{one:.0f}" for one in load.memory)],
    ]
    section.add(table(["what", "measured"], rows))
    shares = [[who, f"{100 * share:.0f} %"] for who, share in load.shares.items()]
    section.add(table(["CPU while events were sent", "of one core"], shares))
    all_returned = bool(load.returned) and set(load.returned) == {load.expected}
    section.must("returns to each job", min(load.returned, default=0), load.expected, all_returned)
    everything = got_bundled == extent.bundled * load.count and got_single >= wanted_single and in_order
    section.must("all delivered in order", float(everything), 1, everything)
    p99, growth = percentile(latencies(load.bundled), 0.99) or 0.0, load.memory[-1] - load.memory[len(load.memory) // 2]
    section.goal("a bundled event, p99, s, at most", p99, P99_SECONDS, p99 <= P99_SECONDS)
    section.goal("`cmd` to jid, times that of the idle engine", command, COMMAND_TIMES, command <= COMMAND_TIMES)
    section.goal("resident memory, MiB, at most", max(load.memory), MEMORY_MIB, max(load.memory) <= MEMORY_MIB)
    section.goal("growth in the second half, MiB, at most", growth, GROWTH_MIB, growth <= GROWTH_MIB)


def hostile(stage: Stage, extent: Extent) -> Section:
    """Measure clients and minions that misbehave only."""
    section = Section(HOSTILE, "Clients and minions that misbehave")
    section.say(
        f"{misbehaving.CLIENTS} clients follow {misbehaving.RATE} events/s in bundles, before, beside and after others "
        f"that misbehave: {extent.stuck:,} clients subscribe and stop to read at once, {extent.leaving:,} connect, "
        "subscribe and leave in a loop, and minions return before a job's announcement and after its end, again and "
        "again, for jobs of others, in another one's name, and 1 MiB each."
    )
    rows = _misbehaving(stage, stage.token(), extent, section)
    section.add(table(["what", "measured"], rows))
    return section


def _misbehaving(stage: Stage, token: str, extent: Extent, section: Section) -> list[list[str]]:
    times = {"stuck": extent.stuck, "leaving": extent.leaving}
    return misbehaving.measure(stage, token, section, **times, seconds=min(10.0, extent.seconds))


def measure_consoles(stage: Stage, extent: Extent) -> Section:
    """Measure the cost of all consoles that come back after a reload, with and without their positions."""
    section, token = Section("consoles", "Consoles that come back after a reload"), stage.token()
    section.say(
        f"{extent.consoles:,} consoles of one user follow {extent.minions:,} minions with four grains, and all "
        "batches. The engine is reloaded, and they come back one after the other: they connect, subscribe and read "
        f"until `live`. Then they leave. Figures are medians of {ROUNDS} reloads. *At rest* is the engine's own "
        "work in a time as long as their coming took, at most; the first figure includes it."
    )
    rows, medians, positions = [], [], _consoles(stage, token, [None] * extent.consoles).positions
    for name, resumes in (("whole snapshots", False), ("only what changed", True)):
        rounds, at_rest = [], 0.0
        for _ in range(ROUNDS):
            engine = _reload(stage, extent)
            rounds.append(_consoles(stage, token, positions if resumes else [None] * extent.consoles))
            positions = rounds[-1].positions
            at_rest = max(at_rest, _cpu_at_rest(engine, rounds[-1].seconds))
        cpu = sorted(one.cpu for one in rounds)
        medians.append(statistics.median(cpu))
        leaving = statistics.median(one.leaving for one in rounds)
        cells = [f"{medians[-1]:.2f} s", f"{cpu[0]:.2f} to {cpu[-1]:.2f} s", f"{leaving:.2f} s", f"{at_rest:.2f} s"]
        rows.append([name, *cells, f"{rounds[-1].size / extent.consoles / 1000:,.1f} kB"])
    head = ["consoles get", "CPU of the engine in all", "least to most", "when they leave", "at rest", "read by each"]
    section.add(table(head, rows))
    whole, changed = medians
    section.goal("CPU of all that resume, s, at most", changed, CONSOLES_SECONDS, changed <= CONSOLES_SECONDS)
    section.goal("CPU of whole snapshots, times that", whole / changed, 1, whole > changed)
    return section


def _reload(stage: Stage, extent: Extent) -> psutil.Process:
    """Reload the engine; return its new process when it knows all minions and is idle."""
    answer = request_reload(Path(stage.pull).parent, stage.port)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    wait_until(lambda: _knows(stage, extent.minions), "the grains of all minions", timeout=300, every=1.0)
    engine = stage.engine_process()
    _rest(engine)
    return engine


class Came(NamedTuple):
    """Consoles that came and left."""

    cpu: float
    """Seconds of the engine's CPU until all were there."""
    leaving: float
    """The same until all had left."""
    seconds: float
    """How long they took to come."""
    size: int
    """Bytes that they read."""
    positions: list[Positions]


def _consoles(stage: Stage, token: str, since: Sequence[Positions | None]) -> Came:
    """Connect consoles, one after the other, and disconnect all of them."""
    engine, size, found = stage.engine_process(), 0, []
    before, began = cpu_seconds(engine), time.monotonic()
    with ExitStack() as stack:
        for positions in since:
            sock = stack.enter_context(connected(stage.port, token))
            for number, fields in enumerate(CONSOLE, 1):
                message = {"id": number, "type": "subscribe", **fields}
                if positions is not None:
                    message["since"] = positions[number - 1]
                sock.sendall(text_frame(json.dumps(message).encode()))
            read, mine = _until_live(sock, len(CONSOLE))
            found.append(mine)
            size += read
        cost, seconds = cpu_seconds(engine) - before, time.monotonic() - began
    _rest(engine)
    return Came(cost, cpu_seconds(engine) - before - cost, seconds, size, found)


def _cpu_at_rest(engine: psutil.Process, seconds: float) -> float:
    """Return the CPU seconds that the engine takes in this time without clients."""
    before = cpu_seconds(engine)
    time.sleep(seconds)
    return cpu_seconds(engine) - before


def _until_live(sock: socket.socket, number: int) -> tuple[int, Positions]:
    """Read until this number of snapshots is complete; return the bytes and the positions."""
    size, tail, found = 0, b"", {}
    while len(found) < number:
        chunk = sock.recv(1 << 20)
        if not chunk:
            raise SystemExit(f"the connection was closed after {tail!r}")
        size += len(chunk)
        tail = tail[-500:] + chunk
        for live in re.finditer(rb'{"type":"live","subscription":(\d+),"seq":\d+,"position":({[^}]*})}', tail):
            found[int(live[1])] = json.loads(live[2])
    return size, [found[one] for one in sorted(found)]


def _rest(process: psutil.Process) -> None:
    """Wait until the engine is idle."""
    end = time.monotonic() + REST_SECONDS
    while process.cpu_percent(interval=1.0) > 5 and time.monotonic() < end:
        pass


def _counts(numbers: list[int]) -> str:
    return " to ".join(f"{number:,}" for number in sorted({min(numbers, default=0), max(numbers, default=0)}))


def _two(seconds: list[float]) -> str:
    return f"{1000 * (percentile(seconds, 0.5) or 0):.0f}; {1000 * (percentile(seconds, 0.99) or 0):.0f}"


def _explanation(extent: Extent) -> str:
    return (
        f"{extent.minions:,} minions (accepted keys with cached grains). Every {JOB_SECONDS:.0f} s a job runs on half "
        f"of them; they return within {LAST_SECONDS:.0f} s, two in a hundred {LATE_SECONDS:.0f} s later and two never. "
        f"{extent.rate:,} other events/s for {extent.seconds:.0f} s go to {extent.bundled:,} clients in bundles, and "
        f"to {extent.single:,} clients one by one, one tag of 50 to each. {extent.dashboards:,} clients follow all "
        f"jobs, {extent.restricted:,} users with some minions each follow all events, and {extent.pollers:,} clients "
        f"get `/jobs` every {POLL_SECONDS:.0f} s. A command is sent every {extent.seconds / COMMANDS:.0f} s. "
        "All of them run on the machine that is measured."
    )


def _between(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a number of these as an argument."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:,} to {most:,}")
        return int(text)

    return read


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="with a tenth of the fleet and of the clients")
    parser.add_argument("--minions", type=_between(*FLEETS), metavar="N", help="with a fleet of N minions")
    parser.add_argument(
        "--consoles", action="store_true", help="measure consoles that come back after a reload, instead"
    )
    parser.add_argument("--hostile", action="store_true", help="only the clients and minions that misbehave")
    parser.add_argument(
        "--rate", type=_between(*RATES), metavar="N", help="only the load, at N events/s instead of 500"
    )
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    asked = parser.parse_args()
    kinds = {measure_consoles: asked.consoles, hostile: asked.hostile, measure_rate: asked.rate}
    if sum(map(bool, kinds.values())) > 1:
        parser.error("--consoles, --hostile and --rate each choose what is measured: give one of them")
    logging.basicConfig(level=logging.ERROR)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    extent = QUICK if asked.quick else Extent()
    extent = replace(extent, rate=asked.rate or extent.rate, minions=asked.minions or extent.minions)
    users = {USER: [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"], **extent.users}
    master_opts = {"external_auth": {"sharedsecret": users}, "sharedsecret": SECRET}
    began = time.monotonic()
    print(f"starting a master that knows {extent.minions:,} minions ...", flush=True)
    with FleetStage(minions=0, saltnado=False, keys=extent.minions, master_opts=master_opts) as stage:
        wait_until(lambda: _knows(stage, extent.minions), "the grains of all minions", timeout=300, every=1.0)
        section = next((kind for kind, is_asked in kinds.items() if is_asked), measure)(stage, extent)
    print(f"\n{section.markdown()}\n")
    if asked.write:
        write([section])
    print(f"took {time.monotonic() - began:.0f} s")
    return int(bool(section.failures))


def _knows(stage: Stage, minions: int) -> bool:
    """Return whether the engine has read the grains of all minions."""
    with Client(stage.url) as client:
        client.ask("auth", token=stage.token())
        found = client.ask("list_minions", grains=["id"], patience=60)
        return sum(bool(minion["grains"]) for minion in found) >= minions


if __name__ == "__main__":
    guarded(main)
