"""Messages between the two processes. The calls block."""

from __future__ import annotations

import socket
import struct

from ..bus_line import Line

FORMAT = 1
"""Raised when another release could not read what this one sends."""
_HEAD = struct.Struct(">cQ")
HELLO, REFUSED, ENTRIES, GRAINS, OFFERED, TAKE, JOBS, FINAL = b"h", b"r", b"e", b"g", b"o", b"t", b"j", b"f"
ANSWERS = b"a"
"""Earlier releases ignore it."""


class HandOverError(Exception):
    """The other process ended."""


class Refused(HandOverError):
    """The other process speaks another format."""


class Channel:
    """Messages between the two processes."""

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(True)
        self._stream = stream

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Send a message.

        :raises HandOverError: the other process ended
        """
        try:
            self._stream.sendall(_HEAD.pack(kind, len(payload)) + payload)
        except OSError as error:
            raise HandOverError(f"the other process ended: {error}") from None

    def receive(self) -> tuple[bytes, bytes]:
        """Return kind and payload of the next message.

        :raises HandOverError: the other process ended
        """
        kind, size = _HEAD.unpack(self._read(_HEAD.size))
        return kind, self._read(size)

    def send_line(self, line: Line | None) -> None:
        """Send the connection to the bus, which is closed here."""
        try:
            socket.send_fds(self._stream, [b"1"], [] if line is None else [line.socket.fileno()])
        except OSError as error:
            raise HandOverError(f"the other process ended: {error}") from None
        if line is not None:
            line.socket.close()

    def receive_line(self, rest: bytes) -> Line | None:
        """Return the connection to the bus, if the other process had one.

        :param rest: what was read of it already
        """
        try:
            body, files, _, _ = socket.recv_fds(self._stream, 1, 1)
        except OSError as error:
            raise HandOverError(f"the other process ended: {error}") from None
        if not body:
            raise HandOverError("the other process ended")
        return Line(socket.socket(fileno=files[0]), rest) if files else None

    def close(self) -> None:
        """Close this side."""
        self._stream.close()

    def _read(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            try:
                part = self._stream.recv(min(size - len(found), 1 << 20))
            except OSError as error:
                raise HandOverError(f"the other process ended: {error}") from None
            if not part:
                raise HandOverError("the other process ended")
            found += part
        return bytes(found)
