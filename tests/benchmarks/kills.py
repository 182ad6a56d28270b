"""Kill the engine at random while clients follow events and run commands, on a real master: `make bench-kills`.

The counts are those of the master: the sender numbers its events, and the job cache has every command that was run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import random
import sys
import time
from collections import Counter
from typing import Any

import psutil
from salt_live import AsyncClient, Position

from tests.benchmarks.children import Child
from tests.benchmarks.followers import Commands, Follower, order_of, unaccounted
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import AWAY, SECRET, USER, Stage
from tests.support.waiting import is_open, until

NAME = "kills"
CLIENTS = 20
RATE = 200  # events/s
CALM_SECONDS = (2.0, 15.0)  # how long an engine lives, at random
LAST_SECONDS = 30.0  # without a kill, so that the end of the run is seen by all
PATIENCE_SECONDS = 90.0


def run_on_master(stage: Stage) -> Counter[str]:
    """Return how often each command was run, from the master's job cache."""
    jobs: dict[str, Any] = json.loads(stage.salt("salt-run", "jobs.list_jobs", "--out=json"))
    return Counter(str(word) for job in jobs.values() for word in job["Arguments"] if str(word).startswith("mark-"))


async def kill_at_random(stage: Stage, end: float, chance: random.Random) -> int:
    """Kill the process that serves, until the end; return how often."""
    kills = 0
    while time.monotonic() < end:
        await asyncio.sleep(min(chance.uniform(*CALM_SECONDS), max(0.0, end - time.monotonic())))
        with contextlib.suppress(psutil.Error, RuntimeError):
            (await asyncio.to_thread(stage.engine_process)).kill()
            kills += 1
        await until(lambda: not is_open(stage.port), PATIENCE_SECONDS)
        await until(lambda: is_open(stage.port), PATIENCE_SECONDS)
    return kills


async def measure(stage: Stage, minutes: float, chance: random.Random) -> Section:
    count = int(minutes * 60 * RATE)
    places: dict[int, Position] = {}
    async with contextlib.AsyncExitStack() as stack:
        clients: list[AsyncClient] = []
        followers = [Follower() for _ in range(CLIENTS)]
        for follower in followers:
            client = AsyncClient(f"ws://127.0.0.1:{stage.port}", username=USER, password=SECRET)
            clients.append(await stack.enter_async_context(client))
            task = asyncio.create_task(follower.follow(client, places))
            stack.callback(task.cancel)
        await until(lambda: all(client.session.subscriptions.confirmed for client in clients), PATIENCE_SECONDS)
        commands = Commands(clients, AWAY)
        running = asyncio.create_task(commands.run())
        began = time.monotonic()
        with Child("sender", socket=stage.pull, rate=RATE, count=count) as sender:
            kills = await kill_at_random(stage, began + minutes * 60 - LAST_SECONDS, chance)
            await asyncio.to_thread(sender.answer, minutes * 60 + PATIENCE_SECONDS)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        with contextlib.suppress(asyncio.TimeoutError):  # the counts tell what did not come
            await until(lambda: all(follower.last == count - 1 for follower in followers), PATIENCE_SECONDS)
        found = await commands.look_up()
    return report(followers, places, commands, found, run_on_master(stage), kills, count, minutes)


def report(
    followers: list[Follower],
    places: dict[int, Position],
    commands: Commands,
    found: dict[str, int],
    ran: Counter[str],
    kills: int,
    count: int,
    minutes: float,
) -> Section:
    order = order_of(places, (gap for follower in followers for gap in follower.gaps))
    delivered = sum(follower.delivered for follower in followers)
    missing = sum(len(numbers) for follower in followers for numbers, _ in follower.missing)
    missing += sum(count - 1 - follower.last for follower in followers)
    lost = sum(unaccounted(follower, places, order) + count - 1 - follower.last for follower in followers)
    twice = sum(follower.twice for follower in followers)
    outcomes = Counter(commands.outcomes.values())
    more = sum(1 for times in ran.values() if times > 1)
    wrong = sum(1 for mark, jobs in found.items() if jobs != ran[mark])
    wrong += sum(1 for mark, outcome in commands.outcomes.items() if outcome == "started" and ran[mark] != 1)
    wrong += sum(1 for mark, outcome in commands.outcomes.items() if outcome == "refused" and ran[mark])
    section = Section(NAME, "Kills at random")
    section.say(
        f"{CLIENTS} Python clients follow {RATE} events/s for {minutes:g} minutes and run commands, while the process "
        f"of the engine is killed at random, {kills} times. An event is *in a gap* if the client was told that it is "
        "missing, by a gap whose range holds it."
    )
    rows = [
        ["events sent to each of the clients", f"{count:,}"],
        ["events delivered, all clients", f"{delivered:,}"],
        ["events in gaps, all clients", f"{missing - lost:,}"],
        ["gaps, all clients", f"{sum(len(follower.gaps) for follower in followers):,}"],
        ["commands sent", f"{len(commands.outcomes):,}"],
        ["commands started, refused", f"{outcomes['started']:,}, {outcomes['refused'] + outcomes['canceled']:,}"],
        [
            "commands of unknown outcome, of which the look-up found",
            f"{len(found):,}, {sum(map(bool, found.values())):,}",
        ],
    ]
    section.add(table(["what", "count"], rows))
    for what, number in (
        ("events unaccounted for", lost),
        ("events told twice", twice),
        ("commands run twice", more),
        ("commands whose outcome was told wrongly", wrong),
    ):
        section.goal(what, number, 0, number == 0)
    return section


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.kills", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long it lasts (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="repeat the moments of an earlier run")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/benchmarks.md")
    options = parser.parse_args()
    if options.minutes < 1:
        parser.error("--minutes must be 1 or more")
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    logging.basicConfig(level=logging.ERROR)
    with Stage(minions=0, saltnado=False) as stage:
        section = asyncio.run(measure(stage, options.minutes, random.Random(seed)))
    print(section.markdown())
    if options.write:
        write([section])
    if any(goal[-1] == "missed" for goal in section.goals):
        sys.exit(1)


if __name__ == "__main__":
    guarded(main)
