"""Measure how one user's look-backs and waits affect others: `python -m tests.benchmarks.lookbacks`.

One user sends look-backs through a long history and disconnects, or waits for thousands of events that never arrive.
Meanwhile another user pings and logs in.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks import fanout, replay, stage
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import SECRET, USER, Stage
from tests.benchmarks.timing import Times
from tests.benchmarks.wire import connected, text_frame
from tests.client import Client
from tests.support.waiting import wait_until

NAME = "lookbacks"
VICTIM = "other"
IN_FLIGHT = 32  # requests of one connection
HANG_UP_SECONDS = 0.2
FILL_RATE = 2000  # events a second with which the history is filled
EVENT_RATE = 100  # events a second while waits are measured
BEGUN_SECONDS = 2.0  # until an attack that goes on has surely begun
PING_GOAL_MS = 50.0
LOGIN_GOAL_SECONDS = 2.0

Attack = Callable[[int, str, dict[str, object], Any], None]


def _get_event(number: int, **fields: object) -> bytes:
    return text_frame(json.dumps({"id": number, "type": "get_event", "tag": f"no/{number}", **fields}).encode())


def _look_back(port: int, token: str, since: dict[str, object], stop: Any, connections: int) -> None:
    """Send all look-backs at once, and disconnect soon."""
    with ExitStack() as held:
        socks = [held.enter_context(connected(port, token)) for _ in range(connections)]
        for sock in socks:
            sock.sendall(b"".join(_get_event(number, since=since, wait=300) for number in range(IN_FLIGHT)))
        time.sleep(HANG_UP_SECONDS)


def _look_back_and_stay(port: int, token: str, since: dict[str, object], stop: Any, connections: int) -> None:
    """Send all look-backs at once, and wait for them until stopped."""
    with ExitStack() as held:
        for sock in [held.enter_context(connected(port, token)) for _ in range(connections)]:
            sock.sendall(b"".join(_get_event(number, since=since, wait=300) for number in range(IN_FLIGHT)))
        stop.wait(300)


def _wait(port: int, token: str, since: dict[str, object], stop: Any, connections: int) -> None:
    """Wait for as many different events, until stopped."""
    with ExitStack() as held:
        for place in range(connections):
            sock = held.enter_context(connected(port, token))
            first = place * IN_FLIGHT
            sock.sendall(b"".join(_get_event(number, wait=300) for number in range(first, first + IN_FLIGHT)))
        stop.wait(300)


ATTACKS: dict[str, tuple[Attack, int]] = {
    "160 look-backs, client gone after 0.2 s": (_look_back, 5),
    "640 look-backs, client gone after 0.2 s": (_look_back, 20),
    "640 look-backs, client stays": (_look_back_and_stay, 20),
    "6,400 waits for different tags": (_wait, 200),
}


@contextmanager
def attacking(at: Stage, attack: Attack, connections: int, since: dict[str, object]) -> Iterator[None]:
    """Attack from another process, which has started when this yields."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=attack, args=(at.port, at.token(), since, stop, connections))
    process.start()
    try:
        if attack is _look_back:
            process.join(120)
        else:
            time.sleep(BEGUN_SECONDS)
        yield
    finally:
        stop.set()
        process.join(30)
        if process.is_alive():
            process.kill()


def observe(at: Stage, seconds: float) -> tuple[Times, Times]:
    """Return the times of pings and of logins of another user, each one after the other."""
    pings, logins = Times(), Times()
    end = time.perf_counter() + seconds

    def log_in() -> None:
        while not logins.samples or time.perf_counter() < end:
            began = time.perf_counter()
            with Client(at.url) as client:
                fields = {"username": VICTIM, "password": SECRET, "eauth": "sharedsecret"}
                client.ask("auth", **fields, patience=120)
            logins.samples.append(time.perf_counter() - began)
            time.sleep(0.2)

    with Client(at.url) as client:
        client.ask("auth", token=at.token(VICTIM))
        thread = threading.Thread(target=log_in)
        thread.start()
        while not pings.samples or time.perf_counter() < end:
            began = time.perf_counter()
            client.ask("ping", patience=120)
            pings.samples.append(time.perf_counter() - began)
            time.sleep(0.005)
        thread.join()
    return pings, logins


def measure(at: Stage, events: int, seconds: float) -> Section:
    """Run all attacks, and measure how they affect the other user."""
    section = Section(NAME, "Look-backs and waits of another user")
    section.say(
        f"One user sends {IN_FLIGHT} `get_event` on each of some connections: with `since` {events:,} events back, "
        f"gone after {HANG_UP_SECONDS} s, or for tags that do not come while {EVENT_RATE} events a second pass. Other "
        f"users ping and log in during the {seconds:.0f} s from then on."
    )
    token = at.token()
    epoch, seq = replay.position(at, token)
    fanout.fire(at, FILL_RATE, events)
    wait_until(lambda: replay.position(at, token)[1] >= seq + events, "the reading of all events", every=0.3)
    since: dict[str, object] = {"epoch": epoch, "seq": seq}
    rows, slowest, longest = [], 0.0, 0.0
    for name, attack in (("idle", None), *ATTACKS.items()):
        with ExitStack() as held:
            if attack is not None:
                held.enter_context(attacking(at, *attack, since))
            firing = threading.Thread(target=fanout.fire, args=(at, EVENT_RATE, int(EVENT_RATE * seconds)))
            firing.start()
            engine = at.engine_process()
            cpu = sum(engine.cpu_times()[:2])
            pings, logins = observe(at, seconds)
            cpu = sum(engine.cpu_times()[:2]) - cpu
            firing.join()
        ping, login = pings.percentile(99), max(logins.samples)
        slowest, longest = max(slowest, ping), max(longest, login)
        rows.append(
            [
                name,
                f"{pings.median:.1f}",
                f"{ping:.0f}",
                f"{max(pings.samples) * 1000:.0f}",
                f"{logins.median:.0f}",
                f"{login * 1000:.0f}",
                f"{100 * cpu / seconds:.0f} %",
            ]
        )
        print(rows[-1], flush=True)
    head = ["attack", "ping p50, ms", "p99, ms", "worst, ms", "login p50, ms", "worst, ms", "engine's CPU"]
    section.add(table(head, rows))
    section.goal("ping p99 during an attack, ms, the worst", slowest, PING_GOAL_MS, slowest < PING_GOAL_MS)
    section.goal("login during an attack, s, the worst", longest, LOGIN_GOAL_SECONDS, longest < LOGIN_GOAL_SECONDS)
    return section


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.lookbacks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter history, and a few seconds of each attack")
    parser.add_argument("--checkout", type=Path, help="measure the engine of another checkout")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    logging.basicConfig(level=logging.ERROR)
    if options.checkout is not None:
        stage.CHECKOUT = options.checkout.resolve()
    rights = [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"]
    users = {"external_auth": {"sharedsecret": {USER: rights, VICTIM: rights}}, "sharedsecret": SECRET}
    print("starting a master ...", flush=True)
    with Stage(minions=0, saltnado=False, master_opts=users) as at:
        section = measure(at, *((20_000, 5.0) if options.quick else (59_000, 20.0)))
    print(f"\n{section.markdown()}\n", flush=True)
    if options.write:
        write([section])


if __name__ == "__main__":
    guarded(main)
