"""The asyncio and the blocking client over a real socket, with a small server in place of an engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets")

from salt_live import AsyncClient, ConnectionFailed, Event, Unknown, __version__
from websockets.asyncio.server import ServerConnection, serve

pytestmark = pytest.mark.with_salt

SECONDS = 20.0


class Server:
    """It logs everybody in, confirms subscriptions with their position, and aborts on each command."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.port = 0

    async def handle(self, socket: ServerConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            self.received.append(message)
            if message["type"] == "cmd":
                socket.transport.abort()
                return
            since = message.get("since", {"seq": 0})["seq"]
            results = {
                "auth": {"token": "a" * 32},
                "subscribe": {"subscription": 1, "epoch": "one", "seq": since, "recovered": True},
                "ping": {"epoch": "one"},
            }
            answer = {"id": message["id"], "type": "result", "result": results.get(message["type"], message["type"])}
            await socket.send(json.dumps(answer))
            if message["type"] == "subscribe":
                event = {"type": "event", "subscription": 1, "seq": since + 1, "tag": "t", "data": {}}
                await socket.send(json.dumps(event))

    def count(self, type: str) -> int:
        return sum(message["type"] == type for message in self.received)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Run the server."""
    server = Server()
    async with serve(server.handle, "127.0.0.1", 0, subprotocols=["salt.v1.json"]) as listening:  # type: ignore[list-item]
        server.port = next(iter(listening.sockets)).getsockname()[1]
        yield server


async def test_a_broken_connection_ends_a_command_and_continues_everything_else(server: Server) -> None:
    """The command is sent once; the stream resumes after its last event; reads are answered."""
    async with AsyncClient(f"127.0.0.1:{server.port}", username="ann", password="secret") as client:
        events = await client.events()
        first = await events.get(SECONDS)
        with pytest.raises(Unknown):
            await asyncio.wait_for(client.cmd_async("*", "test.ping"), SECONDS)
        assert await asyncio.wait_for(client.request("whoami"), SECONDS) == "whoami"
        second = await events.get(SECONDS)
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert (first.seq, second.seq) == (1, 2)
    assert (server.count("cmd"), server.count("auth"), server.count("subscribe")) == (1, 2, 2)


async def test_a_closed_client_ends_its_waiting_readers(server: Server) -> None:
    """They do not hang."""
    client = AsyncClient(f"127.0.0.1:{server.port}", token="a" * 32)
    events = await client.events()
    assert await events.get(SECONDS)
    reading = asyncio.create_task(events.get())
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(Exception, match="closed"):
        await asyncio.wait_for(reading, SECONDS)

    assert client.state == "out"


async def test_tls_to_a_port_without_it_is_explained() -> None:
    """The number of an error of TLS is none of the operating system."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionFailed, match=f"cannot connect to wss://127.0.0.1:{port}/ws: it does not speak"):
            await AsyncClient(f"wss://127.0.0.1:{port}", token="a" * 32).connect()


def test_the_version_is_that_of_the_engine() -> None:
    """They are released together."""
    version = Path(__file__).resolve().parents[3] / "schemas" / "VERSION"
    assert __version__ == version.read_text(encoding="utf-8").strip()
