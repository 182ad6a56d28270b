"""Measure a batch of 10,000 requests on a real master: `make bench-batches`, or `python -m tests.benchmarks.batches`.

Its minions are only keys. The benchmark fires their returns on the bus.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.returns import fire
from tests.benchmarks.stage import USER, Stage
from tests.client import Client
from tests.support.waiting import wait_until

NAME = "batches"
LARGE, SMALL = 10_000, 100
PUSHES = 30  # frames whose cost is measured, one for each return
REST_SECONDS = 60  # maximum wait until the engine is idle
PUSH_SECONDS = 0.25  # between two returns: fewer than the ten frames per second of the limit

# The goals of the project for these figures.
CREATION_SECONDS, END_SECONDS, REQUEST_BYTES, PUSH_TIMES = 5.0, 1.0, 2048.0, 1.5


@dataclass
class Pushes:
    """The cost of a batch's frames, one for each return."""

    bytes: float
    milliseconds: float
    """CPU time of the engine for a return and its frame, including the write of the batch."""


def measure(stage: Stage, large: int) -> Section:
    """Create batches, let them end, and measure their cost."""
    section = Section(NAME, "Batches")
    section.say(
        f"A batch of {large:,} requests, each to a minion of its own (accepted keys without minions), followed by one "
        "client with all its requests. The benchmark fires the returns on the bus as the master's workers do. Memory "
        "is the growth of the engine's resident memory from before the batch until all but one have returned. It "
        "includes the batch's jobs and events (at most 1,000)."
    )
    with Client(stage.url) as client:
        client.login(USER, "demo")
        _one(stage, client, SMALL)  # warms up everything that is loaded once
        _rest(stage)
        rows, found = [], _one(stage, client, large)
        rows.append(["creation, from the request to the reply", f"{found['creation']:.2f} s"])
        rows.append(["from there to the last job's being published", f"{found['published']:.2f} s"])
        rows.append([f"all {large:,} returns on the bus to the last frame", f"{found['returns']:.2f} s"])
        rows.append(["from the last return to the frame that says so", f"{1000 * found['end']:.0f} ms"])
        rows.append(["memory per request", f"{found['memory']:.0f} bytes"])
        section.add(table(["what", "measured"], rows))
        small, big = _pushes(stage, client, SMALL), _pushes(stage, client, large)
        section.say("One return at a time, and its frame:")
        lines = [
            [f"{count:,}", f"{cost.bytes:.0f}", f"{cost.milliseconds:.1f}"]
            for count, cost in ((SMALL, small), (large, big))
        ]
        section.add(table(["requests", "bytes of a frame", "ms CPU of the engine"], lines))
    section.goal("creation, seconds", found["creation"], CREATION_SECONDS, found["creation"] < CREATION_SECONDS)
    section.goal("end noticed, seconds", found["end"], END_SECONDS, found["end"] < END_SECONDS)
    section.goal("memory per request, bytes", found["memory"], REQUEST_BYTES, found["memory"] < REQUEST_BYTES)
    times = big.bytes / small.bytes
    section.goal("bytes of a frame, times those of a small batch", times, PUSH_TIMES, times < PUSH_TIMES)
    return section


def _one(stage: Stage, client: Client, count: int) -> dict[str, float]:
    """Run a batch to its end."""
    before, minions = stage.engine_process().memory_info().rss, stage.accepted[:count]
    began = time.monotonic()
    made = client.ask("batch", batch=[_item(count)], patience=60)
    creation = time.monotonic() - began
    jids = _published(client, made)
    published = time.monotonic() - began - creation
    number = _follow(client, made)
    began = time.monotonic()
    for jid in dict.fromkeys(jids):
        fire(stage.pull, jid, [name for name, of in zip(minions[:-1], jids, strict=False) if of == jid])
    _frames(client, number, lambda batch: batch["done_count"] == count - 1)
    returns = time.monotonic() - began
    memory = (stage.engine_process().memory_info().rss - before) / count
    began = time.monotonic()
    fire(stage.pull, jids[-1], minions[-1:])
    _frames(client, number, lambda batch: batch["finished_at"])
    end = time.monotonic() - began
    client.ask("unsubscribe", subscription=number)
    return {"creation": creation, "published": published, "returns": returns, "end": end, "memory": memory}


def _pushes(stage: Stage, client: Client, count: int) -> Pushes:
    """Let single minions of a batch return, and measure the cost of each."""
    made = client.ask("batch", batch=[_item(count)], patience=60)
    jids, number = _published(client, made), _follow(client, made)
    _rest(stage)
    process, sizes = stage.engine_process(), []
    used = sum(process.cpu_times()[:2])
    for place in range(PUSHES):
        began = time.monotonic()
        fire(stage.pull, jids[place], [stage.accepted[place]])
        frames = _frames(client, number, lambda batch, place=place: batch["done_count"] == place + 1)
        sizes.append(len(json.dumps(frames[-1], separators=(",", ":"))))
        time.sleep(max(0.0, began + PUSH_SECONDS - time.monotonic()))
    spent = sum(process.cpu_times()[:2]) - used
    client.ask("unsubscribe", subscription=number)
    client.ask("cancel_batch", batch=made["id"], forget=True, patience=60)
    return Pushes(statistics.mean(sizes), 1000 * spent / PUSHES)


def _rest(stage: Stage) -> None:
    """Wait until the engine is idle: after its start it reads the keys and grains of many minions."""
    process, until = stage.engine_process(), time.monotonic() + REST_SECONDS
    quiet = 0
    while quiet < 2 and time.monotonic() < until:
        quiet = quiet + 1 if process.cpu_percent(interval=1.0) < 10 else 0


def _item(count: int) -> dict[str, Any]:
    # The first hundred, or all: a target expression, as for a fleet of which nobody writes the names down.
    return {"fun": "test.ping", "tgt": "m*" if count > SMALL else "m000*"}


def _published(client: Client, made: dict[str, Any]) -> list[str]:
    """Wait until all requests have been sent; return each one's job."""

    def last() -> Any:
        return client.ask("get_batch", request=made["requests"][-1])["jid"]

    wait_until(last, "the last job", timeout=300, every=0.05)
    whole = client.ask("get_batch", batch=made["id"], collection=True, patience=60)
    return [one["jid"] for one in whole["requests"]]


def _follow(client: Client, made: dict[str, Any]) -> int:
    number = int(client.ask("subscribe", subscription="batch", batch=made["id"], patience=60)["subscription"])
    client.frames(until=lambda frame: frame["type"] == "live", subscription=number, timeout=60)
    return number


def _frames(client: Client, number: int, until: Any) -> list[dict[str, Any]]:
    found = client.frames(
        until=lambda frame: frame["type"] == "batch" and until(frame["batch"]), subscription=number, timeout=120
    )
    return [frame for frame in found if frame["type"] == "batch"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.batches", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="with a tenth of the requests")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    began, large = time.monotonic(), LARGE // 10 if asked.quick else LARGE
    print("starting a master ...", flush=True)
    options = {"history": {"events": 1000}}
    # Minions without machines answer nobody: they are asked late whether they run what they were sent.
    with Stage(
        minions=0, saltnado=False, keys=large, options=options, master_opts={"gather_job_timeout": 600}
    ) as stage:
        section = measure(stage, large)
    print(f"\n{section.markdown()}\n")
    if asked.write:
        write([section])
    print(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    guarded(main)
