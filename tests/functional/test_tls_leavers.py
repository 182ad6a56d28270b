"""A client that leaves an engine with TLS leaves nothing behind, whatever became of the handshake."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tornado")
pytest.importorskip("cryptography")

from tests.unit.protocols.leaving import RunningEngine, running_engine, turns
from tests.unit.protocols.leftovers import counted, left_behind

LOOKED = 30  # turns of the loop in which the engine reads what was sent
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # the beginning of a handshake
BODY = b"POST /login HTTP/1.1\r\nHost: m\r\nContent-Length: 300000\r\n\r\n" + b"x" * 1000


@pytest.fixture(autouse=True)
def counting() -> Iterator[None]:
    """Count without the collector."""
    with counted():
        yield


def plain(data: bytes) -> Callable[[RunningEngine], socket.socket]:
    """Return a client that sends this instead of a handshake."""

    def come(running: RunningEngine) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", running.port), timeout=30)
        sock.sendall(data)
        return sock

    return come


def encrypted(data: bytes, *, trusts: bool = False) -> Callable[[RunningEngine], socket.socket]:
    """Return a client that shakes hands, or refuses the certificate, and then sends this."""

    def come(running: RunningEngine) -> socket.socket:
        context = ssl.create_default_context()
        if not trusts:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        sock = socket.create_connection(("127.0.0.1", running.port), timeout=30)
        try:
            sock = context.wrap_socket(sock, server_hostname="localhost")
            sock.sendall(data)
        except ssl.SSLCertVerificationError:
            pass
        return sock

    return come


CLIENTS = {
    "connect": plain(b""),
    "half a handshake": plain(HELLO),
    "no TLS": plain(b"GET / HTTP/1.1\r\n\r\n"),
    "certificate that is refused": encrypted(b"", trusts=True),
    "shake hands": encrypted(b""),
    "mid-head": encrypted(b"GET / HTTP/1.1\r\nHo"),
    "mid-body": encrypted(BODY),
    "answer that is not read": encrypted(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n"),
}


@pytest.mark.parametrize("name", CLIENTS)
async def test_who_leaves_leaves_nothing_behind(
    name: str, tmp_path: Path, write_certificate: Callable[..., int]
) -> None:
    """As without TLS."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    write_certificate(tmp_path / "crt", tmp_path / "key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    async with running_engine(context) as running:

        async def once() -> None:
            for reset in (False, True):
                sock: Any = await asyncio.to_thread(CLIENTS[name], running)
                await turns(LOOKED)
                if reset and sock.fileno() >= 0:  # else ssl has closed it
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.close()
                await running.alone()

        assert not await left_behind(once)
