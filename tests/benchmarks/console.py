"""Measure the console in a real browser: `make bench-console`, or `python -m tests.benchmarks.console --help`."""

from __future__ import annotations

import argparse
import json
import logging
import re
import shutil
import statistics
import time
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import sync_playwright

from tests.benchmarks import console_job
from tests.benchmarks.console_page import MIB, TOKEN, WATCH, heap, of_frames, storm
from tests.benchmarks.console_stage import LargeStage, grains_are_read
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import Stage
from tests.client import Client
from tests.support.waiting import wait_until

NAME = "console"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]

WANTED = {
    "first picture, median ms, at most": 1000,
    "first picture with an empty cache, median ms, at most": 1000,
    "frames a second, median, at least": 50,
    "events shown, %, at least": 100,
    "memory kept after it, MiB, at most": 60,
    "a job of many returns, median ms, at most": 1000,
    "frames a second while they arrive, median, at least": 50,
}

WHOLE = re.compile(r"^[\d,]+ minions$")  # what the page says when it has the whole fleet

# When the first rows were drawn, and when the whole fleet was there: in milliseconds from the navigation's start.
MARK = """() => {
    const look = () => {
        const rows = document.querySelector(".fleet .rows .row");
        const status = document.querySelector(".tools [role=status]");
        if (rows) window.firstPicture ??= performance.now();
        if (rows && /WHOLE/.test(status.textContent)) window.wholePicture ??= performance.now();
        if (!window.wholePicture) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}""".replace("WHOLE", WHOLE.pattern)


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    minions: int
    loads: int
    seconds: int


Loads = dict[str, float]
"""Of one load of the page: ``first`` and ``whole`` in milliseconds, ``heap`` in MiB."""


def median(loads: list[Loads], name: str) -> float:
    """Return the median of a figure."""
    return statistics.median(one[name] for one in loads)


def median_and_worst(loads: list[Loads], name: str) -> str:
    """Return the median and the maximum of a figure as text."""
    return f"{median(loads, name):.0f}; {max(one[name] for one in loads):.0f}"


def snapshot(stage: Stage, **fields: Any) -> tuple[float, int]:
    """Return the milliseconds and bytes of a snapshot of all minions over the native protocol."""
    with Client(stage.url) as client:
        client.ask("auth", token=stage.token())
        began, size, frame = time.perf_counter(), 0, b""
        client.send({"type": "subscribe", "id": 0, "subscription": "minions", **fields})
        while b'"type":"live"' not in frame[:64]:
            frame = client.ws.recv_frame().data  # recv() would check the UTF-8 of megabytes, slowly
            size += len(frame)
        return 1000 * (time.perf_counter() - began), size


def load(context: Any, minions: int) -> Loads:
    """Load the page of the fleet, with a stored login; return its times since the navigation and its heap."""
    page = context.new_page()
    page.goto("/console/#/fleet")
    # Polled from here: the page's Content-Security-Policy forbids code from text, which polling in the page needs.
    wait_until(lambda: page.evaluate("window.wholePicture"), "the whole fleet")
    first, whole = page.evaluate("[window.firstPicture, window.wholePicture]")
    if page.get_by_text(f"{minions + 1:,} minions", exact=True).count() != 1:
        raise RuntimeError("the page does not show the whole fleet")
    found = {"first": first, "whole": whole, "heap": heap(context, page)}
    page.close()
    return found


def first_pictures(browser: Any, stage: LargeStage, extent: Extent) -> tuple[list[Loads], list[Loads]]:
    """Load the page often: as browsers with an empty cache, and as one with a filled cache."""
    script = f"localStorage.setItem({json.dumps(TOKEN)}, {json.dumps(stage.token())}); ({MARK})();"
    empty, filled = [], []
    for _ in range(extent.loads):
        with browser.new_context(base_url=f"http://127.0.0.1:{stage.port}") as context:
            context.add_init_script(script)
            empty.append(load(context, extent.minions))
            filled.append(load(context, extent.minions))
    return empty, filled


