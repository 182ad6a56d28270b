"""HTTP requests are served in turns between users, like websocket messages."""

from __future__ import annotations

import asyncio
import contextlib

from websocket_api.core.access.loop_time import AT_ONCE_SECONDS, PART
from websocket_api.fair_share import Share

from tests.unit.protocols.leaving import RunningEngine, running_engine


async def get_jobs(engine: RunningEngine, token: str, served: list[str], user: str) -> None:
    """Request the list of jobs, and record when the answer arrives."""
    with contextlib.closing(await engine.peer()) as peer:
        await peer.request("GET", "/jobs", token=token)
        status, _ = await peer.answer()
        assert status == 200
        served.append(user)


async def test_requests_of_a_user_over_the_share_wait_for_others() -> None:
    """Ann's request came first, but she has used her share; HTTP gives no more than websockets."""
    async with running_engine() as engine:
        engine.engine.accounts.users["bob"] = [".*"]
        tokens = {name: engine.engine.accounts.give(name) for name in ("ann", "bob")}
        served: list[str] = []
        loop_time = engine.engine.services.loop_time
        loop_time.note(Share("bob", "pam"))
        loop_time.charge(Share("ann", "pam"), AT_ONCE_SECONDS + PART * 1.0)
        ann = asyncio.ensure_future(get_jobs(engine, tokens["ann"], served, "ann"))
        await engine.until(lambda: len(engine.clients.messages.waiting))
        await get_jobs(engine, tokens["bob"], served, "bob")
        await ann
        assert served == ["bob", "ann"]
        await engine.alone()


async def test_a_request_of_a_client_that_left_leaves_nothing() -> None:
    """At its turn, nothing of the request is left."""
    async with running_engine() as engine:
        loop_time = engine.engine.services.loop_time
        loop_time.note(Share("bob", "pam"))
        loop_time.charge(Share("ann", "pam"), AT_ONCE_SECONDS + PART * 0.5)
        peer = await engine.peer()
        await peer.request("GET", "/jobs", token=engine.token)
        await engine.until(lambda: len(engine.clients.messages.waiting))
        peer.reset()
        await engine.alone()
        assert not len(engine.clients.messages.waiting)
