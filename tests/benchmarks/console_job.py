"""Measure the console's page of a job with thousands of returns: while they arrive, and opened afterwards."""

from __future__ import annotations

import json
import socket
import statistics
import struct
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgpack

from tests.benchmarks import devtools
from tests.benchmarks.returns import framed
from tests.benchmarks.stage import Stage
from tests.support.waiting import wait_until

RATE = 1000  # returns per second
AT_ONCE = 20  # in one write
STATES = 10  # of a return: about 4 KB
LOADS = 5  # of the page afterwards; the first fills the browser's cache

# When the page showed all of the job, in milliseconds from the navigation's start.
DRAWN = """() => {
    const look = () => {
        const status = document.querySelector(".job .tools [role=status]");
        if (/^COUNT minions in/.test(status?.textContent ?? "")) window.wholeJob ??= performance.now();
        if (!window.wholeJob) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""


def states(minion: str, number: int) -> dict[str, Any]:
    """Return a highstate of one of three outcomes; durations, process ids and the minion's id differ in each."""
    found = {}
    for at in range(STATES):
        failed = at == 0 and number % 10 == 0
        changes: dict[str, Any] = {"pid": number, "retcode": 1, "stdout": minion, "stderr": ""} if failed else {}
        if at == 1 and number % 3 == 0:
            changes = {"diff": "--- \n+++ \n@@ -1 +1 @@\n-old\n+new\n"}
        found[f"file_|-state {at}_|-/etc/service/{at}.conf_|-managed"] = {
            "result": not failed,
            "comment": f"The file /etc/service/{at}.conf is in the correct state on {minion}",
            "changes": changes,
            "duration": number / 7,
            "start_time": "10:20:30.123456",
            "name": f"/etc/service/{at}.conf",
            "__id__": f"state {at}",
            "__sls__": "service",
            "__run_num__": at,
        }
    return found


def announcement(jid: str, minions: list[str]) -> bytes:
    data = {
        "jid": jid,
        "fun": "state.apply",
        "arg": [],
        "tgt": "*",
        "tgt_type": "glob",
        "user": "demo",
        "minions": minions,
    }
    data["_stamp"] = datetime.now(timezone.utc).isoformat()
    body = f"salt/job/{jid}/new\n\n".encode() + msgpack.packb(data, use_bin_type=True)
    packed: bytes = msgpack.packb({"head": {}, "body": body}, use_bin_type=True)
    return struct.pack(">I", len(packed)) + packed


def pace(count: int) -> Iterator[range]:
    """Yield ranges of numbers at RATE."""
    began = time.monotonic()
    for start in range(0, count, AT_ONCE):
        time.sleep(max(0.0, began + start / RATE - time.monotonic()))
        yield range(start, min(count, start + AT_ONCE))


def measure(
    browser: Any, chromium: list[str], stage: Stage, minions: list[str], token_name: str, watch: str
) -> dict[str, Any]:
    """Run a job of these minions, none of which exists, and measure its page.

    :param chromium: the executable and its arguments, for the loads of the page afterwards
    :param token_name: where the page stores the token
    :param watch: a script that records frames as ``window.frames_``
    :return: ``frames`` in milliseconds each, ``drawn`` in milliseconds for each load of the page afterwards, ``cpu``
        the milliseconds that the page's main thread worked until then
    """
    count = f"{len(minions):,}"
    jid = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S%f")
    script = f"localStorage.setItem({json.dumps(token_name)}, {json.dumps(stage.token())});"
    script += f"({DRAWN.replace('COUNT', count)})();"
    with browser.new_context(base_url=f"http://127.0.0.1:{stage.port}") as context:
        context.add_init_script(script)
        with socket.socket(socket.AF_UNIX) as pull:
            pull.connect(str(Path(stage.salt_opts()["sock_dir"]) / "master_event_pull.ipc"))
            pull.sendall(announcement(jid, minions))
            page = context.new_page()
            page.goto(f"/console/#/jobs/{jid}")
            page.get_by_text(f"0 of {len(minions)} returned").wait_for(timeout=60_000)
            waiting = [framed(jid, name, "state.apply", states(name, number)) for number, name in enumerate(minions)]
            page.evaluate(watch)
            for numbers in pace(len(minions)):
                pull.sendall(b"".join(waiting[number] for number in numbers))
        page.get_by_text(f"{len(minions)} of {len(minions)} returned").wait_for(timeout=60_000)
        frames = page.evaluate("window.frames_")
        page.close()
    with devtools.browser(chromium[0], chromium[1:]) as quiet:
        loads = [load(quiet, script, f"http://127.0.0.1:{stage.port}/console/#/jobs/{jid}") for _ in range(LOADS + 1)]
    drawn, cpu, groups = zip(*loads[1:], strict=True)
    size = statistics.mean(len(one) for one in waiting[:100])
    return {"frames": frames, "drawn": drawn, "cpu": cpu, "groups": groups[-1], "bytes": size}


def load(browser: devtools.Session, script: str, address: str) -> tuple[float, float, int]:
    """Load the page of the job, and return when it was whole, the CPU of the page's main thread, and its groups.

    :param script: logs in, and notes when the page is whole
    """
    with browser.page(script) as page:
        page.send("Performance.enable", timeDomain="threadTicks")
        page.send("Page.navigate", url=address)
        drawn = wait_until(lambda: page.evaluate("window.wholeJob"), "the whole job", timeout=60)
        metrics = {one["name"]: one["value"] for one in page.send("Performance.getMetrics")["metrics"]}
        groups = page.evaluate("document.querySelectorAll('details.part').length")
        return drawn, 1000 * metrics["TaskDuration"], groups
