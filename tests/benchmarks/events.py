"""Measure events to many clients on a real master, compared with saltnado: `python -m tests.benchmarks.events`."""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.benchmarks import fanout, idle, replay, stalled
from tests.benchmarks.fanout import Case, Outcome
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import Stage

NAME = "events"

LOCAL = Case("local", 1, 200)
FEW = Case("engine", 10, 200)
BEST = Case("engine", 100, 1000, bundle=True)
SINGLE = Case("engine", 100, 400)
MANY = Case("engine", 500, 1000, bundle=True)
AS_FAST = 15_000  # events of a case that is as fast as the bus takes them
FASTEST = Case("engine", 100, 0, bundle=True, events=AS_FAST)
SALTNADO = Case("saltnado", 100, 1000)

CASES = [
    *(Case("engine", clients, rate) for clients, rate in ((100, 200), (500, 200), (10, 1000))),
    SINGLE,
    *(Case("engine", clients, 1000) for clients in (100, 500)),
    *(Case("engine", clients, 200, bundle=True) for clients in (10, 100, 500)),
    Case("engine", 10, 1000, bundle=True),
    BEST,
    MANY,
    *(Case("engine", clients, 0, events=AS_FAST) for clients in (10, 100, 500)),
    *(Case("engine", clients, 0, bundle=True, events=AS_FAST) for clients in (10, 500)),
    FASTEST,
    # Its best is looked for around what one core can do for it, which is some 15,000 deliveries a second.
    *(Case("saltnado", clients, rate) for clients, rate in ((10, 200), (10, 1000), (100, 200), (100, 400), (500, 200))),
    SALTNADO,
]
STALLED = Case("engine", 50, 500, bundle=True, seconds=3.0)


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    cases: list[Case]
    idle: tuple[int, ...]
    replayed: int
    replays: int
    stalls: int
    """Pairs of runs, with a client that does not read and without."""
    comparisons: int
    """Repetitions of three cases: few clients and a local listener (the run with the median p50 is reported), and
    saltnado with 100 clients at 1,000/s (the run with the median of deliveries is reported)."""


FULL = Extent(CASES, idle=(1000, 5000), replayed=10_000, replays=5, stalls=5, comparisons=3)
QUICK = Extent(
    [*(replace(case, seconds=2.0) for case in (BEST, SINGLE, SALTNADO)), replace(FASTEST, events=4_000)],
    idle=(500,),
    replayed=2_000,
    replays=1,
    stalls=1,
    comparisons=1,
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.events", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few cases only, in less than a minute")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    logging.basicConfig(level=logging.ERROR)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    began = time.monotonic()
    print("starting a master and saltnado ...", flush=True)
    with Stage(minions=0) as stage:
        section = measure(stage, QUICK if options.quick else FULL)
    print(f"\n{section.markdown()}\n")
    if options.write:
        write([section])
    print(f"took {time.monotonic() - began:.0f} s")


def measure(stage: Stage, extent: Extent) -> Section:
    """Measure everything on one master."""
    token = stage.token()
    print("idle connections ...", flush=True)
    resting = idle.measure(stage, token, extent.idle)
    print("  ".join(HEAD), flush=True)
    found: dict[str, Outcome] = {}
    both = [(_run(stage, LOCAL, token), _run(stage, FEW, token)) for _ in range(extent.comparisons)]
    for outcomes in zip(*both, strict=True):
        found[outcomes[0].case.name] = _median(outcomes, lambda one: one.percentile(0.5) or 0.0)
    for case in extent.cases:
        runs = extent.comparisons if case.name in (SALTNADO.name, MANY.name) else 1
        outcomes = [_run(stage, case, token) for _ in range(runs)]
        found[case.name] = _median(outcomes, _late if case.name == MANY.name else lambda one: one.per_second)
    print("replay, and a client that does not read ...", flush=True)
    replays = replay.measure(stage, token, extent.replayed, extent.replays)
    held = stalled.measure(stage, token, STALLED, extent.stalls)
    section = Section(NAME, "Events to many clients")
    section.say(EXPLANATION)
    section.add(table(HEAD, [_row(outcome) for outcome in found.values()]))
    waits = f"{1000 * statistics.median(replays):.0f} ms (median of {len(replays)})"
    rows = [
        *([f"memory of an idle connection, of {one.connections:,}", f"{one.kib_each:.1f} KiB"] for one in resting),
        [f"replay of {extent.replayed:,} events, from `subscribe` to the last", waits],
        [f"p50 of {STALLED.clients} clients while one more does not read", f"{held.median:.2f} times that without it"],
        [f"p99 of the same (medians of {held.pairs} pairs of runs)", f"{held.p99:.2f} times"],
        ["what waited for that client at most", f"{held.outbox / 1024:.0f} KiB"],
    ]
    section.add(table(["what", "measured"], rows))
    _goals(section, found)
    for step in resting:
        _at_most(section, f"KiB per idle connection, of {step.connections:,}", step.kib_each, 20)
        _at_least(section, "connections held", step.held, step.connections)
    _at_most(section, f"ms to replay {extent.replayed:,} events", 1000 * statistics.median(replays), 500)
    _at_most(section, "p50 beside a client that does not read, as a multiple", held.median, 1.05)
    _at_most(section, "p99 beside it, as a multiple", held.p99, 1.25)
    return section


