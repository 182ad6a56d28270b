"""Measure what one user's flood costs another: `make bench-fairness`, or `python -m tests.benchmarks.fairness`.

One user floods with one kind of request after the other, then with all together. Another one runs `cmd` and waits for
each reply. This user is also measured alone before each flood, so that other load of the machine affects both.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import websocket

from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import AWAY, SECRET, USER, Stage
from tests.benchmarks.timing import Times
from tests.client import Client

NAME = "fairness"
VICTIM = "other"
CONNECTIONS, DEPTH = 4, 8  # of the user who floods, and requests in flight on each
UNKNOWN, LONG_LIST, ITEMS = 1200, 3000, 200
KEYS = 300  # accepted minions that never run, for lists of ids that the master knows
WARM_UP_SECONDS = 2.0  # of a flood before anything is measured
GOAL = 2.0

Messages = Callable[[int], dict[str, Any]]


def _unknown(number: int, count: int) -> list[str]:
    return [f"x{number % 7}-{place}" for place in range(count)]


def _subscribe(number: int) -> dict[str, Any]:
    kind = ({"subscription": "minions"}, {"subscription": "job", "jid": "*"}, {"subscription": "event"})[number % 3]
    return {"type": "subscribe", **kind} if number % 8 < 4 else {"type": "unsubscribe", "subscription": number % 1000}


FLOODS: dict[str, Messages] = {
    "match of 1,200 unknown ids": lambda number: {"type": "match", "tgt": _unknown(number, UNKNOWN)},
    "cmd on 3,000 unknown ids": lambda number: {
        "type": "cmd",
        "fun": "test.ping",
        "tgt": [AWAY, *_unknown(number, LONG_LIST)],
    },
    "cmd on 300 known ids": lambda number: {
        "type": "cmd",
        "fun": "test.ping",
        "tgt": [f"m{place:05}" for place in range(KEYS)],
    },
    "batches of 200 items": lambda number: {
        "type": "batch",
        "batch": [{"fun": "test.arg", "arg": [number, place], "tgt": AWAY} for place in range(ITEMS)],
    },
    "describe": lambda number: {"type": "describe"},
    "subscriptions": _subscribe,
    "functions and job cache reads": lambda number: (
        {"type": "functions", "client": "runner"}
        if number % 2
        else {"type": "get_job", "jid": f"20200101{number % 1_000_000:012}"}
    ),
}
ALL = "all together"


def _flood(url: str, token: str, kinds: list[str], stop: Any, answered: Any) -> None:
    """Keep requests of these kinds in flight until stopped. Runs in its own process."""
    os.nice(19)  # a real one has a machine of its own
    counts: Counter[str] = Counter()

    def connection(place: int) -> None:
        numbers = itertools.count(place * 1_000_000 + 1)

        def send() -> None:
            number = next(numbers)
            message = FLOODS[kinds[number % len(kinds)]](number)
            ws.send(json.dumps({**message, "id": number}))

        ws = websocket.create_connection(url, timeout=30)
        ws.send(json.dumps({"type": "auth", "token": token}))
        ws.recv()
        ws.settimeout(1)
        for _ in range(DEPTH):
            send()
        while not stop.is_set():
            try:
                text = ws.recv()
            except websocket.WebSocketTimeoutException:
                continue
            except websocket.WebSocketException:
                counts["closed"] += 1
                return
            kind = next((one for one in ("result", "error") if f'"type":"{one}"' in text[:60]), None)
            if kind and text.startswith('{"id":'):  # else it is a frame of a subscription
                counts[kind] += 1
                send()
        ws.close(timeout=1)

    threads = [threading.Thread(target=connection, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answered.update(counts)


@contextmanager
def flooding(stage: Stage, kinds: list[str]) -> Iterator[dict[str, int]]:
    """Flood in the background. Afterwards the yielded object has the number of answers by kind."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        answered, stop, found = manager.dict(), context.Event(), dict[str, int]()
        process = context.Process(target=_flood, args=(stage.url, stage.token(), kinds, stop, answered))
        process.start()
        try:
            time.sleep(WARM_UP_SECONDS)
            yield found
        finally:
            stop.set()
            process.join(30)
            if process.is_alive():
                process.kill()
            found.update(answered)


def _commands(client: Client, samples: int, seconds: float) -> Times:
    """Run commands one after the other, up to a maximum time."""
    times, began = Times(), time.perf_counter()
    while len(times.samples) < samples and time.perf_counter() - began < seconds:
        start = time.perf_counter()
        client.ask("cmd", fun="test.ping", tgt=AWAY, patience=60)
        times.samples.append(time.perf_counter() - start)
    times.seconds = time.perf_counter() - began
    return times


def measure(stage: Stage, samples: int, seconds: float, only: list[str]) -> Section:
    """Run all floods, and measure how they affect the other user."""
    section = Section(NAME, "Fair shares")
    section.say(
        f"One user sends without a pause on {CONNECTIONS} connections, with {DEPTH} requests in flight on each. "
        "Another user runs `cmd` and waits for each reply. The figures are the other user's median time to the reply, "
        "alone and during the flood, and their ratio. All processes share the machine; the flooding client has the "
        "lowest priority, because a real one would have its own machine."
    )
    rows, worst = [], 0.0
    with ExitStack() as stack:
        client = stack.enter_context(Client(stage.url))
        client.ask("auth", token=stage.token(VICTIM))
        _commands(client, 10, seconds)
        for name in only or [*FLOODS, ALL]:
            idle = _commands(client, samples, seconds)
            with flooding(stage, list(FLOODS) if name == ALL else [name]) as answered:
                busy = _commands(client, samples, seconds)
            ratio = busy.median / idle.median
            worst = max(worst, ratio)
            rows.append(
                [
                    name,
                    f"{idle.median:.1f}",
                    f"{busy.median:.1f}",
                    f"{busy.percentile(95):.0f}",
                    f"{ratio:.2f}",
                    f"{answered.get('result', 0)} / {answered.get('error', 0)}",
                ]
            )
            print(rows[-1], flush=True)
            time.sleep(2)
    head = ["flood", "p50 alone, ms", "p50 during it, ms", "p95, ms", "ratio", "flood: results / errors"]
    section.add(table(head, rows))
    section.goal("p50 during a flood, times that alone, the worst", worst, GOAL, worst < GOAL)
    return section


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fairness", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds of each flood")
    parser.add_argument("--only", choices=[*FLOODS, ALL], action="append", default=[], help="this flood only")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    logging.basicConfig(level=logging.ERROR)
    samples, seconds = (60, 8.0) if options.quick else (300, 20.0)
    rights = [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"]
    users = {"external_auth": {"sharedsecret": {USER: rights, VICTIM: rights}}, "sharedsecret": SECRET}
    print("starting a master ...", flush=True)
    with Stage(minions=1, saltnado=False, keys=KEYS, master_opts=users) as stage:
        section = measure(stage, samples, seconds, options.only)
    print(f"\n{section.markdown()}\n", flush=True)
    if options.write:
        write([section])


if __name__ == "__main__":
    guarded(main)
