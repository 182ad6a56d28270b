"""Measure the console in a real browser: `make bench-console`, or `python -m tests.benchmarks.console --help`."""

from __future__ import annotations

import argparse
import json
import logging
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.benchmarks import console_job
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import AWAY, Stage
from tests.client import Client
from tests.support.waiting import wait_until

NAME = "console"

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
PATIENCE = 120_000  # milliseconds
MIB = 1024 * 1024
TOKEN = "salt-console-token"  # where the page keeps the token of who stays logged in

WANTED = {
    "first picture, median ms, at most": 1000,
    "frames a second, median, at least": 50,
    "events shown, %, at least": 100,
    "memory kept after it, MiB, at most": 60,
    "a job of many returns, median ms, at most": 1000,
    "frames a second while they arrive, median, at least": 50,
}

WHOLE = re.compile(r"^[\d,]+ minions$")  # what the page says when it has the whole fleet

WATCH = """() => {
    window.frames_ = [];
    window.tasks_ = [];
    new PerformanceObserver((list) => tasks_.push(...list.getEntries().map((task) => task.duration)))
        .observe({entryTypes: ["longtask"]});
    let last = performance.now();
    const frame = (now) => {
        window.frames_.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""

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


class LargeStage(Stage):
    """A master with accepted keys and cached grains of many minions, none of which runs.

    Each minion has all grains of this machine, so that its size is realistic.
    """

    known = 5000

    def _accept_the_one_that_is_away(self) -> None:
        super()._accept_the_one_that_is_away()
        import salt.cache
        import salt.config
        import salt.loader

        keys = self.root / "etc" / "salt" / "pki" / "master" / "minions"
        options = salt.config.minion_config(None)
        options |= {"enable_fqdns_grains": False, "enable_gpu_grains": False, "cachedir": str(self.root / "cache-here")}
        grains = json.loads(json.dumps(salt.loader.grains(options), default=str))
        self.grain_bytes = len(json.dumps(grains))
        cache = salt.cache.factory(self.salt_opts())
        for number in range(self.known):
            name = f"web-{number:05}.example.com"
            shutil.copy(keys / AWAY, keys / name)
            cache.store("grains", name, {**grains, "id": name, "host": name.partition(".")[0], "fqdn": name})


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    minions: int
    loads: int
    seconds: int


def grains_are_read(stage: LargeStage) -> bool:
    """Return whether the engine has all grains, which it reads in the background after its start."""
    with Client(stage.url) as client:
        client.ask("auth", token=stage.token())
        found = [minion for minion in client.ask("list_minions", grains=["id"]) if minion["id"] != AWAY]
        return len(found) == stage.known and all(minion["grains"] for minion in found)


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


def first_pictures(browser: Any, stage: LargeStage, extent: Extent) -> dict[str, list[float]]:
    """Load the page often, each time as a browser with a filled cache and a stored login."""
    found: dict[str, list[float]] = {"first": [], "whole": [], "heap": []}
    token = stage.token()
    with browser.new_context(base_url=f"http://127.0.0.1:{stage.port}") as context:
        context.add_init_script(f"localStorage.setItem({json.dumps(TOKEN)}, {json.dumps(token)}); ({MARK})();")
        for _ in range(extent.loads + 1):
            page = context.new_page()
            page.goto("/console/#/fleet")
            # Asked from here: its Content-Security-Policy forbids the page to run a text again and again.
            wait_until(lambda page=page: page.evaluate("window.wholePicture"), "the whole fleet")
            found["first"].append(page.evaluate("window.firstPicture"))
            found["whole"].append(page.evaluate("window.wholePicture"))
            if page.get_by_text(f"{extent.minions + 1:,} minions", exact=True).count() != 1:
                raise RuntimeError("the page does not show the whole fleet")
            found["heap"].append(heap(context, page))
            page.close()
    # The first load fills the browser's cache.
    return {name: values[1:] for name, values in found.items()}


def heap(context: Any, page: Any) -> float:
    """Return the MiB in use of the page's JavaScript heap after a garbage collection."""
    session = context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / MIB


