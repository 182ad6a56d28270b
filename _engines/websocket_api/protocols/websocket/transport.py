"""Websocket frames as bytes, and fixes to tornado's own protocol.

A frame is built once and written to all its clients. tornado's ``write_message`` would cost a task and two futures for
each client.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
from collections.abc import Callable
from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketProtocol13

from ...core.delivery.pings import Pings
from ...errors import INVALID_TEXT, PROTOCOL_ERROR, TOO_BIG, forget_frames

TEXT, BINARY = 0x81, 0x82  # FIN and opcode 1 or 2 (RFC 6455 section 5.2)
CLOSE, PONG = 0x8, 0xA
SMALL_BYTES = 1024  # message fragments below this are counted; the message size limits the number of larger ones
MAX_AFTER_CLOSE = 200  # frames parsed after our close frame, to find the peer's; further data is discarded
DISCARD_SECONDS = 2.0  # time to read and discard what the peer sends after our close frame
CHUNK = 65536
SIOCOUTQNSD, NONE_UNSENT = 0x894B, bytes(4)  # Linux' request for the number of bytes not sent yet, and its answer 0


def text_frame(payload: bytes) -> bytes:
    """Return one unmasked text frame (RFC 6455 section 5.2)."""
    return _frame(TEXT, payload)


def text_frames(payload: bytes) -> bytes:
    """Return a text frame for each line."""
    return b"".join([text_frame(line) for line in payload.split(b"\n")])


def binary_frame(payload: bytes) -> bytes:
    """Return one unmasked binary frame."""
    return _frame(BINARY, payload)


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def valid_close(data: bytes) -> bool:
    """Return whether a peer may send a close frame with this payload (RFC 6455 section 7.4)."""
    if not data:
        return True
    if len(data) < 2:
        return False
    code = int.from_bytes(data[:2], "big")
    try:
        data[2:].decode()
    except UnicodeDecodeError:
        return False
    return code in (1000, 1001, 1002, 1003, *range(1007, 1015)) or 3000 <= code <= 4999


class Protocol(WebSocketProtocol13):
    """Tornado's protocol, but it reports a protocol error, drains the socket and then closes it.

    Tornado itself echoes any close code, and drops a peer that breaks the protocol without a close frame. After a
    message that is too large it closes the socket while the rest still arrives. The kernel then resets the connection,
    and the close frame is lost.

    :param pings: pings all connections
    """

    fault = PROTOCOL_ERROR
    """The close code if the connection is aborted."""
    _linger: asyncio.Task[None] | None = None
    """Discards what the peer still sends after our close frame."""
    _too_big = False
    """Whether our close frame had the code 1009."""
    _handled: int | None = None
    """The opcode of the last frame, if it was a control frame or ended a message."""
    awaits_pong = False
    """Whether the last ping was not answered."""
    _after_close = 0
    """Number of frames received after our close frame."""

    def __init__(self, *args: Any, pings: Pings) -> None:
        super().__init__(*args)
        self._pings = pings
        self.before_close: Callable[[], None] = lambda: None
        """Called before the close frame is written: nothing may follow it (RFC 6455 section 5.5.1)."""
        self.unanswered: Callable[[], None] = lambda: None
        """Called when a ping was not answered in time; must close the connection."""
        self.small_frame: Callable[[], float] = lambda: 0.0
        """Called for each small frame that ends no message; returns seconds until the next frame may be read."""
        self._received = bytearray()
        """Bytes that were read from the socket, and that no frame has taken yet."""
        self.receive: Callable[[int], bool] = lambda number: True
        """Called with the bytes of a large message before they are read, and with 0 when it was handled.

        If it returns False, the connection is closed."""

    def write_ping(self, data: bytes) -> None:
        """Send a ping."""
        self.awaits_pong = True
        super().write_ping(data)

    def start_pinging(self) -> None:
        """Ping from now on, together with all other connections."""
        self._pings.add(self)

    def ping(self) -> None:
        """Send a ping, unless the peer has just left: then the end of the stream is handled soon."""
        with contextlib.suppress(StreamClosedError):
            self.write_ping(b"")

    def end_unanswered(self) -> None:
        """Close, because a ping was not answered in time."""
        self.unanswered()

    async def _read_bytes(self, n: int) -> bytes:
        """Read, unless the message does not fit into its user's memory.

        All that has arrived is read together. tornado reads each part of a frame by itself, and between two reads it
        stops watching the socket.
        """
        before = len(self._fragmented_message_buffer or b"")
        if n + before > SMALL_BYTES and not self.receive(n + before):
            self._drain()
            raise StreamClosedError
        received = self._received
        while len(received) < n:
            received += await self.stream.read_bytes(CHUNK, partial=True)
        self._wire_bytes_in += n
        data = bytes(received[:n])
        del received[:n]
        return data

    async def _receive_frame(self) -> None:
        """Read a frame. After a small frame that ends no message, wait as long as :attr:`small_frame` requests."""
        self._handled, before = None, len(self._fragmented_message_buffer or b"")
        await super()._receive_frame()
        if self._fragmented_message_buffer is None:
            self.receive(0)
        if self.client_terminated:
            return
        if self.server_terminated:
            self._after_close += 1
            if self._after_close > MAX_AFTER_CLOSE:
                self._drain()
            return
        grown = len(self._fragmented_message_buffer or b"") - before
        if self._handled == PONG and self.awaits_pong:
            self.awaits_pong = False
        elif (self._handled is None and grown < SMALL_BYTES) or (self._handled is not None and self._handled >= CLOSE):
            wait = self.small_frame()
            if wait > 0:
                await asyncio.sleep(wait)

    def _handle_message(self, opcode: int, data: bytes) -> Any:
        self._handled = opcode
        if opcode == CLOSE and not valid_close(data):
            self.client_terminated = True
            self.close(PROTOCOL_ERROR)
            return None
        if opcode == TEXT & 0x0F and not _is_text(data):
            self.fault = INVALID_TEXT
            self._abort()
            return None
        if self.server_terminated and opcode != CLOSE:
            return None  # data after our close frame is ignored (RFC 6455 section 1.4)
        return super()._handle_message(opcode, data)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close, with a code and a reason."""
        self._pings.remove(self)
        if not self.server_terminated:
            self.before_close()
            self._too_big = code == TOO_BIG
        super().close(code, reason)

    def _abort(self) -> None:
        if self._linger is not None:
            return
        if self.stream is None or self.stream.closed() or (self.server_terminated and not self._too_big):
            super()._abort()
            return
        self.close(self.fault)  # does nothing if 1009 was already sent
        self._drain()

    def _drain(self) -> None:
        """Parse no more frames, and close the socket after the peer has had time to read our close frame."""
        self.client_terminated = True  # ends tornado's own reading
        self._linger = asyncio.ensure_future(self._discard(self.stream))
        self._linger.add_done_callback(self._on_drained)

    def _on_drained(self, _: asyncio.Task[None]) -> None:
        super()._abort()
        forget_error(self.stream)

    @staticmethod
    async def _discard(stream: IOStream) -> None:
        async def read() -> None:
            with contextlib.suppress(StreamClosedError):  # here, because a task and its error refer to each other
                while True:
                    await stream.read_bytes(CHUNK, partial=True)

        if stream.closed():  # the peer left while the last frames that it sent were handled
            return
        if not stream.writing():
            # A half-closed socket lets the peer close at once. Bypass TLS, so that reading is still possible.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(stream.socket, socket.SHUT_WR)
        # Give up on a peer that does not stop sending.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(read(), DISCARD_SECONDS)


