"""Measure jobs on 10,000 minions on a real master: `make bench-jobs`, or `python -m tests.benchmarks.large_jobs`.

The minions are only keys. The benchmark fires their returns on the bus.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psutil

from tests.benchmarks.children import cpu_seconds
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.returns import fire
from tests.benchmarks.stage import USER, Stage
from tests.client import Client
from tests.support.waiting import wait_until

NAME = "large_jobs"
MINIONS = 10_000
RESTRICTED = "half"
READS = 9  # of which the median counts
REST_SECONDS = 60  # maximum wait until the engine is idle

# The goals of the project for these figures.
RETURN_US, GET_SECONDS, RESTRICTED_SECONDS = 50.0, 0.1, 0.2


def measure(stage: Stage, minions: int) -> Section:
    """Let a job return, look it up, and send its snapshot."""
    section = Section(NAME, "Large jobs")
    section.say(
        f"A job on {minions:,} minions (accepted keys without minions), whose returns the benchmark fires as fast as "
        f"the bus accepts them. Then clients ask for it. The restricted user may see half of its minions. Times are "
        f"from the request to the last byte, the median of {READS}; CPU is that of the engine."
    )
    engine, rows = stage.engine_process(), []
    costs: dict[str, float] = {}
    with ExitStack() as stack:
        whole = stack.enter_context(Client(stage.url))
        whole.login(USER)
        _rest(engine)
        _returns(stage, whole, engine, follow=False)  # warms up what is made once
        for follow, name in ((False, "a return, nobody follows the job"), (True, "a return, a client follows the job")):
            jid, costs[name] = _returns(stage, whole, engine, follow=follow)
            rows.append([name, "", f"{costs[name]:.0f} us"])
        part = stack.enter_context(Client(stage.url))  # opened late: nobody reads its pings until now
        part.login(RESTRICTED)
        for client, who in ((whole, "a user who sees all"), (part, "a restricted user")):
            for what, read in (("get_job", _get), ("snapshot", _snapshot)):
                name = f"{what}, {who}"
                _rest(engine)
                costs[name], cpu, size = _timed(client, engine, read, jid)
                rows.append([name, f"{1000 * costs[name]:.0f} ms", f"{1000 * cpu:.0f} ms, {size / 1e6:.1f} MB"])
    section.add(table(["what", "time", "CPU"], rows))
    for name, found in costs.items():
        if "return" in name:
            section.goal(f"{name}: us", found, RETURN_US, found <= RETURN_US)
        elif "restricted" in name:
            section.goal(f"{name}: s", found, RESTRICTED_SECONDS, found <= RESTRICTED_SECONDS)
        else:
            section.goal(f"{name}: s", found, GET_SECONDS, found <= GET_SECONDS)
    return section


def _returns(stage: Stage, client: Client, engine: psutil.Process, *, follow: bool) -> tuple[str, float]:
    """Run a job; return its jid and the microseconds of the engine for each return."""
    jid: str = client.ask("cmd", fun="test.ping", tgt="*", patience=60)["jid"]
    wait_until(lambda: _state(client, jid)["total"] == len(stage.accepted) + 1, "all minions of the job")
    number = _follow(client, jid) if follow else None
    _rest(engine)
    before = cpu_seconds(engine)
    fire(stage.pull, jid, stage.accepted)
    if number is not None:
        client.frames(until=lambda frame: frame["job"]["done"] == len(stage.accepted), subscription=number, timeout=120)
        client.ask("unsubscribe", subscription=number)
    wait_until(lambda: _state(client, jid)["done"] == len(stage.accepted), "the returns", timeout=120, every=0.2)
    return jid, 1e6 * (cpu_seconds(engine) - before) / len(stage.accepted)


def _state(client: Client, jid: str) -> dict[str, Any]:
    found = client.ask("list_jobs", limit=20)
    return next((job for job in found if job["jid"] == jid), {"total": 0, "done": 0})


def _follow(client: Client, jid: str) -> int:
    number = int(client.ask("subscribe", subscription="job", jid=jid, patience=60)["subscription"])
    client.frames(until=lambda frame: frame["type"] == "live", subscription=number, timeout=60)
    return number


def _timed(
    client: Client, engine: psutil.Process, read: Callable[[Client, str], int], jid: str
) -> tuple[float, float, int]:
    """Return the median seconds, the mean CPU seconds and the bytes of a reading."""
    times, before, size = [], cpu_seconds(engine), 0
    for _ in range(READS):
        began = time.perf_counter()
        size = read(client, jid)
        times.append(time.perf_counter() - began)
    return statistics.median(times), (cpu_seconds(engine) - before) / READS, size


def _get(client: Client, jid: str) -> int:
    """Get the job; the reply is not parsed, because that would take longer than to make it."""
    client.send({"type": "get_job", "jid": jid, "id": "get"})
    reply = client.ws.recv()
    assert '"type":"result"' in reply[:200], reply[:300]
    return len(reply)


def _snapshot(client: Client, jid: str) -> int:
    """Subscribe, read the snapshot, and end the subscription."""
    client.send({"type": "subscribe", "subscription": "job", "jid": jid, "id": "sub"})
    size, reply = 0, ""
    number: int | None = None
    while '"type":"live"' not in reply[-200:]:
        reply = client.ws.recv()
        size += len(reply)
        if '"id":"sub"' in reply[:200]:
            number = json.loads(reply)["result"]["subscription"]
    client.ask("unsubscribe", subscription=number)
    return size


def _rest(process: psutil.Process) -> None:
    """Wait until the engine is idle."""
    end = time.monotonic() + REST_SECONDS
    while process.cpu_percent(interval=1.0) > 10 and time.monotonic() < end:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.large_jobs", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="with a tenth of the minions")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    minions = MINIONS // 10 if asked.quick else MINIONS
    users = {USER: [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"], RESTRICTED: [{"m*[02468]": ["test.ping"]}]}
    # Minions without machines answer nobody: they are asked late whether they run the job.
    master_opts = {"gather_job_timeout": 600, "external_auth": {"sharedsecret": users}}
    with Stage(minions=0, saltnado=False, keys=minions, master_opts=master_opts) as stage:
        section = measure(stage, minions)
    print(f"\n{section.markdown()}\n")
    if asked.write:
        write([section])


if __name__ == "__main__":
    guarded(main)
