"""Websocket frames as bytes, and the two places where tornado's own protocol is mended.

A frame is built once and written to every client it is for; tornado's ``write_message`` costs a task and two futures
per client.
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
SMALL_BYTES = 1024  # of a part of a message: larger ones are bounded by the size of the message
MAX_AFTER_CLOSE = 200  # frames that are parsed after our close frame, in search of the peer's; then all is read away
DISCARD_SECONDS = 2.0  # how long is read away what still comes after a close frame of ours
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
    """Tell whether the payload of a close frame is one that a peer may send (RFC 6455 section 7.4)."""
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
    """Tornado's protocol, mended where a peer breaks it: he is told how, and is heard out before the socket closes.

    Tornado echoes any close code and drops who breaks the protocol without a word. And after a message that is too
    big it closes the socket while the rest of the message is still arriving; the kernel then resets the connection
    and the close frame is lost on the way.
    """

    fault = PROTOCOL_ERROR
    """The code with which a connection ends that nobody has closed yet."""
    _linger: asyncio.Task[None] | None = None
    """Reads away what the peer still sends after our close frame."""
    _too_big = False
    """Whether that close frame said 1009."""
    _handled: int | None = None
    """The opcode of the last frame, if it was handled: a message's, at its end, or a control frame's."""
    _pinged = False
    """Whether the peer owes us a pong."""
    _after_close = 0
    """Frames since our close frame."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.before_close: Callable[[], None] = lambda: None
        """Called before the close frame is written, behind which nothing may be sent (RFC 6455 section 5.5.1)."""
        self.unanswered: Callable[[], None] = lambda: None
        """Called when a ping was not answered in time; it is to close the connection."""
        self.small_frame: Callable[[], float] = lambda: 0.0
        """Called for each frame that costs work and ends no message; returns the seconds until the next is read."""

    def write_ping(self, data: bytes) -> None:
        """Send a ping."""
        self._pinged = True
        super().write_ping(data)

    async def _receive_frame(self) -> None:
        """Read a frame; what is small and ends no message is read as slowly as :attr:`small_frame` says."""
        self._handled, before = None, len(self._fragmented_message_buffer or b"")
        await super()._receive_frame()
        if self.client_terminated:
            return
        if self.server_terminated:
            self._after_close += 1
            if self._after_close > MAX_AFTER_CLOSE:
                self._read_away()
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
            return None  # it comes too late (RFC 6455 section 1.4)
        return super()._handle_message(opcode, data)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close, with a code and a reason."""
        if code is None and reason is not None:
            # Tornado itself, after a ping: its 1000 would tell who was only away for a while that all is done.
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
        self._read_away()

    def _read_away(self) -> None:
        """Parse no more frames, and close the socket when the peer has had time to read our close frame."""
        self.client_terminated = True  # ends tornado's own reading
        self._linger = asyncio.ensure_future(self._discard(self.stream))
        self._linger.add_done_callback(self._discarded)

    def _discarded(self, _: asyncio.Task[None]) -> None:
        super()._abort()
        forget_error(self.stream)

    @staticmethod
    async def _discard(stream: IOStream) -> None:
        async def read() -> None:
            with contextlib.suppress(StreamClosedError):  # caught here: a task and its error hold each other
                while True:
                    await stream.read_bytes(CHUNK, partial=True)

        if not stream.writing():
            # The end of what we send lets the peer close at once; of the socket under TLS, which can then still read.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(stream.socket, socket.SHUT_WR)
        # In vain, if it sends more than anybody needs to read.
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
    """Where an outbox writes to: one client's stream.

    :param drained: called when everything that was written has left
    """

    def __init__(self, stream: IOStream) -> None:
        self._stream = stream
        self._awaited = False
        """Whether :attr:`drained` will be called."""
        self.drained: Callable[[], None] = lambda: None

    def forget(self) -> None:
        """Call nobody any more: the stream is gone."""
        self.drained = lambda: None

    def busy(self) -> bool:
        """Tell whether bytes still wait in the stream's buffer; :attr:`drained` is called when they have left.

        They may be none of ours but tornado's, which writes pings and pongs: who waits must hear of their end too.
        """
        if not self._stream.writing():
            return False
        if not self._awaited and not self._stream.closed():
            self._await(self._stream.write(b""))
        return True

    def write(self, data: bytes) -> None:
        """Write; what the socket does not take at once waits in the stream.

        Nearly always the socket takes all: then the stream, which makes a future for every write, is left out of it.
        """
        sent = 0 if self._stream.writing() or self._stream.closed() else self._send(data)
        if sent == len(data):
            return
        try:
            # A view: the rest of a frame is shared by all who have not got it yet.
            future = self._stream.write(memoryview(data)[sent:])
        except StreamClosedError:
            return  # tornado tells the handler, which lets go of everything
        if self._stream.writing() and not self._awaited:
            self._await(future)

    def _await(self, future: asyncio.Future[None]) -> None:
        self._awaited = True
        future.add_done_callback(self._written)

    def _send(self, data: bytes) -> int:
        """Return how many bytes the socket took."""
        try:
            return self._stream.write_to_fd(memoryview(data))
        except OSError:
            return 0  # full, or gone: the stream meets the same, and knows what to do

    def _written(self, future: asyncio.Future[None]) -> None:
        self._awaited = False
        if not future.cancelled() and future.exception() is None:
            self.drained()
