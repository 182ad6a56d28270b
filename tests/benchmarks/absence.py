"""How long clients get no events, and how many they lose, when an engine or master ends: `make bench-absence`.

With a commit of an earlier release the same is measured there, in a temporary checkout.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parents[2] / name) for name in ("tools", "_engines")]

from children import Signals, run_guarded

from tests.benchmarks.accounts import Account, Place, Places
from tests.benchmarks.chaos_clients import BareFollower, World
from tests.benchmarks.children import CHECKOUT, STOPPED
from tests.benchmarks.masters import LAYOUTS, Masters, start_senders
from tests.benchmarks.report import Section, table, write
from tests.support.waiting import until, wait_until

NAME = "absence"
PAGE = CHECKOUT / "docs" / "staying-up.md"
RATE = 200  # events/s, of all masters together
BEFORE_SECONDS = 8.0  # of events before it: a process that lived shorter is not started again at once
AFTER_SECONDS = 3.0  # of events, when the master's events come again
PATIENCE_SECONDS = 120.0
LAYOUT_TEXTS = {"one": "one", "hot-hot": "two, hot-hot", "cluster": "two, clustered"}


def kill(masters: Masters) -> None:
    """Kill the process that serves."""
    masters.engine(0)[-1].kill()


def restart(masters: Masters) -> None:
    """Restart the master."""
    masters.terminate(0)
    masters.restart(0)


def reload(masters: Masters) -> None:
    """Replace the engine by the files on disk; a release without a reload needs a restart of the master."""
    if not (masters.checkout / "_engines/websocket_api/supervisor").exists():
        restart(masters)
    elif not masters.reload(0):
        raise RuntimeError("the reload failed")


FAULTS: dict[str, Callable[[Masters], None]] = {
    "`kill -9` of the engine": kill,
    "an upgrade": reload,
    "restart of the master": restart,
}


class Timed(Account):
    """An account that measures the longest time without an event."""

    def __init__(self, sources: list[str]) -> None:
        super().__init__({name: Places() for name in sources})
        self.silence = 0.0
        self._last = time.monotonic()

    def event(self, source: str, number: int, place: Place | None = None) -> None:
        """Count an event."""
        now = time.monotonic()
        self.silence, self._last = max(self.silence, now - self._last), now
        super().event(source, number, place)


@dataclass(frozen=True)
class Outcome:
    """What one fault cost a client."""

    silence: float
    lost: int
    sent: int


async def measure(masters: Masters, fault: Callable[[Masters], None]) -> Outcome:
    """Let something happen to the first master while a client of it follows events; it may go to the other one."""
    account = Timed(masters.names)
    alone = None if masters.share else masters.names[0]
    client = BareFollower(account, World(masters.urls, alone), bundle=True)
    async with contextlib.AsyncExitStack() as stack:
        following = asyncio.create_task(client.run())
        stack.callback(following.cancel)
        senders = start_senders(masters, RATE, stack)
        for sender in senders.values():
            await asyncio.to_thread(sender.answer, PATIENCE_SECONDS)
        await until(lambda: client.ready or following.done(), PATIENCE_SECONDS)
        for sender in senders.values():
            sender.tell("go")
        await asyncio.sleep(BEFORE_SECONDS)
        account.silence = 0.0
        await asyncio.to_thread(fault, masters)
        await asyncio.to_thread(wait_until, lambda: masters.is_healthy(0), "the engine", PATIENCE_SECONDS)
        await asyncio.sleep(AFTER_SECONDS)
        sent = {}
        for name, sender in senders.items():
            sender.tell("stop")
            sent[name] = (await asyncio.to_thread(sender.answer, PATIENCE_SECONDS))["sent"]
        if masters.share or len(masters.names) == 1:
            newest = {name: one - 1 for name, one in sent.items()}
            await until(lambda: account.last == newest or following.done(), PATIENCE_SECONDS)
        if following.done():
            following.result()
    counts = account.close(sent)
    if counts.twice or (counts.lost and masters.share):
        raise RuntimeError(f"{counts.lost} events were lost without a gap, {counts.twice} were delivered twice")
    return Outcome(account.silence, sum(sent.values()) - counts.delivered, sum(sent.values()))


def measure_all(
    layouts: list[str], times: int, checkout: Path, share: bool, signals: Signals
) -> dict[tuple[str, str], list[Outcome]]:
    """Return the outcomes of each fault with each layout."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for layout in layouts:
        masters = LAYOUTS[layout](history={}, share=share and layout != "one", checkout=checkout, saltnado=False)
        try:
            masters.start()
            for name, fault in FAULTS.items():
                outcomes = found.setdefault((name, layout), [])
                for _ in range(times):
                    if signals.received:
                        raise SystemExit(STOPPED)
                    outcomes.append(asyncio.run(measure(masters, fault)))
                    print(f"{layout}, {name}: {outcomes[-1]}", flush=True)
        finally:
            masters.close()
    return found


@contextlib.contextmanager
def checkout_of(commit: str) -> Iterator[Path]:
    """Check out a commit into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="wsb-") as folder:
        archive = subprocess.run(["git", "-C", str(CHECKOUT), "archive", commit], check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


def cell(outcomes: list[Outcome] | None) -> list[str]:
    """Return the medians of a fault as text."""
    if not outcomes:
        return ["", ""]
    middle = sorted(outcomes, key=lambda one: one.lost)[len(outcomes) // 2]
    silence = statistics.median(one.silence for one in outcomes)
    return [f"{silence:.1f} s", f"{middle.lost:,} of {middle.sent:,}"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.absence", description=__doc__)
    parser.add_argument("--masters", choices=LAYOUTS, action="append", help="only these; may be given again")
    parser.add_argument("--times", type=int, default=3, help="how often each fault is repeated (%(default)s)")
    parser.add_argument("--before", metavar="COMMIT", help="measure this commit too")
    parser.add_argument("--write", action="store_true", help="put the table into docs/staying-up.md")
    return parser.parse_args()


def main(signals: Signals) -> int:
    options = arguments()
    logging.basicConfig(level=logging.ERROR)
    layouts = options.masters or list(LAYOUTS)
    before: dict[tuple[str, str], list[Outcome]] = {}
    if options.before:
        with checkout_of(options.before) as checkout:
            before = measure_all(layouts, options.times, checkout, share=False, signals=signals)
    after = measure_all(layouts, options.times, CHECKOUT, share=True, signals=signals)
    section = Section(NAME, "How long events are missing")
    section.say(EXPLANATION)
    head = ["what happens to the first master", "masters", "no event for", "events lost"]
    if before:
        section.say(
            f"*Before* is commit `{options.before}`: no supervisor, an upgrade is a restart of the master, and a "
            "client of one master never sees the events of the other one."
        )
        head = [*head[:2], *(f"{one}, before" for one in head[2:]), *head[2:]]
    rows = [
        [name, LAYOUT_TEXTS[layout], *(cell(before.get((name, layout))) if before else []), *cell(outcomes)]
        for (name, layout), outcomes in after.items()
    ]
    section.add(table(head, rows))
    print(f"\n{section.markdown()}")
    if options.write:
        write([section], PAGE)
    return 0


EXPLANATION = f"""\
A client follows {RATE} events/s of all masters together, from {BEFORE_SECONDS:.0f} seconds before something happens to
the first master until {AFTER_SECONDS:.0f} seconds after its engine is healthy again. It connects again as soon as it
can, to any of the masters. *Lost* are the events that it did not get; a `gap` names them. Two masters share their
stream; the master's restart takes the time that Salt takes. `make bench-absence` repeats it."""


if __name__ == "__main__":
    sys.exit(run_guarded(main))
