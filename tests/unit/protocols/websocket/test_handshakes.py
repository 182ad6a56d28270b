"""Handshakes: they have no body, a client that leaves during its login is not admitted, and nothing of them stays."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest

pytest.importorskip("tornado")

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders

from tests.support.handshakes import UPGRADE_LINES
from tests.unit.protocols.leaving import Peer, running_engine, turns

SOCKETS = ("/", "/ws", "/all_events", "/formatted_events", "/batches/ws", "/api/v3/ws")
LENGTH, CHUNKS = "Content-Length: 2", "Transfer-Encoding: chunked"
LOOP_TURNS = 30  # in which the engine notices that a client has left


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("line", "body"), [(LENGTH, b"{}"), (CHUNKS, b"2\r\n{}\r\n0\r\n\r\n")], ids=["length", "chunks"]
)
async def test_a_body_is_refused(path: str, method: str, line: str, body: bytes) -> None:
    """No part of it is kept, and the reason is named."""
    async with running_engine() as engine:
        peer = await engine.peer()
        await peer.request(method, path, token=engine.token, head=[*UPGRADE_LINES, line], body=body)
        status, answer = await peer.answer()
        assert status == 400
        assert json.loads(answer)["message"] == "the handshake of a websocket must have no body"
        await peer.gone()
        peer.close()
        await engine.alone()


@pytest.mark.parametrize("line", ["Content-Length: 0", "Content-Length: 00", "Content-Length: 0, 0"])
async def test_an_empty_body_is_none(line: str) -> None:
    """Some clients send the header with every request."""
    async with running_engine() as engine:
        peer = await engine.peer()
        await peer.request("GET", "/", token=engine.token, head=[*UPGRADE_LINES, line])
        assert " 101 " in await peer.head()
        await peer.say({"type": "ping", "id": 1})
        assert "result" in json.loads(await peer.read())
        peer.close()
        await engine.alone()


async def test_a_body_for_other_requests_may_come_with_an_upgrade() -> None:
    """Some proxies add the header to everything."""
    async with running_engine() as engine:
        peer = await engine.peer()
        low = b'[{"client":"local","tgt":"*"}]'
        head = ["Upgrade: websocket", "Connection: Upgrade", "Content-Type: application/json"]
        await peer.request("POST", "/run", token=engine.token, head=head, body=low)
        assert b"handshake" not in (await peer.answer())[1]
        peer.close()


@pytest.mark.parametrize("leave", [Peer.close, Peer.reset], ids=["close", "reset"])
async def test_a_client_that_leaves_during_its_login_is_not_admitted(
    leave: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing would ever remove it."""
    async with running_engine() as engine:
        added: list[object] = []
        monkeypatch.setattr(engine.clients, "add", added.append)
        with engine.gate():
            peer = await engine.peer()
            await peer.request("GET", "/", token=engine.token, head=UPGRADE_LINES)
            await engine.until(lambda: engine.held)
            leave(peer)
            await turns(LOOP_TURNS)
        await engine.alone()
        assert added == []


async def test_an_admitted_client_keeps_nothing_of_its_handshake() -> None:
    """The head has the token. Thousands of them would also take memory, and time of the garbage collector."""
    async with running_engine() as engine:
        peer = await engine.websocket()
        await peer.say({"type": "ping", "id": 1})
        assert "result" in json.loads(await peer.read())
        gc.collect()
        kept = [one for one in gc.get_objects() if isinstance(one, (HTTP1Connection, HTTPHeaders))]
        assert not [one for one in kept if isinstance(one, HTTP1Connection) or "X-Auth-Token" in one]
        peer.close()
        await engine.alone()
