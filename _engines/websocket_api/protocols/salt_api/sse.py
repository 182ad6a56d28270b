"""A stream of server-sent events to one client (the HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from tornado.iostream import IOStream, StreamClosedError

from ...core.access.session import Session
from ...core.delivery.connection import Connection
from ...core.delivery.outbox import Outbox
from ...errors import FELL_BEHIND, RESTART, ApiError
from ..connections import Connections
from ..websocket.transport import CHUNK, StreamTransport, forget_error
from .formats import BEAT, server_sent

RETRY = b"retry: 400\n\n"  # milliseconds after which a client reconnects, as salt-api sends it
GOODBYE_SECONDS = 1.0  # for the client to read what still waits in the buffer when the stream ends
MIN_RETRY_MS = 100  # without it, a browser that is refused would try again without a pause
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return data as a chunk of a body (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class EventStream:
    """Sends events to a client as the endless body of one answer.

    :param stream: the request's stream, which nothing else uses any more
    :param session: the client's login
    :param head: the head of the answer
    :param chunked: whether the body is sent in chunks, as rest_cherrypy does. Libraries such as requests deliver each
        chunk at once, but buffer some hundred bytes of a body without chunks.
    """

    def __init__(
        self, clients: Connections, address: str, stream: IOStream, session: Session, head: bytes, *, chunked: bool
    ) -> None:
        self._clients = clients
        self._stream = stream
        self._ending = False
        limits = clients.services.settings.limits
        self._transport = transport = StreamTransport(stream)
        outbox = Outbox(
            transport,
            max_bytes=limits.outbox_bytes,
            max_frames=limits.outbox_frames,
            on_overflow=lambda: clients.slow_closes.put(self._end_slow),
        )
        transport.drained = lambda: clients.pumps.put(outbox.pump)
        codec = server_sent(clients.services.history.epoch)
        self._wrap: Callable[[bytes], bytes] = chunk if chunked else bytes
        self._last = LAST_CHUNK if chunked else b""
        self.connection = Connection(address, outbox, self._wrap, self.end, codec)
        clients.add(self.connection)
        self.connection.set_session(session)
        clients.note_login(self.connection)
        self._beat_seconds = limits.ping_seconds
        _set_timeout(stream, limits.ping_seconds + limits.pong_seconds)
        stream.set_close_callback(self._on_close)
        outbox.put(head + self._wrap(RETRY))
        self._heartbeat = asyncio.get_running_loop().call_later(self._beat_seconds, self._beat)
        self._reading = asyncio.ensure_future(self._read())

    async def follow(self, since: dict[str, Any] | None) -> None:
        """Send events from now on.

        :param since: the position after which events are replayed first; None for no replay
        """
        resume = {} if since is None else {"since": since}
        try:
            await self._clients.dispatcher.call(self.connection, "subscribe", subscription="event", **resume)
        except ApiError as error:
            if self.connection.open:  # closed if the client has left, or its token has ended
                self.end(RESTART, error.message)

    def end(self, code: int, reason: str) -> None:
        """End the stream with a comment.

        :param code: a close code, for the comment and the counters
        """
        if self._ending:
            return
        self._ending = True
        self._clients.services.hub.counters.closes[code] += 1
        outbox, stream = self.connection.outbox, self._stream
        if outbox.closed:  # it overflowed: the client does not read, so nothing more is sent
            stream.close()
            return
        retry = b"retry: %d\n" % max(MIN_RETRY_MS, self._clients.retry_seconds * 1000) if code == RESTART else b""
        outbox.put(self._wrap(b"%b: %d %b\n\n" % (retry, code, reason.encode())) + self._last)
        outbox.flush()
        if not stream.writing():
            stream.close()
            return
        self._transport.drained = stream.close
        asyncio.get_running_loop().call_later(GOODBYE_SECONDS, stream.close)

    def _end_slow(self) -> None:
        if self.connection.open:
            self.end(FELL_BEHIND, "read too slowly: resume with Last-Event-ID")

    def _on_close(self) -> None:
        self._heartbeat.cancel()
        self._clients.remove(self.connection)
        self.connection.release()
        self._transport.forget()
        forget_error(self._stream)

    def _beat(self) -> None:
        """Send a comment if nothing else waits, because proxies close quiet streams."""
        if self.connection.outbox.idle:
            self.connection.outbox.put(self._wrap(BEAT))
        self._heartbeat = asyncio.get_running_loop().call_later(self._beat_seconds, self._beat)

    async def _read(self) -> None:
        """Read and discard, to notice when the client leaves."""
        with contextlib.suppress(StreamClosedError):
            while True:
                await self._stream.read_bytes(CHUNK, partial=True)


def _set_timeout(stream: IOStream, seconds: float) -> None:
    """Make the system close the stream if the peer reads nothing for so long, like a websocket without pongs."""
    stream.set_nodelay(True)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with contextlib.suppress(OSError):  # this kind of socket does not support it
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
