"""Requests over HTTP are served in turns between users, as messages of websockets are."""

from __future__ import annotations

import asyncio
import contextlib

from websocket_api.core.access.loop_time import AT_ONCE_SECONDS, PART
from websocket_api.fair_share import Share

from tests.unit.protocols.leaving import House, listening_house


async def get_jobs(house: House, token: str, served: list[str], user: str) -> None:
    """Ask for the list of jobs, and note when the answer is there."""
    with contextlib.closing(await house.peer()) as peer:
        await peer.request("GET", "/jobs", token=token)
        status, _ = await peer.answer()
        assert status == 200
        served.append(user)


async def test_who_took_too_much_of_the_loop_waits_while_others_ask() -> None:
    """Ann's request came first, but she has taken her part; over HTTP nobody gets more than over websockets."""
    async with listening_house() as house:
        house.engine.accounts.users["bob"] = [".*"]
        tokens = {name: house.engine.accounts.give(name) for name in ("ann", "bob")}
        served: list[str] = []
        loop_time = house.engine.services.loop_time
        loop_time.note(Share("bob", "pam"))
        loop_time.charge(Share("ann", "pam"), AT_ONCE_SECONDS + PART * 1.0)
        ann = asyncio.ensure_future(get_jobs(house, tokens["ann"], served, "ann"))
        await house.until(lambda: len(house.clients.messages.waiting))
        await get_jobs(house, tokens["bob"], served, "bob")
        await ann
        assert served == ["bob", "ann"]
        await house.alone()


async def test_who_leaves_while_waiting_leaves_nothing() -> None:
    """When its turn has come, nothing of the request is left."""
    async with listening_house() as house:
        loop_time = house.engine.services.loop_time
        loop_time.note(Share("bob", "pam"))
        loop_time.charge(Share("ann", "pam"), AT_ONCE_SECONDS + PART * 0.5)
        peer = await house.peer()
        await peer.request("GET", "/jobs", token=house.token)
        await house.until(lambda: len(house.clients.messages.waiting))
        peer.reset()
        await house.alone()
        assert not len(house.clients.messages.waiting)
