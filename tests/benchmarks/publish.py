"""From `cmd` to the jid: this engine against Salt's Python client and saltnado on the same master."""

from __future__ import annotations

import argparse

from tests.benchmarks import ways
from tests.benchmarks.report import Section, table
from tests.benchmarks.stage import AWAY, Stage
from tests.benchmarks.timing import Times, at_once, interleaved

NAME = "publish"

ENGINE, SALTNADO, LOCAL, CHANNEL = "this engine", "saltnado local_async", "LocalClient.run_job", "one kept-open channel"

# The goals of the project for these figures.
MEDIAN_OF_SALTNADO = 0.3
TIMES_ONE_CHANNEL = 1.8
P99_OF_MEDIAN = 4.0


def measure(stage: Stage, options: argparse.Namespace) -> Section:
    """Measure one client, with a remote minion and with one on this machine, and many clients at once."""
    token = stage.token()
    section = Section(NAME, "From `cmd` to the jid")
    section.say(
        "One client at a time; the ways take turns. Times are from sending the request to receiving the jid. "
        "*Elsewhere*: the target is an accepted minion that does not run on this machine, so the time is the "
        "master's alone. *Here*: the minion runs on the same cores and executes each job at the same time."
    )
    rows = []
    for where, tgt in (("elsewhere", AWAY), ("here", stage.minion_ids[0] if stage.minion_ids else None)):
        if tgt is None:
            continue
        found = interleaved(_ways(stage, token, tgt, CHANNEL, LOCAL, SALTNADO), options.samples)
        median = found[SALTNADO].median
        rows += [_row(name, times, where, f"{times.median / median:.2f}") for name, times in found.items()]
        if where == "elsewhere":
            ratio = found[ENGINE].median / median
            section.goal("median, as a part of saltnado's", ratio, MEDIAN_OF_SALTNADO, ratio <= MEDIAN_OF_SALTNADO)
    section.add(table(["way", "minion", "samples", "p50 ms", "p99 ms", "of saltnado's p50"], rows))

    clients = options.clients
    found = at_once(_ways(stage, token, AWAY, CHANNEL, LOCAL, SALTNADO), clients, options.seconds, options.rounds)
    section.say(
        f"{clients} clients at once, each with one request after the other, minion elsewhere. The clients are threads "
        "of one process on the same cores, so the figure of the Python client includes its own computing time."
    )
    base = found[CHANNEL].per_second
    rows = [
        [name, f"{times.per_second:.1f}", f"{times.per_second / base:.2f}", f"{times.median:.0f}", _p99(times)]
        for name, times in found.items()
    ]
    section.add(table(["way", "publishes/s", "of one channel's", "p50 ms", "p99 ms"], rows))
    ours = found[ENGINE]
    faster, spread = ours.per_second / base, ours.percentile(99) / ours.median
    section.goal(
        f"{clients} at once, publishes/s of one channel's", faster, TIMES_ONE_CHANNEL, faster >= TIMES_ONE_CHANNEL
    )
    section.goal(f"{clients} at once, p99 of the median", spread, P99_OF_MEDIAN, spread < P99_OF_MEDIAN)
    return section


def _ways(stage: Stage, token: str, tgt: str, *others: str) -> dict[str, ways.Open]:
    known = {CHANNEL: ways.one_channel, LOCAL: ways.local_client, SALTNADO: ways.saltnado}
    chosen = {ENGINE: ways.engine} if stage.engine else {}
    chosen.update({name: known[name] for name in others})
    return {name: make(stage, token, tgt) for name, make in chosen.items()}


def _row(name: str, times: Times, where: str, ratio: str) -> list[str]:
    return [name, where, str(len(times.samples)), f"{times.median:.1f}", f"{times.percentile(99):.1f}", ratio]


def _p99(times: Times) -> str:
    return f"{times.percentile(99):.0f}"
