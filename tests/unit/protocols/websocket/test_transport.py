"""An outbox's bytes reach the client complete and in order, however little the socket accepts at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from tornado.iostream import IOStream
from websocket_api.protocols.websocket.tornado_protocol import Protocol
from websocket_api.protocols.websocket.transport import StreamTransport

from tests.support.waiting import LOOP_SECONDS, until

FRAME = bytes(range(256)) * 4096  # a megabyte: more than a socket accepts at once


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end of a connection."""
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


async def read(sock: socket.socket, size: int) -> bytes:
    """Return this many bytes, read by the client."""
    sock.setblocking(False)
    data = b""
    while len(data) < size:
        data += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 1 << 20), LOOP_SECONDS)
    return data


async def test_bytes_that_the_socket_accepts_leave_at_once(ends: tuple[socket.socket, socket.socket]) -> None:
    """Nothing waits for the event loop."""
    transport = StreamTransport(IOStream(ends[0]))
    transport.write(b"small")
    assert not transport.busy()
    assert ends[1].recv(100) == b"small"


async def test_the_rest_leaves_as_the_client_reads(ends: tuple[socket.socket, socket.socket]) -> None:
    """The transport is busy until then."""
    transport = StreamTransport(IOStream(ends[0]))
    drained = asyncio.Event()
    transport.drained = drained.set
    transport.write(FRAME)
    transport.write(b"and more")
    assert transport.busy()
    assert await read(ends[1], len(FRAME) + 8) == FRAME + b"and more"
    await asyncio.wait_for(drained.wait(), LOOP_SECONDS)
    assert not transport.busy()


async def test_bytes_that_the_kernel_cannot_send_are_noticed() -> None:
    """They are few before the socket accepts no more."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.getsockname())
        stream = IOStream(server.accept()[0])
        transport = StreamTransport(stream)
        assert not transport.unsent()
        written = 0
        while not transport.unsent():
            transport.write(b"x" * 1000)
            written += 1000
        assert not transport.busy()
        assert len(await read(client, written)) == written
        await until(lambda: not transport.unsent())
        stream.close()
        assert not transport.unsent()


async def test_other_sockets_than_tcp_have_nothing_unsent(ends: tuple[socket.socket, socket.socket]) -> None:
    """The kernel does not know it of them."""
    transport = StreamTransport(IOStream(ends[0]))
    transport.write(FRAME)
    assert (transport.busy(), transport.unsent()) == (True, False)


async def test_a_client_that_has_left_is_no_error(ends: tuple[socket.socket, socket.socket]) -> None:
    """The first write closes the stream, and the next ones do nothing."""
    stream = IOStream(ends[0])
    transport = StreamTransport(stream)
    ends[1].close()
    transport.write(b"nobody reads this")
    assert stream.closed()
    transport.write(b"nor this")


async def test_nothing_is_discarded_of_a_client_that_has_left(ends: tuple[socket.socket, socket.socket]) -> None:
    """Its last frames may break the protocol after its end was seen. An error here would be logged with a traceback."""
    stream = IOStream(ends[0])
    stream.close()
    await asyncio.wait_for(Protocol._discard(stream), LOOP_SECONDS)


async def test_drained_is_called_after_tornados_own_bytes_too(ends: tuple[socket.socket, socket.socket]) -> None:
    """Tornado writes pings to the same stream; an outbox that waits behind one must not wait forever."""
    stream = IOStream(ends[0])
    transport = StreamTransport(stream)
    drained = asyncio.Event()
    transport.drained = drained.set
    stream.write(FRAME)
    assert transport.busy()
    await read(ends[1], len(FRAME))
    await asyncio.wait_for(drained.wait(), LOOP_SECONDS)
    assert not transport.busy()
