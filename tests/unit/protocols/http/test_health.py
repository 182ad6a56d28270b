"""What /healthz answers: the state of the engine and what of it fails, as text or as JSON."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from tests.unit.protocols.leaving import RunningEngine, running_engine

BUS = "the master's event bus is lost: no events arrive, commands are refused"
FULL = "the disk of the master's caches is full"


async def ask(running: RunningEngine, *head: str) -> tuple[int, str]:
    """Return status and body."""
    with contextlib.closing(await running.peer()) as peer:
        await peer.request("GET", "/healthz", head=list(head))
        status, body = await peer.answer()
        return status, body.decode()


@pytest.mark.parametrize(
    ("bus", "fault", "status", "text"),
    [
        (True, None, 200, "ok\n"),
        (True, FULL, 200, f"degraded\ndisk: {FULL}\n"),
        (False, None, 503, f"down\nbus: {BUS}\n"),
        (False, FULL, 503, f"down\nbus: {BUS}\ndisk: {FULL}\n"),
    ],
)
async def test_degraded_is_told_from_down(bus: bool, fault: str | None, status: int, text: str) -> None:
    """A load balancer goes by the status: an engine that is degraded serves clients."""
    async with running_engine() as running:
        running.engine.bus = bus
        running.engine.services.health.register("disk").fault = fault
        assert await ask(running) == (status, text)
        assert await ask(running, "Accept: */*") == (status, text)
        as_json, body = await ask(running, "Accept: application/json")
        report: dict[str, Any] = json.loads(body)
        assert (as_json, report["status"]) == (status, text.partition("\n")[0])
        assert list(report["parts"]) == ["bus", "disk", "tokens", "store"]
        assert report["parts"]["disk"].get("fault") == fault
        assert report["parts"]["bus"]["status"] == ("ok" if bus else "down")


@pytest.mark.with_salt
async def test_each_part_is_a_metric() -> None:
    """An alert names the part that fails."""
    pytest.importorskip("prometheus_client")
    async with running_engine() as running:
        running.engine.services.health.register("disk").fault = FULL
        with contextlib.closing(await running.peer()) as peer:
            await peer.request("GET", "/metrics", token=running.token)
            status, body = await peer.answer()
        lines = [line for line in body.decode().splitlines() if line.startswith("websocket_api_part_up{")]
        found = {line.split('"')[1]: line.rsplit(" ", 1)[1] for line in lines}
        assert (status, found) == (200, {"bus": "1.0", "disk": "0.0", "tokens": "1.0", "store": "1.0"})


async def test_a_failing_token_store_is_reported() -> None:
    """The engine serves clients that are logged in, so it is degraded."""
    async with running_engine() as running:
        running.engine.accounts.fault = "the master's token store fails: nobody can log in"
        report = running.engine.services.health.report()
        assert report["status"] == "degraded"
        assert report["parts"]["tokens"] == {"status": "degraded", "fault": running.engine.accounts.fault}
        running.engine.accounts.fault = None
        assert running.engine.services.health.report()["status"] == "ok"
