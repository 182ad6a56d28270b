"""The part of the websocket protocol (RFC 6455) that a benchmark's client needs, on blocking sockets."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from tests.support.handshakes import upgrade_request

CHUNK = 1 << 18
RECEIVE_BYTES, SEGMENT_BYTES = 4096, 536
PATIENCE = 60.0  # seconds that any answer may take on a loaded machine


def text_frame(payload: bytes) -> bytes:
    """Return a client's frame with a mask of zeros, which is valid and changes nothing."""
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + size.to_bytes(2, "big")
    return head + bytes(4) + payload


def read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        chunk = sock.recv(CHUNK)
        if not chunk:
            raise SystemExit(f"the connection was closed after {data[-200:]!r}")
        data += chunk
    return data


@contextlib.contextmanager
def connected(port: int, token: str, *, narrow: bool = False) -> Iterator[socket.socket]:
    """Open one connection to the engine, logged in.

    :param narrow: make the kernel's buffers as small as possible, for a client that does not read. This includes the
        segment size: with the loopback's large segments the server's end would get a buffer of megabytes
    """
    with socket.socket() as sock:
        if narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        sock.sendall(upgrade_request("/ws", f"Authorization: Bearer {token}"))
        read_until(sock, b"\r\n\r\n")
        yield sock