def storm(browser: Any, stage: Stage, extent: Extent, rate: int) -> dict[str, float]:
    """Show events at this rate per second, and measure the page's frames and memory."""
    count = rate * extent.seconds
    with browser.new_context(base_url=f"http://127.0.0.1:{stage.port}") as context:
        context.set_default_timeout(PATIENCE)
        context.add_init_script(f"localStorage.setItem({json.dumps(TOKEN)}, {json.dumps(stage.token())});")
        page = context.new_page()
        page.goto("/console/#/events")
        page.get_by_label("Filter by tag").fill("bench/")
        page.wait_for_timeout(2000)
        before = heap(context, page)
        page.evaluate(WATCH)
        with sender(stage, rate, count) as process:
            process.wait(timeout=extent.seconds + 60)
        frames, tasks = page.evaluate("[window.frames_, window.tasks_]")
        page.wait_for_timeout(1500)  # what was sent last is on its way
        shown = page.locator(".tools .count").inner_text()
        rows = page.get_by_role("row").count()
        after = heap(context, page)
    found = of_frames(frames) | {"tasks": len(tasks), "task": max(tasks, default=50.0)}
    return {**found, "shown": number(shown), "sent": count, "rows": rows, "before": before, "after": after}


def sender(stage: Stage, rate: int, count: int) -> subprocess.Popen[bytes]:
    pull = Path(stage.salt_opts()["sock_dir"]) / "master_event_pull.ipc"
    asked = json.dumps({"socket": str(pull), "rate": rate, "count": count})
    return subprocess.Popen([sys.executable, "-m", "tests.benchmarks.sender", asked], stdout=subprocess.DEVNULL)


def number(text: str) -> float:
    digits = text.partition(" ")[0].replace(",", "")
    return float(digits) if digits.isdecimal() else 0.0


def of_frames(frames: list[float]) -> dict[str, float]:
    """Return frames per second (median and worst second), and the duration of frames."""
    seconds: dict[int, int] = {}
    time = 0.0
    for length in frames:
        time += length
        seconds[int(time / 1000)] = seconds.get(int(time / 1000), 0) + 1
    whole = [seconds.get(second, 0) for second in range(max(seconds))]
    ordered = sorted(frames)
    return {
        "fps": statistics.median(whole),
        "worst fps": min(whole),
        "p99": ordered[int(len(ordered) * 0.99)],
        "longest": ordered[-1],
    }


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
        f"{console_job.RATE:,} per second; afterwards its page is opened again, from the engine's memory."
    )
    wait_until(lambda: grains_are_read(stage), "the grains of all minions", timeout=180, every=1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        pictures = first_pictures(browser, stage, extent)
        quiet = storm(browser, stage, Extent(extent.minions, 0, 10), 1)
        loud = storm(browser, stage, extent, 1000)
        names = [f"web-{number:05}.example.com" for number in range(extent.minions)]
        job = console_job.measure(browser, stage, names, TOKEN, WATCH)
        browser.close()
    everything, few = snapshot(stage), snapshot(stage, grains=["os", "osrelease", "saltversion"])
    first, whole = (statistics.median(pictures[name]) for name in ("first", "whole"))
    rows = [
        ["first picture, ms (median of loads; worst)", f"{first:.0f}; {max(pictures['first']):.0f}"],
        ["whole fleet, ms (median; worst)", f"{whole:.0f}; {max(pictures['whole']):.0f}"],
        ["snapshot with all grains, ms; MiB", f"{everything[0]:.0f}; {everything[1] / MIB:.1f}"],
        ["snapshot with three grains, ms; MiB", f"{few[0]:.0f}; {few[1] / MIB:.1f}"],
        ["JavaScript heap with the fleet, MiB", f"{statistics.median(pictures['heap']):.1f}"],
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
        first,
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
    main()
