"""HTTP requests, handshakes and large bodies are served in turns between users, like websocket messages."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
from websocket_api.core.access.loop_time import AT_ONCE_SECONDS, PART
from websocket_api.fair_share import Share
from websocket_api.protocols.http import content

from tests.support.handshakes import UPGRADE_LINES
from tests.unit.protocols.leaving import RunningEngine, running_engine

Way = tuple[str, list[str]]
WAYS: dict[str, Way] = {
    "a request": ("/jobs", []),
    "a stream": ("/events", []),
    "a websocket": ("/ws", UPGRADE_LINES),
    "events of saltnado": ("/all_events", UPGRADE_LINES),
    "Digital Rebar": ("/api/v3/ws?token={token}", UPGRADE_LINES),
    "batches": ("/batches/ws", UPGRADE_LINES),
}
"""The path and further lines of a request."""


async def come(engine: RunningEngine, way: Way, token: str, served: list[str], user: str) -> None:
    """Send a request, and record when the answer arrives."""
    path, head = way
    with contextlib.closing(await engine.peer()) as peer:
        await peer.request("GET", path.format(token=token), token=token, head=head)
        assert (await peer.head()).split()[1] in ("200", "101")
        served.append(user)


def two_users(engine: RunningEngine) -> dict[str, str]:
    """Return the tokens of two users."""
    engine.engine.accounts.users["bob"] = [".*"]
    return {name: engine.engine.accounts.give(name) for name in ("ann", "bob")}


@pytest.mark.parametrize("way", WAYS.values(), ids=[*WAYS])
async def test_requests_of_a_user_over_the_share_wait_for_others(way: Way) -> None:
    """Ann's request came first, but she has used her share; HTTP gives no more than websockets."""
    async with running_engine() as engine:
        tokens = two_users(engine)
        served: list[str] = []
        loop_time = engine.engine.services.loop_time
        loop_time.note(Share("bob", "pam"))
        loop_time.charge(Share("ann", "pam"), AT_ONCE_SECONDS + PART * 1.0)
        ann = asyncio.ensure_future(come(engine, way, tokens["ann"], served, "ann"))
        await engine.until(lambda: len(engine.clients.messages.waiting))
        await come(engine, way, tokens["bob"], served, "bob")
        await ann
        assert served == ["bob", "ann"]
        await engine.alone()


@pytest.mark.parametrize("way", WAYS.values(), ids=[*WAYS])
async def test_a_request_of_a_client_that_left_leaves_nothing(way: Way) -> None:
    """At its turn, nothing of the request is left."""
    async with running_engine() as engine:
        loop_time = engine.engine.services.loop_time
        loop_time.note(Share("bob", "pam"))
        loop_time.charge(Share("ann", "pam"), AT_ONCE_SECONDS + PART * 0.5)
        peer = await engine.peer()
        await peer.request("GET", way[0].format(token=engine.token), token=engine.token, head=way[1])
        await engine.until(lambda: len(engine.clients.messages.waiting))
        peer.reset()
        await engine.alone()
        assert not len(engine.clients.messages.waiting)


@pytest.mark.with_salt
@pytest.mark.parametrize("kind", ["application/x-yaml", "application/x-www-form-urlencoded"])
async def test_large_bodies_are_parsed_in_turns_between_users(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread parses them. Ann has sent ten before Bob's, and his is the second or third to be parsed."""
    began, go, parsed = threading.Event(), threading.Event(), list[str]()

    def parse(reader: object, text: str) -> object:
        parsed.append(text.split("=", maxsplit=1)[0][:3])
        began.set()
        assert go.wait(20)
        return {}

    monkeypatch.setattr(content, "_without_collections", parse)
    async with running_engine(master_seconds=60) as engine:
        tokens, peers = two_users(engine), []
        for name in ("ann",) * 10 + ("bob",):
            peers.append(await engine.peer())
            body = name.encode() + b"=" + b"x" * 2 * content.LARGE
            await peers[-1].request("POST", "/", token=tokens[name], head=[f"Content-Type: {kind}"], body=body)
            await engine.until(began.is_set)
            await engine.until(lambda: len(engine.clients.bodies.shares.waiting) == len(peers) - 1)
        go.set()
        for peer in peers:
            assert (await peer.answer())[0] == 400  # what is parsed is no low
            peer.close()
        assert parsed.index("bob") in (1, 2)
        assert parsed.count("ann") == 10
        await engine.alone()
