"""Measure what clients get, and when, beside many that stop to read at once, and beside as many that read."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.benchmarks import fanout, marks
from tests.benchmarks.children import Child, listening_on
from tests.benchmarks.fanout import Case, Outcome
from tests.benchmarks.report import Section
from tests.benchmarks.stage import Stage
from tests.benchmarks.wire import RECEIVE_BYTES, connected, read_until, text_frame

MIB = 1024 * 1024
ROUNDS = 3  # of each kind, in turns: what a stop costs is over in a moment, of which one run has few samples
FIRST_SECONDS = 1.0  # until the kernel's buffers of clients that do not read are full
SLICE_SECONDS = 0.05  # about the time between two writes to many clients
RETURNS_RATE = 200  # a second, for those that follow jobs
TIMES = 1.1  # the goal: p99 of the others, times that without
SUBSCRIPTIONS: dict[str, tuple[int, dict[str, Any]]] = {
    "bundles": (60, {"subscription": "event", "tag": marks.TAG, "bundle": True}),
    "single events": (25, {"subscription": "event", "tag": f"{marks.TAG}deploy/7", "match_type": "fnmatch"}),
    "jobs": (10, {"subscription": "job", "without_return": True}),
    "minions": (5, {"subscription": "minions", "grains": ["os"]}),
}
"""The kinds of the fleet's clients: how many of a hundred, and what they subscribe to."""


def measure(stage: Stage, token: str, section: Section, case: Case, number: int, most_mib: float) -> list[list[str]]:
    """Measure the clients of a case alone, beside clients that read, and beside clients that stop to read.

    :param number: of these clients
    :param most_mib: the maximum of the engine's resident memory
    :return: rows of the table
    """
    kinds = ("alone", f"beside {number:,} that read", f"beside {number:,} that stop to read")
    runs: dict[str, list[Outcome]] = {kind: [] for kind in kinds}
    memory, engine = 0.0, listening_on(stage.port)
    with Child("returning", pull=stage.pull, minions=stage.accepted, rate=RETURNS_RATE) as returning:
        returning.answer(fanout.CONNECT_SECONDS)
        for _ in range(ROUNDS):
            for kind, others in zip(
                kinds, (_nobody(), _reading(stage, token, number), _stuck(stage, token, number)), strict=True
            ):
                with others:
                    runs[kind].append(fanout.run(stage, case, token))
                    memory = max(memory, engine.memory_info().rss / MIB)
    alone, reading, stopped = (_percentile(runs[kind]) for kind in kinds)
    wanted = len(kinds) * ROUNDS * case.clients * case.count
    everything = [one for kind in kinds for one in runs[kind]]
    count = sum(one.delivered for one in everything)
    what = f"beside {number:,} clients that stop to read"
    section.count(
        f"{what}: events delivered in order", count if all(one.in_order for one in everything) else -count, wanted
    )
    for name, other in (("alone", alone), ("beside as many that read", reading)):
        section.goal(f"{what}: p99, times that {name}", stopped / other, TIMES, stopped <= TIMES * other)
    section.must(f"{what}: resident memory, MiB, at most", round(memory), most_mib, memory <= most_mib)
    limit = TIMES * alone
    return [
        *([f"{kind}: p99; in the first second; at most, ms", _three(runs[kind])] for kind in kinds),
        *(
            [f"{kind}: delays above {1000 * limit:.0f} ms, ms of {_seconds(case)}", _late(runs[kind], limit)]
            for kind in kinds
        ),
        ["bus lag at worst, ms: " + "; ".join(kinds), "; ".join(_lag(runs[kind]) for kind in kinds)],
        [f"{what}: resident memory, MiB", f"{memory:.0f}"],
    ]


@contextmanager
def _nobody() -> Iterator[None]:
    yield


@contextmanager
def _reading(stage: Stage, token: str, number: int) -> Iterator[None]:
    how = fanout.how_to_listen(stage, Case("engine", 1, 1), token)
    with ExitStack() as stack:
        for share, message in SUBSCRIPTIONS.values():
            asked = {
                "clients": number * share // 100,
                "count": 0,
                **how,
                "hello": _hello(message),
                "answered": _answer(message),
            }
            stack.enter_context(Child("listener", **asked)).answer(fanout.CONNECT_SECONDS)
        yield


@contextmanager
def _stuck(stage: Stage, token: str, number: int) -> Iterator[None]:
    with ExitStack() as stack:
        for share, message in SUBSCRIPTIONS.values():
            for _ in range(number * share // 100):
                # A snapshot of megabytes is read first, which would take minutes through buffers of some kB.
                narrow = message["subscription"] == "event"
                sock = stack.enter_context(connected(stage.port, token, narrow=narrow))
                sock.sendall(text_frame(_hello(message).encode()))
                read_until(sock, _answer(message).encode())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        yield


def _hello(message: dict[str, Any]) -> str:
    return json.dumps({"id": 1, "type": "subscribe", **message})


def _answer(message: dict[str, Any]) -> str:
    """Return the end of what the client reads before it stops: the reply, or the snapshot."""
    return '"recovered"' if message["subscription"] == "event" else '"type":"live"'


def _percentile(runs: list[Outcome], seconds: float | None = None) -> float:
    """Return the p99 of all runs together.

    :param seconds: of the start of each that counts; None for all
    """
    latencies = [latency for one in runs for sent, latency in one.timed if seconds is None or sent < seconds]
    return fanout.percentile(latencies, 0.99) or 0.0


def _three(runs: list[Outcome]) -> str:
    found = (_percentile(runs), _percentile(runs, FIRST_SECONDS), max(max(one.latencies) for one in runs))
    return "; ".join(f"{1000 * seconds:.0f}" for seconds in found)


def _late(runs: list[Outcome], limit: float) -> str:
    """Return for how long events were later than a limit, on average of the runs."""
    slices = sum(len({int(sent / SLICE_SECONDS) for sent, latency in one.timed if latency > limit}) for one in runs)
    return f"{1000 * SLICE_SECONDS * slices / len(runs):.0f}"


def _lag(runs: list[Outcome]) -> str:
    return f"{1000 * max(one.lag or 0.0 for one in runs):.0f}"


def _seconds(case: Case) -> str:
    return f"{case.seconds:.0f} s"
