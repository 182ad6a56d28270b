"""Kill engines, masters, Redis and connections at random while clients follow events: `make bench-chaos`.

What is counted comes from the senders, which number their events, and from the minions, where each command leaves a
file. The same events and faults reach clients of saltnado's ``/all_events``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).resolve().parents[2] / name) for name in ("tools", "_engines")]

from children import Signals, run_guarded

from tests.benchmarks.accounts import Account, Places, Sum
from tests.benchmarks.chaos_clients import BareFollower, PythonFollower, Refused, SaltnadoFollower, Vanished
from tests.benchmarks.children import CHECKOUT, until_stopped
from tests.benchmarks.faults import HARSH, WITH_REDIS, Faults
from tests.benchmarks.masters import LAYOUTS, MINIONS, Masters
from tests.benchmarks.numbered import Numbered
from tests.benchmarks.report import Section, table, write

NAME = "chaos"
CLIENTS = 20
SALTNADO_CLIENTS = 4
RATE = 200  # events/s, of all masters together
COMMAND_SECONDS = 1.0  # between two commands, of all clients together
CALM_SECONDS = 20.0  # at the end, without a fault
COMMAND_PATIENCE = 60.0  # for the answer to the last commands


@dataclass
class Commands:
    """Commands with a number each, and what became of them."""

    masters: Masters
    outcomes: dict[int, str] = field(default_factory=dict)
    refusals: dict[int, str] = field(default_factory=dict)
    """Why they were refused."""

    async def run(self, clients: list[PythonFollower | BareFollower]) -> None:
        """Send commands until this is canceled, and wait for the answers."""
        sent: set[asyncio.Task[None]] = set()
        try:
            for number in range(1_000_000):
                sent.add(asyncio.create_task(self._send(clients[number % len(clients)], number)))
                await asyncio.sleep(COMMAND_SECONDS)
        finally:
            await asyncio.wait(sent, timeout=COMMAND_PATIENCE)

    async def _send(self, client: PythonFollower | BareFollower, number: int) -> None:
        self.outcomes[number] = "unknown"
        args = [".mark", f"mark-{number}_", str(self.masters.marks_folder)]
        try:
            await client.command(MINIONS[number % len(MINIONS)], "temp.file", args)
        except Vanished:
            return
        except Refused as error:
            self.outcomes[number], self.refusals[number] = "refused", str(error)
        else:
            self.outcomes[number] = "started"

    def ran(self) -> Counter[int]:
        """Return how often each command ran, from the files that they left."""
        names = (path.name for path in self.masters.marks_folder.glob("mark-*"))
        return Counter(int(found[1]) for name in names if (found := re.match(r"mark-(\d+)_", name)))


@dataclass
class Run:
    """What a run has found."""

    masters: Masters
    minutes: float
    faults: Counter[str] = field(default_factory=Counter)
    sent: dict[str, int] = field(default_factory=dict)
    ours: list[Account] = field(default_factory=list)
    others: list[Account] = field(default_factory=list)
    connections: tuple[int, int] = (0, 0)
    commands: dict[int, str] = field(default_factory=dict)
    refusals: dict[int, str] = field(default_factory=dict)
    ran: Counter[int] = field(default_factory=Counter)


async def measure(masters: Masters, minutes: float, chance: random.Random) -> Run:
    """Do a run."""
    run = Run(masters, minutes)
    numbered = Numbered(masters, RATE, CLIENTS)
    run.ours = numbered.accounts
    theirs: list[SaltnadoFollower] = []
    if masters.saltnado:
        urls = masters.saltnado_urls()
        run.others = [Account({name: Places() for name in masters.names}) for _ in range(SALTNADO_CLIENTS)]
        theirs = [SaltnadoFollower(account, urls) for account in run.others]
    async with contextlib.AsyncExitStack() as stack:
        await numbered.start(stack, theirs)
        commands = Commands(masters)
        commanding = asyncio.create_task(commands.run(numbered.clients))
        faults = Faults(masters, chance, WITH_REDIS if masters.share else HARSH)
        began = time.monotonic()
        await faults.run(minutes * 60 - CALM_SECONDS)
        await asyncio.sleep(max(CALM_SECONDS / 2, minutes * 60 - (time.monotonic() - began)))
        commanding.cancel()
        await numbered.finish()
        run.sent = numbered.sent
        with contextlib.suppress(asyncio.CancelledError):
            await commanding
        numbered.check()
        run.faults, run.commands, run.ran = faults.done, commands.outcomes, commands.ran()
        run.refusals = commands.refusals
        run.connections = tuple(sum(one.connections for one in them) for them in (numbered.clients, theirs))  # type: ignore[assignment]
    return run


def report(run: Run) -> Section:
    """Return the counts as text, with their goals."""
    ours, theirs = (sum((one.close(run.sent) for one in them), Sum()) for them in (run.ours, run.others))
    section = Section(NAME, "Chaos")
    layout, minutes = type(run.masters).__name__, f"{run.minutes:g} minutes"
    section.say(
        f"{CLIENTS} clients, half of them the Python client and half bare websockets, follow {RATE} events/s and run "
        f"commands for {minutes} ({LAYOUT_TEXTS[layout]}), while processes and connections end at random. Meanwhile "
        f"{SALTNADO_CLIENTS} clients follow `/all_events` of saltnado, which is killed when the engine is. An event is "
        "*in a gap* if the client was told at that place of the stream that it is missing, with a range that holds it."
    )
    section.add(table(["fault", "times"], [[what, str(times)] for what, times in sorted(run.faults.items())]))
    sent = sum(run.sent.values())
    per = [len(run.ours), len(run.others)]
    sums = (ours, theirs)

    def both(what: str, *values: Any) -> list[str]:
        return [what, *(f"{value:,}" if isinstance(value, int) else value for value in values)]

    def share(one: Sum, clients: int) -> str:
        return f"{100 * one.delivered / (sent * clients):.2f} %" if sent * clients else ""

    rows = [
        both("clients", *per),
        both("events sent to each", sent, sent),
        both("connections", *run.connections),
        both("events delivered", *(one.delivered for one in sums)),
        both("of those that were sent", *(share(one, clients) for one, clients in zip(sums, per, strict=True))),
        both("events in gaps", ours.named, "none is reported"),
        both("of them, another client got", ours.hidden, ""),
        both("gaps", ours.gaps, "none is reported"),
        both("events lost without a word", *(one.lost for one in sums)),
        both("events delivered twice", *(one.twice for one in sums)),
        both("events delivered out of order", *(one.late for one in sums)),
    ]
    section.add(table(["what", "engine", "saltnado"], rows))
    outcomes = Counter(run.commands.values())
    ran = {
        outcome: sum(1 for one, told in run.commands.items() if told == outcome and run.ran[one])
        for outcome in outcomes
    }
    rows = [[outcome, str(outcomes[outcome]), str(ran[outcome])] for outcome in sorted(outcomes)]
    section.add(table(["outcome of a command", "commands", "ran"], rows))
    for what, number in (
        ("events unaccounted for", ours.lost),
        ("events told twice", ours.twice),
        ("events out of order", ours.late),
        ("events at two positions", ours.strayed),
        ("commands run twice", sum(1 for times in run.ran.values() if times > 1)),
        ("commands refused that ran", ran.get("refused", 0)),
    ):
        section.goal(what, number, 0, number == 0)
    return section


LAYOUT_TEXTS = {
    "One": "one master",
    "HotHot": "two masters that share a Redis",
    "Clustered": "Salt's cluster of two masters",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long it lasts, 1 to 10 (%(default)s)")
    parser.add_argument("--seed", type=int, help="choose the same faults as an earlier run")
    parser.add_argument("--masters", choices=LAYOUTS, default="hot-hot", help="which masters (%(default)s)")
    parser.add_argument("--store", choices=("memory", "disk"), help="history.store; the engine's default if not given")
    parser.add_argument("--no-saltnado", dest="saltnado", action="store_false", help="without clients of saltnado")
    parser.add_argument("--keep-logs", metavar="FOLDER", type=Path, help="copy the masters' logs to a folder")
    parser.add_argument("--checkout", type=Path, default=CHECKOUT, help="the folder whose engine runs (%(default)s)")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/benchmarks.md")
    options = parser.parse_args()
    if not 1 <= options.minutes <= 10:
        parser.error("--minutes must be from 1 to 10")
    if options.seed is None:
        options.seed = random.randrange(1 << 32)
    return options


def main(signals: Signals) -> int:
    options = arguments()
    logging.basicConfig(level=logging.ERROR)
    print(f"seed {options.seed}; starting {options.masters} ...", flush=True)
    history = {"store": options.store} if options.store else {}
    share = options.masters != "one"
    masters = LAYOUTS[options.masters](
        history=history, share=share, checkout=options.checkout, saltnado=options.saltnado
    )
    with masters.running(options.keep_logs):
        work = measure(masters, options.minutes, random.Random(options.seed))
        run = asyncio.run(until_stopped(work, lambda: signals.received))
    section = report(run)
    print(f"\n{section.markdown()}")
    for number, account in enumerate(run.ours):
        if account.lost or account.twice:
            kind = "bare" if number % 2 else "Python"
            print(
                f"client {number} ({kind}): lost {len(account.lost)}, such as {account.lost[:3]}; "
                f"{account.sum.twice} twice, such as {account.twice[:3]}"
            )
    for number, reason in run.refusals.items():
        print(f"command {number} was refused{' and ran' if run.ran[number] else ''}: {reason}")
    if options.write:
        write([section])
    return int(any(goal[-1] == "missed" for goal in section.goals))


if __name__ == "__main__":
    sys.exit(run_guarded(main))
