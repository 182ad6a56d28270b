"""Connections begin a few at a time."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from websocket_api.protocols.http_server import STARTS_PER_TURN, Server


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports whose connections tornado serves."""
    ports: list[int] = []
    monkeypatch.setattr(HTTPServer, "handle_stream", lambda self, stream, address: ports.append(address[1]))
    return ports


def server() -> Server:
    """Return a server that admits all."""
    admits: Any = SimpleNamespace(admits_peer=lambda address: True)
    return Server(lambda request: None, access=admits, head_seconds=10.0)


async def test_many_connections_at_once_leave_turns_to_other_work(begun: list[int]) -> None:
    """Each turn of the loop begins a few, in the order in which they came."""
    serving, turns = server(), []
    with socket.socket() as sock:
        stream = IOStream(sock)
        for port in range(3 * STARTS_PER_TURN + 1):
            serving.handle_stream(stream, ("127.0.0.1", port))
        while len(begun) < 3 * STARTS_PER_TURN + 1 and len(turns) < 100:
            await asyncio.sleep(0)
            turns.append(len(begun))
        serving.handle_stream(stream, ("127.0.0.1", 7777))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [two - one for one, two in zip([0, *turns], turns, strict=False)] == [*[STARTS_PER_TURN] * 3, 1]
    assert begun == [*range(3 * STARTS_PER_TURN + 1), 7777]


@pytest.mark.parametrize("number", [0, STARTS_PER_TURN - 1, STARTS_PER_TURN])
async def test_a_connection_that_ends_while_it_waits_does_not_keep_the_others(begun: list[int], number: int) -> None:
    """The TLS handshake of a waiting connection may fail, for instance that of a client which speaks plain HTTP."""
    serving, ports = server(), list(range(2 * STARTS_PER_TURN))
    streams = [IOStream(socket.socket()) for _ in ports]
    for port, stream in enumerate(streams):
        serving.handle_stream(stream, ("127.0.0.1", port))
    streams[number].close()
    for _ in range(5):
        await asyncio.sleep(0)
    for stream in streams:
        stream.close()
    assert begun == [port for port in ports if port != number]


async def test_a_fault_of_one_connection_does_not_keep_the_others(
    begun: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is logged by the loop, and later connections begin as before."""
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context["exception"]))
    serving, fault = server(), RuntimeError("of the first")
    fails = [fault]

    def handle(_server: Any, _stream: Any, address: tuple[str, int]) -> None:
        if fails:
            raise fails.pop()
        begun.append(address[1])

    monkeypatch.setattr(HTTPServer, "handle_stream", handle)
    with socket.socket() as sock:
        for port in range(3):
            serving.handle_stream(IOStream(sock), ("127.0.0.1", port))
        for _ in range(5):
            await asyncio.sleep(0)
        serving.handle_stream(IOStream(sock), ("127.0.0.1", 7777))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert faults == [fault]
    assert begun == [1, 2, 7777]


async def test_connections_that_wait_are_served_before_a_process_ends(begun: list[int]) -> None:
    """A reload loses none that was accepted."""
    serving = server()
    with socket.socket() as sock:
        for port in range(STARTS_PER_TURN + 5):
            serving.handle_stream(IOStream(sock), ("127.0.0.1", port))
        serving.close_idle()
        assert begun == list(range(STARTS_PER_TURN + 5))
        await asyncio.sleep(0)
    assert begun == list(range(STARTS_PER_TURN + 5))
