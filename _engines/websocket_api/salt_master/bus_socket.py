"""The socket on which events are read. It is read when the reader wants to, not whenever bytes arrive."""

from __future__ import annotations

import asyncio
import socket

from .bus_stream import Stream

CHUNK = 1 << 18
"""Bytes read at once: as much as the kernel keeps of a unix socket by default."""


class BusSocket:
    """A connection to the publisher.

    :param open_socket: is connected; it is closed by :meth:`close`
    """

    def __init__(self, open_socket: socket.socket) -> None:
        open_socket.setblocking(False)
        self._socket = open_socket
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None

    def receive(self) -> bytes | None:
        """Return what has arrived, at most :data:`CHUNK` bytes; None for nothing yet.

        :raises EOFError: the publisher has closed the connection
        :raises OSError: the connection is broken
        """
        try:
            chunk = self._socket.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return None
        if not chunk:
            raise EOFError
        return chunk

    async def read(self, stream: Stream) -> None:
        """Pass on what arrives, as it arrives, until it takes too long or a pause is due, or until :meth:`wake`.

        :raises: what :meth:`receive` and the stream raise
        """
        self._waiting = self._loop.create_future()
        self._loop.add_reader(self._socket, self._on_readable, stream, self._waiting)
        try:
            await self._waiting
        finally:
            self._loop.remove_reader(self._socket)
            self._waiting = None

    def _on_readable(self, stream: Stream, waiting: asyncio.Future[None]) -> None:
        if waiting.done():
            return
        stream.begin_slice()
        try:
            chunk = self.receive()
            if chunk is not None and (not stream.feed(chunk) or stream.pause() > 0):
                self.wake()
        except Exception as error:  # noqa: BLE001 - the reader gets it
            waiting.set_exception(error)

    async def pause(self, seconds: float) -> None:
        """Return after this time, whatever arrives, or after :meth:`wake`."""
        self._waiting = self._loop.create_future()
        timer = self._loop.call_later(seconds, self.wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None

    def wake(self) -> None:
        """End :meth:`read` or :meth:`pause`."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def copy(self) -> socket.socket:
        """Return another socket of the same connection, which stays open when this one is closed."""
        return self._socket.dup()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()


async def connect(family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
    """Return a socket that is connected.

    :raises OSError: nobody listens there
    """
    opened = socket.socket(family)
    opened.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened
