"""Websocket frames as bytes, and the fixes to tornado's own protocol.

A frame is built once and written to each of its clients. tornado's ``write_message`` costs a task and two futures per
client.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketProtocol13

from ...errors import INVALID_TEXT, PROTOCOL_ERROR, TOO_BIG, forget_frames

TEXT, BINARY = 0x81, 0x82  # FIN and opcode 1 or 2 (RFC 6455 section 5.2)
CLOSE, PONG = 0x8, 0xA
SMALL_BYTES = 1024  # of a part of a message: larger parts are bounded by the size of the message
MAX_AFTER_CLOSE = 200  # frames parsed after our close frame, to find the peer's; the rest is discarded
DISCARD_SECONDS = 2.0  # for which data after our close frame is read and discarded
CHUNK = 65536


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
    """Tornado's protocol, which reports a protocol error, drains the socket and then closes it.

    Tornado echoes any close code, and drops a peer that breaks the protocol without a close frame. After a message
    that is too big it closes the socket while the rest still arrives. The kernel then resets the connection, and the
    close frame is lost.
    """

    fault = PROTOCOL_ERROR
    """The close code, unless the connection was closed before."""
    _linger: asyncio.Task[None] | None = None
    """Discards what the peer still sends after our close frame."""
    _too_big = False
    """Whether the code of our close frame was 1009."""
    _handled: int | None = None
    """The opcode of the last frame if it was a control frame or ended a message."""
    _pinged = False
    """Whether we wait for a pong."""
    _after_close = 0
    """Frames since our close frame."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.before_close: Callable[[], None] = lambda: None
        """Called before the close frame is written: nothing may follow that (RFC 6455 section 5.5.1)."""
        self.unanswered: Callable[[], None] = lambda: None
        """Called when a ping was not answered in time; closes the connection."""
        self.small_frame: Callable[[], float] = lambda: 0.0
        """Called for each frame that costs work and ends no message; returns seconds until the next frame is read."""

    def write_ping(self, data: bytes) -> None:
        """Send a ping."""
        self._pinged = True
        super().write_ping(data)

    async def _receive_frame(self) -> None:
        """Read a frame; after a small frame that ends no message, wait as long as :attr:`small_frame` says."""
        self._handled, before = None, len(self._fragmented_message_buffer or b"")
        await super()._receive_frame()
        if self.client_terminated:
            return
        if self.server_terminated:
            self._after_close += 1
            if self._after_close > MAX_AFTER_CLOSE:
                self._drain()
            return
        grown = len(self._fragmented_message_buffer or b"") - before
        if self._handled == PONG and self._pinged:
            self._pinged = False
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
            return None  # too late (RFC 6455 section 1.4)
        return super()._handle_message(opcode, data)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close, with a code and a reason."""
        if code is None and reason is not None:
            # Called by tornado after an unanswered ping: its 1000 would tell a slow client not to reconnect.
            self.unanswered()
            return
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
        self.close(self.fault)  # nothing, where 1009 has been sent
        self._drain()

    def _drain(self) -> None:
        """Parse no more frames, and close the socket once the peer has had time to read our close frame."""
        self.client_terminated = True  # ends tornado's own reading
        self._linger = asyncio.ensure_future(self._discard(self.stream))
        self._linger.add_done_callback(self._on_drained)

    def _on_drained(self, _: asyncio.Task[None]) -> None:
        super()._abort()
        forget_error(self.stream)

    @staticmethod
    async def _discard(stream: IOStream) -> None:
        async def read() -> None:
            with contextlib.suppress(StreamClosedError):  # caught here, since a task and its error hold each other
                while True:
                    await stream.read_bytes(CHUNK, partial=True)

        if not stream.writing():
            # A half-closed socket lets the peer close at once; TLS is bypassed, so that we can still read.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(stream.socket, socket.SHUT_WR)
        # Give up on a peer that does not stop sending.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(read(), DISCARD_SECONDS)


def forget_error(stream: IOStream) -> None:
    """Break the cycle of a stream that ended with an error, such as a reset by its peer.

    The error holds the frames that read from the stream, and they hold the stream.
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

    :param drained: called when all written bytes have left
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
        """Return whether bytes still wait in the stream's buffer; :attr:`drained` is called when they have left.

        They may be tornado's own pings and pongs; a waiting outbox must be called after those too.
        """
        if not self._stream.writing():
            return False
        if not self._awaited and not self._stream.closed():
            self._await(self._stream.write(b""))
        return True

    def write(self, data: bytes) -> None:
        """Write to the socket at once; the stream writes what the socket does not accept.

        Nearly always the socket accepts everything. Then this saves the future that the stream makes for every write.
        """
        sent = 0 if self._stream.writing() or self._stream.closed() else self._send(data)
        if sent == len(data):
            return
        try:
            # A view, so that slow clients share the rest of a frame.
            future = self._stream.write(memoryview(data)[sent:])
        except StreamClosedError:
            return  # tornado calls the handler, which releases everything
        if self._stream.writing() and not self._awaited:
            self._await(future)

    def _await(self, future: asyncio.Future[None]) -> None:
        self._awaited = True
        future.add_done_callback(self._written)

    def _send(self, data: bytes) -> int:
        """Return how many bytes the socket accepted."""
        try:
            return self._stream.write_to_fd(memoryview(data))
        except OSError:
            return 0  # full or gone: the stream gets the same error, and handles it

    def _written(self, future: asyncio.Future[None]) -> None:
        self._awaited = False
        if not future.cancelled() and future.exception() is None:
            self.drained()
