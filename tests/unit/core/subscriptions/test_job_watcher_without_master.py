"""The job watcher while the master does not answer."""

from __future__ import annotations

from typing import Any

from websocket_api.core.subscriptions.job_watcher import QUIET_SECONDS, JobWatcher
from websocket_api.errors import ApiError

from tests.unit.core.support import World

JIDS = [f"2026112312000000000{n}" for n in range(5)]


async def test_a_master_that_does_not_answer_is_asked_once_a_round() -> None:
    """Each question waits for seconds: one for each of a hundred jobs would block the round for minutes."""
    world, asked = World(), []

    async def publish(fun: str, arg: list[Any], minions: list[str]) -> dict[str, Any]:
        asked.append(arg[0])
        raise ApiError("master_unavailable", "the master does not answer")

    watcher = JobWatcher(
        jobs=world.jobs,
        minions=world.minions,
        watched=lambda: JIDS,
        publish=publish,
        answer_seconds=10,
        clock=world.time,
    )
    for jid in JIDS:
        world.fire(f"salt/job/{jid}/new", fun="test.ping", arg=[], minions=["a"], missing=[], user="ann")
    await watcher.tick()
    world.time.pass_(QUIET_SECONDS)
    await watcher.tick()
    assert len(asked) == 1
