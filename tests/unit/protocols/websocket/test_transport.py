"""What an outbox writes reaches the client whole and in order, whatever the socket takes at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from tornado.iostream import IOStream
from websocket_api.protocols.websocket.transport import StreamTransport

FRAME = bytes(range(256)) * 4096  # a megabyte: more than a socket takes at once


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end of a connection."""
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


async def read(sock: socket.socket, size: int) -> bytes:
    """Return so many bytes as the client gets them."""
    sock.setblocking(False)
    data = b""
    while len(data) < size:
        data += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 1 << 20), 10)
    return data


async def test_what_the_socket_takes_is_gone_at_once(ends: tuple[socket.socket, socket.socket]) -> None:
    """Nothing is left to the loop."""
    transport = StreamTransport(IOStream(ends[0]))
    transport.write(b"small")
    assert not transport.busy()
    assert ends[1].recv(100) == b"small"


async def test_the_rest_follows_as_the_client_reads(ends: tuple[socket.socket, socket.socket]) -> None:
    """Until then the transport is busy; afterwards it says that it is not."""
    transport = StreamTransport(IOStream(ends[0]))
    drained = asyncio.Event()
    transport.drained = drained.set
    transport.write(FRAME)
    transport.write(b"and more")
    assert transport.busy()
    assert await read(ends[1], len(FRAME) + 8) == FRAME + b"and more"
    await asyncio.wait_for(drained.wait(), 10)
    assert not transport.busy()


async def test_a_client_that_is_gone_is_no_fault(ends: tuple[socket.socket, socket.socket]) -> None:
    """The first write after it went closes the stream, and the next ones do nothing."""
    stream = IOStream(ends[0])
    transport = StreamTransport(stream)
    ends[1].close()
    transport.write(b"nobody reads this")
    assert stream.closed()
    transport.write(b"nor this")


async def test_what_waits_behind_a_ping_is_told_that_it_has_left(ends: tuple[socket.socket, socket.socket]) -> None:
    """Tornado writes to the same stream: whoever found it busy with that must be called as well, or waits for ever."""
    stream = IOStream(ends[0])
    transport = StreamTransport(stream)
    drained = asyncio.Event()
    transport.drained = drained.set
    stream.write(FRAME)
    assert transport.busy()
    await read(ends[1], len(FRAME))
    await asyncio.wait_for(drained.wait(), 10)
    assert not transport.busy()
