"""Watch a job on the master's own bus, without the engine."""

from __future__ import annotations

import time
from typing import Any

import salt.client


def run_and_watch(
    salt_master: Any, bus: Any, minion: str, fun: str, *args: Any, **kwargs: Any
) -> tuple[str, Any, list[Any]]:
    """Run a function on a minion; return its jid, its return and its progress reports."""
    with salt.client.LocalClient(mopts=dict(salt_master.config)) as local:
        jid = local.run_job(minion, fun, arg=list(args), kwarg=kwargs)["jid"]
    reports, deadline = [], time.monotonic() + 60
    while time.monotonic() < deadline:
        event = bus.get_event(tag=f"salt/job/{jid}/", wait=5, full=True, auto_reconnect=True)
        if event is None:
            continue
        if event["tag"].endswith("/websocket_api"):
            reports.append(event)
        if event["tag"] == f"salt/job/{jid}/ret/{minion}":
            # The return goes by another way than the reports and may overtake the last one.
            while (late := bus.get_event(tag=f"salt/job/{jid}/prog/", wait=1, full=True)) is not None:
                if late["tag"].endswith("/websocket_api"):
                    reports.append(late)
            return jid, event["data"]["return"], reports
    raise AssertionError(f"no return of {jid}")


def reported(reports: list[Any]) -> list[Any]:
    """Return the data of each report."""
    return [report["data"]["data"] for report in reports]
