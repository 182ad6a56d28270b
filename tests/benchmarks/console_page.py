"""What a page of the console costs its browser: frames, long tasks and memory, also while events arrive."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.stage import Stage

PATIENCE = 120_000  # milliseconds
MIB = 1024 * 1024
TOKEN = "salt-console-token"  # where the page keeps the token of a user who stays logged in

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


def heap(context: Any, page: Any) -> float:
    """Return the MiB in use of the page's JavaScript heap after a garbage collection."""
    session = context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / MIB


def storm(browser: Any, stage: Stage, seconds: int, rate: int) -> dict[str, float]:
    """Show events at this rate per second, and measure the page's frames and memory."""
    count = rate * seconds
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
            process.wait(timeout=seconds + 60)
        frames, tasks = page.evaluate("[window.frames_, window.tasks_]")
        page.wait_for_timeout(1500)  # what was sent last is on its way
        shown = page.locator(".tools .count").inner_text()
        rows = page.get_by_role("row").count()
        after = heap(context, page)
    found = of_frames(frames) | {"tasks": len(tasks), "task": max(tasks, default=50.0)}
    return {**found, "shown": number(shown), "sent": count, "rows": rows, "before": before, "after": after}


def sender(stage: Stage, rate: int, count: int) -> subprocess.Popen[bytes]:
    """Start a process that fires events on the master's bus."""
    pull = Path(stage.salt_opts()["sock_dir"]) / "master_event_pull.ipc"
    asked = json.dumps({"socket": str(pull), "rate": rate, "count": count})
    return subprocess.Popen([sys.executable, "-m", "tests.benchmarks.sender", asked], stdout=subprocess.DEVNULL)


def number(text: str) -> float:
    """Return the number at the beginning of a text of the page; 0 without one."""
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
