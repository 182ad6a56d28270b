"""Measure what clients get, and when, with and without clients and minions that misbehave."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tests.benchmarks import fanout, stopped
from tests.benchmarks.children import Child, listening_on
from tests.benchmarks.fanout import Case
from tests.benchmarks.report import Section
from tests.benchmarks.stage import SECRET, USER, Stage
from tests.client import Client, Refused

MIB = 1024 * 1024
CLIENTS, RATE = 50, 500  # of the others
HOSTILE_RATE = 2.0  # jobs/s, each with 46 returns, one of them of 1 MiB
OTHERS_TIMES = 1.1  # the goal: p99 of the others, times that without
KEPT_MIB = 256 + 128 + 256  # what the engine keeps of jobs, of events, and for one user's clients that do not read
GROWTH_MIB = 60  # by which the allocator may differ
MOST_MIB = KEPT_MIB + 200  # for the engine itself, its connections, and what the allocator holds

Kind = Callable[[list[list[str]]], AbstractContextManager[None]]
"""Misbehaves while the block runs, and adds rows to the table."""


def measure(stage: Stage, token: str, section: Section, *, stuck: int, leaving: int, seconds: float) -> list[list[str]]:
    """Measure the others beside each kind, and add the goals to the section.

    :param stuck: clients that stop to read
    :param leaving: clients that come and leave all the time
    :param seconds: of each run
    :return: rows of the table
    """
    case = Case("engine", CLIENTS, RATE, bundle=True, seconds=seconds)
    rows = stopped.measure(stage, token, section, case, stuck, MOST_MIB)
    kinds: dict[str, Kind] = {
        f"{leaving:,} clients that come and leave": lambda rows: _leaving(stage, token, leaving, rows),
        "hostile returns": lambda rows: _hostile_returns(stage, token, section, rows),
    }
    engine = listening_on(stage.port)
    for name, kind in kinds.items():
        print(f"measuring beside {name} ...", flush=True)
        calm = [fanout.run(stage, case, token)]
        with kind(rows):
            beside = fanout.run(stage, case, token)
            memory = engine.memory_info().rss / MIB
        calm.append(fanout.run(stage, case, token))
        alone = statistics.mean(one.percentile(0.99) or 0.0 for one in calm)
        times = (beside.percentile(0.99) or 0.0) / alone
        rows.append([f"beside {name}: p99, ms; alone", f"{1000 * times * alone:.0f}; {1000 * alone:.0f}"])
        lags = [max(one.lag or 0.0 for one in calm), beside.lag or 0.0]
        rows.append(["the same: bus lag at worst, ms; alone", f"{1000 * lags[1]:.0f}; {1000 * lags[0]:.0f}"])
        rows.append(["the same: resident memory, MiB", f"{memory:.0f}"])
        count = sum(one.delivered for one in (*calm, beside))
        wanted = 3 * CLIENTS * case.count
        in_order = all(one.in_order for one in (*calm, beside))
        section.count(f"beside {name}: events delivered in order", count if in_order else -count, wanted)
        section.goal(f"beside {name}: p99, times that alone", times, OTHERS_TIMES, times <= OTHERS_TIMES)
        section.must(f"beside {name}: resident memory, MiB, at most", round(memory), MOST_MIB, memory <= MOST_MIB)
    return rows


@contextmanager
def _leaving(stage: Stage, token: str, number: int, rows: list[list[str]]) -> Iterator[None]:
    with Child("crowd", port=stage.port, token=token, clients=number) as child:
        child.answer(fanout.CONNECT_SECONDS)
        yield
        child.tell("stop")
        rows.append(["connections of clients that come and leave", f"{child.answer(60)['connections']:,}"])


@contextmanager
def _hostile_returns(stage: Stage, token: str, section: Section, rows: list[list[str]]) -> Iterator[None]:
    with Child("hostile_minions", pull=stage.pull, minions=stage.accepted, rate=HOSTILE_RATE) as child:
        child.answer(fanout.CONNECT_SECONDS)
        yield
        child.tell("tell")
        sent = child.answer(60)
        wrong = _wrong(stage, token, sent["jobs"])
        flooded = []
        for _ in range(2):
            child.tell("flood")
            flood = child.answer(fanout.CONNECT_SECONDS)["sent"]
            _until_read(stage)
            flooded.append(listening_on(stage.port).memory_info().rss / MIB)
    rows.append(["hostile returns; MiB; jobs", f"{sent['returns']:,}; {sent['bytes'] / MIB:.0f}; {len(sent['jobs'])}"])
    section.count("hostile returns: jobs with wrong minions or states", len(wrong), 0)
    rows.append([f"after {flood} MiB of returns, and again: resident MiB", "; ".join(f"{one:.0f}" for one in flooded)])
    most, growth = round(max(flooded)), round(flooded[1] - flooded[0])
    section.must("hostile returns: resident memory after these, MiB, at most", most, MOST_MIB, most <= MOST_MIB)
    section.must("hostile returns: MiB more by the second ones, at most", growth, GROWTH_MIB, growth <= GROWTH_MIB)


def _wrong(stage: Stage, token: str, jobs: dict[str, list[str]]) -> list[str]:
    """Return the jobs that have other minions than their own, or not all of them as returned."""
    if not jobs:
        raise RuntimeError("no hostile return was sent: this shows nothing")
    left, deadline = jobs, time.monotonic() + fanout.DRAIN_SECONDS
    with Client(stage.url) as client:
        client.ask("auth", token=token)
        while left and time.monotonic() < deadline:  # the last returns may still be on the bus
            left = {jid: minions for jid, minions in left.items() if not _is_right(client, jid, minions)}
    return list(left)


def _until_read(stage: Stage) -> None:
    """Wait until the engine has read all that is on the bus now."""
    with Client(stage.url) as client:
        client.login(USER, SECRET)
        number = client.ask("subscribe", subscription="event", tag="read/")["subscription"]
        client.ask("event", tag="read/all", body={}, patience=60)
        client.frames(until=lambda frame: frame.get("tag") == "read/all", subscription=number, timeout=60)


def _is_right(client: Client, jid: str, minions: list[str]) -> bool:
    """Return whether a job has its own minions only, and all of them as returned."""
    try:
        job: dict[str, Any] = client.ask("get_job", jid=jid, patience=60)
    except Refused:
        return False
    values = {part["return"] for part in job["minions"].values()}
    states = {part["state"] for part in job["minions"].values()}
    return (
        set(job["minions"]) == set(minions)
        and (job["state"], states) == ("complete", {"returned"})
        and not any("other" in str(value) for value in values)
    )