def forget_error(stream: IOStream) -> None:
    """Break the reference cycle of a stream that ended with an error, such as a reset by its peer.

    The error refers to the stack frames that read from the stream, and they refer to the stream.
    """
    if stream.error is not None:
        forget_frames(stream.error)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class StreamTransport:
    """Writes an outbox's frames to one client's stream.

    :attr:`drained` is called when the socket has accepted all written bytes.
    """

    def __init__(self, stream: IOStream) -> None:
        self._stream = stream
        self._awaited = False
        """Whether :attr:`drained` is going to be called."""
        self.drained: Callable[[], None] = lambda: None

    def forget(self) -> None:
        """Stop calling :attr:`drained`: the stream is gone."""
        self.drained = lambda: None

    def busy(self) -> bool:
        """Return whether bytes still wait in the stream's buffer. If so, :attr:`drained` is called later.

        They may be tornado's own pings and pongs. A waiting outbox must be called after those too.
        """
        if not self._stream.writing():
            return False
        if not self._awaited and not self._stream.closed():
            self._await(self._stream.write(b""))
        return True

    def write(self, data: bytes) -> None:
        """Write to the socket at once, and pass the rest to the stream if the socket does not accept everything.

        The socket nearly always does. Then this saves the future that the stream creates for every write.
        """
        sent = 0 if self._stream.writing() or self._stream.closed() else self._send(data)
        if sent == len(data):
            return
        try:
            # A view, so that all slow clients share one copy of the frame.
            future = self._stream.write(memoryview(data)[sent:])
        except StreamClosedError:
            return  # tornado calls the handler, which releases everything
        if self._stream.writing() and not self._awaited:
            self._await(future)

    def unsent(self) -> bool:
        """Return whether the kernel keeps bytes that it could not send: the peer's window is closed.

        It takes megabytes for a peer that does not read, before the socket accepts no more.
        """
        if self._stream.closed():
            return False
        try:
            return fcntl.ioctl(self._stream.fileno(), SIOCOUTQNSD, NONE_UNSENT) != NONE_UNSENT
        except OSError:
            return False  # no TCP

    def _await(self, future: asyncio.Future[None]) -> None:
        self._awaited = True
        future.add_done_callback(self._written)

    def _send(self, data: bytes) -> int:
        """Return how many bytes the socket accepted."""
        try:
            return self._stream.write_to_fd(memoryview(data))
        except OSError:
            return 0  # full or closed: the stream gets the same error, and handles it

    def _written(self, future: asyncio.Future[None]) -> None:
        self._awaited = False
        if not future.cancelled() and future.exception() is None:
            self.drained()
