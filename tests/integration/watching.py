"""Watch a job on the master's own bus, without the engine."""

from __future__ import annotations

import time
from typing import Any

import salt.client


def run_and_watch(
    salt_master: Any, bus: Any, minion: str, fun: str, *args: Any, last: float, **kwargs: Any
) -> tuple[str, Any, list[Any]]:
    """Run a function on a minion; return its jid, its return and its progress reports.

    :param last: percent of the report to wait for: reports go by another way than the return, which may overtake them
    """
    with salt.client.LocalClient(mopts=dict(salt_master.config)) as local:
        jid = local.run_job(minion, fun, arg=list(args), kwarg=kwargs)["jid"]
    reports: list[Any] = []
    returned: list[Any] = []
    deadline = time.monotonic() + 90
    while not (returned and any(one["percent"] == last for one in reported(reports))):
        assert time.monotonic() < deadline, f"of {jid} came {returned} and {reports}"
        event = bus.get_event(tag=f"salt/job/{jid}/", wait=5, full=True, auto_reconnect=True)
        if event is None:
            continue
        if event["tag"].endswith("/websocket_api"):
            reports.append(event)
        if event["tag"] == f"salt/job/{jid}/ret/{minion}":
            returned.append(event["data"]["return"])
    return jid, returned[0], reports


def reported(reports: list[Any]) -> list[Any]:
    """Return the data of each report, by percent: each goes through another worker of the master."""
    return sorted((report["data"]["data"] for report in reports), key=lambda data: data["percent"])