def measure(stage: LargeStage, extent: Extent) -> Section:
    """Measure all of it."""
    section = Section(NAME, "The console")
    section.say(
        "Headless Chromium on the same two cores as the master, without a graphics card. *First picture* is the time "
        f"from the navigation's start to the first drawn rows of a fleet of {extent.minions:,} minions; *whole* is "
        f"the time until all have arrived. Each has grains of about {stage.grain_bytes / 1024:.0f} KiB; the page "
        "requests those that it shows or searches. *Snapshots* are the bytes that the native protocol sends of such a "
        f"fleet to a client that only counts them. *The storm* is the events view at 1,000 events/s for "
        f"{extent.seconds} s. *The job* has a return of {console_job.STATES} states from each minion, "
        f"{console_job.RATE:,} per second; afterwards its page is opened again, from the engine's memory. For this the "
        "browser is driven without Playwright, which would have each websocket message copied to itself."
    )
    wait_until(lambda: grains_are_read(stage), "the grains of all minions", timeout=180, every=1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        empty, filled = first_pictures(browser, stage, extent)
        quiet, loud = storm(browser, stage, 10, 1), storm(browser, stage, extent.seconds, 1000)
        names = [f"web-{number:05}.example.com" for number in range(extent.minions)]
        job = console_job.measure(browser, [CHROMIUM, *ARGUMENTS], stage, names, TOKEN, WATCH)
        browser.close()
    everything, few = snapshot(stage), snapshot(stage, grains=["os", "osrelease", "saltversion"])
    rows = [
        ["first picture, ms (median of loads; worst)", median_and_worst(filled, "first")],
        ["first picture with an empty cache, ms (median; worst)", median_and_worst(empty, "first")],
        ["whole fleet, ms (median; worst)", median_and_worst(filled, "whole")],
        ["snapshot with all grains, ms; MiB", f"{everything[0]:.0f}; {everything[1] / MIB:.1f}"],
        ["snapshot with three grains, ms; MiB", f"{few[0]:.0f}; {few[1] / MIB:.1f}"],
        ["JavaScript heap with the fleet, MiB", f"{median(filled, 'heap'):.1f}"],
        ["frames/s at rest (median of seconds)", f"{quiet['fps']:.0f}"],
        ["frames/s in the storm (median of seconds; worst second)", f"{loud['fps']:.0f}; {loud['worst fps']:.0f}"],
        ["a frame in the storm, ms (p99; longest)", f"{loud['p99']:.0f}; {loud['longest']:.0f}"],
        ["tasks of the page above 50 ms in the storm; the longest, ms", f"{loud['tasks']:.0f}; {loud['task']:.0f}"],
        ["events sent, shown", f"{loud['sent']:.0f}, {loud['shown']:.0f}"],
        ["rows in the page", f"{loud['rows']:.0f}"],
        ["JavaScript heap before, after the storm, MiB", f"{loud['before']:.1f}, {loud['after']:.1f}"],
    ]
    drawn, arriving = statistics.median(job["drawn"]), of_frames(job["frames"])
    rows += [
        [
            f"a job of {extent.minions:,} returns in {job['groups']} groups, ms (median; worst)",
            f"{drawn:.0f}; {max(job['drawn']):.0f}",
        ],
        ["CPU of the page's main thread for it, ms (median)", f"{statistics.median(job['cpu']):.0f}"],
        [
            "frames/s while they arrive (median of seconds; worst second)",
            f"{arriving['fps']:.0f}; {arriving['worst fps']:.0f}",
        ],
    ]
    section.add(table(["what", "measured"], rows))
    found = [
        median(filled, "first"),
        median(empty, "first"),
        loud["fps"],
        100 * loud["shown"] / loud["sent"],
        loud["after"] - loud["before"],
        drawn,
        arriving["fps"],
    ]
    for (what, wanted), value in zip(WANTED.items(), found, strict=True):
        section.goal(what, value, wanted, value >= wanted if "at least" in what else value <= wanted)
    return section


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.console", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    parser.add_argument("--minions", type=int, default=5000, help="minions that the master knows (%(default)s)")
    parser.add_argument("--loads", type=int, default=5, help="loads of the page (%(default)s)")
    parser.add_argument("--seconds", type=int, default=60, help="of 1,000 events/s (%(default)s)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    LargeStage.known = options.minions
    print(f"starting a master that knows {options.minions} minions ...", flush=True)
    with LargeStage(minions=0, saltnado=False) as stage:
        section = measure(stage, Extent(options.minions, options.loads, options.seconds))
    print(f"\n{section.markdown()}\n")
    if options.write:
        write([section])


if __name__ == "__main__":
    guarded(main)
