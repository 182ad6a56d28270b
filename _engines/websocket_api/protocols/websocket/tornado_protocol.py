"""tornado's websocket protocol with fixes: limits on what a peer sends, and closes that the peer can read."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketProtocol13

from ...core.delivery.pings import Pings
from ...errors import INVALID_TEXT, PROTOCOL_ERROR, TOO_BIG
from .framing import CLOSE, PONG, TEXT, valid_close
from .transport import CHUNK, forget_error

SMALL_BYTES = 1024  # message fragments below this are counted; the message size limits the number of larger ones
MAX_AFTER_CLOSE = 200  # frames parsed after our close frame, to find the peer's; further data is discarded
DISCARD_SECONDS = 2.0  # time to read and discard what the peer sends after our close frame


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


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