def _run(stage: Stage, case: Case, token: str) -> Outcome:
    outcome = fanout.run(stage, case, token)
    print("  ".join(_row(outcome)), flush=True)
    return outcome


def _median(outcomes: Sequence[Outcome], by: Callable[[Outcome], float]) -> Outcome:
    return sorted(outcomes, key=by)[len(outcomes) // 2]


EXPLANATION = """\
A sender process writes events directly to the master's bus; clients receive them as frames of about 300 bytes. Client
processes count them, check that none is missing or out of order, and measure one in ten from the sender to their
socket. *engine* is this project, each client with one subscription. *saltnado* is salt-api's `/all_events`. *local* is
a plain `SaltEvent` listener on the master. *single* is one frame per event, *bundled* is `bundle: true`. *CPU/event* is
the CPU time of the server's process for one event to one client, including reading the bus and serving its metrics four
times a second. *server* is that process as a share of one core. *clients* is the busiest client process; near 100 % the
clients would be the bottleneck. *machine* is the use of all cores, including clients and Salt; near 100 % everything
waits for a core. *lag* is the greatest age of an event when the engine reads it; at *as the bus takes* it is the queue
in the bus itself. Cases that vary much between runs show the median of three: the local listener, 10 clients at 200/s,
500 bundled at 1,000/s, and saltnado's 100 clients at 1,000/s."""

HEAD = ["server", "clients", "events/s", "form", "delivered", "in order", "p50 ms", "p99 ms", "deliveries/s"]
HEAD += ["CPU/event us", "server", "clients", "machine", "lag ms"]


def _row(one: Outcome) -> list[str]:
    case = one.case
    local = case.server == "local"
    return [
        case.server,
        str(case.clients),
        f"{case.rate:,}" if case.rate else f"as the bus takes: {one.sent_rate:,.0f}",
        "" if case.server != "engine" else "bundled" if case.bundle else "single",
        f"{100 * one.share:.1f} %" + (f", {one.closed} closed" if one.closed else ""),
        "yes" if one.in_order else "NO",
        _ms(one.percentile(0.5)),
        _ms(one.percentile(0.99)),
        f"{one.per_second:,.0f}",
        "" if local else f"{one.cpu_each:.2f}",
        "" if local else f"{100 * one.server_cpu / one.seconds:.0f} %",
        "" if local else f"{100 * one.clients_cpu:.0f} %",
        "" if one.machine is None else f"{100 * one.machine:.0f} %",
        "" if one.lag is None else _ms(one.lag),
    ]


def _late(one: Outcome) -> float:
    return one.percentile(0.99) or 0.0


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1000 * seconds:.1f}" if seconds < 1 else f"{1000 * seconds:,.0f}"


def _goals(section: Section, found: dict[str, Outcome]) -> None:
    for case, p99, cpu in ((BEST, 50, 2.5), (MANY, 250, None), (SINGLE, 50, 13)):
        if case.name not in found:
            continue
        one = found[case.name]
        _at_least(section, f"{case.name}: delivered in order, %", 100 * one.share if one.in_order else 0.0, 100)
        _at_most(section, f"{case.name}: p99 ms", _thousand(one.percentile(0.99)), p99)
        if cpu is not None:
            _at_most(section, f"{case.name}: CPU us per delivered event", one.cpu_each, cpu)
    _beside_saltnado(section, found)
    ours, local = found[FEW.name].percentile(0.5), found[LOCAL.name].percentile(0.5)
    if ours and local:
        _at_most(section, f"{FEW.name}: p50 as a multiple of a local listener's", ours / local, 1.5)
    lags = [one.lag for one in found.values() if one.lag is not None]
    _at_most(section, "bus lag at worst, s", max(lags), 1)


def _beside_saltnado(section: Section, found: dict[str, Outcome]) -> None:
    same = found[BEST.name].per_second / max(1.0, found[SALTNADO.name].per_second)
    _at_least(section, f"{BEST.name}: deliveries/s as a multiple of saltnado's there", same, 10)
    saltnado = max((one for one in found.values() if one.case.server == "saltnado"), key=lambda one: one.per_second)
    ours = max((one for one in found.values() if _as_fast(one)), key=lambda one: one.per_second)
    for name in dict.fromkeys((FASTEST.name, ours.case.name)):
        one = found[name]
        form = "bundled" if one.case.bundle else "single"
        what = f"engine {one.case.clients} clients {form} at the bus's own {one.sent_rate:,.0f}/s: deliveries/s"
        what += f" as a multiple of saltnado's best ({saltnado.case.clients} clients, {saltnado.case.rate:,}/s)"
        _at_least(section, what, one.per_second / max(1.0, saltnado.per_second), 25)


def _as_fast(one: Outcome) -> bool:
    return one.case.server == "engine" and one.case.rate == 0


def _at_most(section: Section, what: str, value: float | None, bound: float) -> None:
    if value is not None:
        section.goal(f"{what}, at most", value, bound, value <= bound)


def _at_least(section: Section, what: str, value: float, bound: float) -> None:
    section.goal(f"{what}, at least", value, bound, value >= bound)


def _thousand(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


if __name__ == "__main__":
    guarded(main)
