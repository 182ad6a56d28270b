"""The HTTP server: it accepts connections of permitted addresses, and keeps some file descriptors free."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import ssl
import time
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError, UnsatisfiableReadError

from ..core.events.encoding import encode
from ..core.few_at_once import FewAtOnce
from ..core.timeouts import Timeouts
from ..errors import ApiError
from ..settings import Settings
from .connections import Connections, later
from .digital_rebar.clients import RebarClients
from .http.access import REFUSED, Access
from .http.application import application
from .http.console import Console
from .http.head import Answering, parse_head
from .http.responder import DRAIN_BYTES
from .routes import routes
from .websocket.transport import forget_error

log = logging.getLogger(__name__)

SPARE_FILES = 200  # file descriptors left for Salt's own work
LOG_SECONDS = 60.0  # between two log lines about the same problem
HEAD_BYTES = 64 * 1024  # maximum head of a request that gets an answer, as in tornado; longer ones get none
STARTS_PER_TURN = 4  # connections that begin in one turn of the loop: a handshake takes 0.2 ms
SEND_SECONDS = 5.0  # at a reload, for clients to receive the rest of their answers
REFUSE_SECONDS = 2.0  # for a forbidden client to send its request and to read the answer


class Server(HTTPServer):
    """Tornado's server, but it keeps some file descriptors free even if many silent clients connect.

    Clients are counted only when their request is parsed (connections.py), which they may delay for ``auth_seconds``.
    Without file descriptors the master's caches could not be read, and accepting would fail in a busy loop, with a
    traceback each time.

    A connection that ``allow_from`` forbids gets one answer, and its request is not parsed. Requests of a trusted proxy
    are parsed, because the address to check is that of its client (http/application.py).
    """

    def initialize(self, *args: Any, access: Access, head_seconds: float, **kwargs: Any) -> None:  # type: ignore[override]
        """Keep tornado's arguments, and those of this class.

        :param access: the rules for addresses
        :param head_seconds: maximum time until the head of a request has arrived
        """
        super().initialize(*args, **kwargs)
        self._access = access
        # One timer for all connections: tornado's own costs a future, a timer and a turn of the loop for each request.
        self.conn_params.header_timeout = None
        self._silent: Timeouts[Any] = Timeouts(head_seconds, lambda conn: conn.stream.close(), later, time.monotonic)
        """Connections on which the head of a request is expected."""
        self._refusals: set[asyncio.Task[None]] = set()
        self._accepted: FewAtOnce[tuple[IOStream, tuple[str, int]]] = FewAtOnce(
            STARTS_PER_TURN, lambda accepted: self._serve(*accepted), later
        )
        """Connections that are not served yet."""
        self._serving: dict[Any, bool] = {}
        """Connections of HTTP, and whether each waits for a further request."""
        self._closing = False
        """Whether a connection is closed after its request."""
        self._sent = asyncio.Event()
        """Set when all of them are closed."""
        self._max_fileno = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES // 2
        self._logged = -LOG_SECONDS

    def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
        """Serve a connection in one of the next turns of the loop: many at once would block its other work."""
        self._accepted.put((stream, address))

    def _serve(self, stream: IOStream, address: tuple[str, int]) -> None:
        """Serve a connection, unless only spare descriptors are left: the system assigns the lowest free one."""
        if stream.closed():  # its TLS handshake failed while it waited
            forget_error(stream)
            return
        if stream.socket.fileno() >= self._max_fileno:
            stream.close()
            now = time.monotonic()
            if now - self._logged >= LOG_SECONDS:
                self._logged = now
                log.warning(
                    "connections are refused: %d files are open, and the others are kept free", self._max_fileno
                )
            return
        if not self._access.admits_peer(address[0]):
            task = asyncio.ensure_future(_refuse_connection(stream))
            self._refusals.add(task)
            task.add_done_callback(self._refusals.discard)
            return
        super().handle_stream(stream, address)

    def start_request(self, server_conn: Any, request_conn: Any) -> Any:
        """Read a request, with the engine's own parser for its head."""
        request_conn._parse_headers = parse_head
        self._serving[server_conn] = server_conn in self._serving
        self._silent.start(server_conn)
        if self._closing and self._serving[server_conn]:
            server_conn.stream.close()
        return Answering(super().start_request(server_conn, request_conn), lambda: self._note_head(server_conn))

    def _note_head(self, server_conn: Any) -> None:
        self._serving[server_conn] = False
        self._silent.stop(server_conn)

    def close_idle(self) -> None:
        """Close the connections that wait for a further request, and the others after their present one."""
        self._closing = True
        self._accepted.flush()
        for connection in [connection for connection, is_idle in self._serving.items() if is_idle]:
            connection.stream.close()

    async def finish(self) -> None:
        """After :meth:`close_idle`, wait until the last bytes of all answers are sent."""
        if self._serving:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._sent.wait(), SEND_SECONDS)

    def on_close(self, server_conn: Any) -> None:
        """Free a closed connection at once, without waiting for the garbage collector."""
        super().on_close(server_conn)
        self._serving.pop(server_conn, None)
        self._silent.stop(server_conn)
        if self._closing and not self._serving:
            self._sent.set()
        forget_error(server_conn.stream)


async def _refuse_connection(stream: IOStream) -> None:
    """Answer a forbidden client, and close the connection."""
    with contextlib.suppress(StreamClosedError, UnsatisfiableReadError, asyncio.TimeoutError):
        await asyncio.wait_for(_refuse(stream), REFUSE_SECONDS)
    stream.close()
    forget_error(stream)


async def _refuse(stream: IOStream) -> None:
    head = await stream.read_until_regex(b"\r?\n\r?\n", max_bytes=HEAD_BYTES)
    fault = ApiError("forbidden", REFUSED)
    body = encode({"error": fault.code, "message": fault.message, "details": fault.details})
    lines = [
        "HTTP/1.1 403 Forbidden",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: private, no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    answer = "\r\n".join([*lines, "", ""]).encode()
    await stream.write(answer if head.startswith(b"HEAD ") else answer + body)
    if not isinstance(stream, SSLIOStream):
        with contextlib.suppress(OSError):
            stream.socket.shutdown(socket.SHUT_WR)  # so that the client sees the end at once
    while True:  # an unread body would make the system reset the connection, and the answer would be lost
        await stream.read_bytes(HEAD_BYTES, partial=True)


def serve(
    clients: Connections, rebar: RebarClients, settings: Settings, console: Console, context: ssl.SSLContext | None
) -> Server:
    """Return the server of all protocols, without sockets.

    :param context: the TLS context with the certificate; None for a server without TLS
    """
    limits = settings.limits
    app = application(routes(clients, rebar, settings, console), settings)
    return Server(
        app,
        access=app.access,
        ssl_options=context,
        max_buffer_size=limits.message_bytes * 2,
        max_header_size=HEAD_BYTES,
        max_body_size=DRAIN_BYTES,
        # Tornado would wait an hour for the rest of a request: clients without a login could use up the descriptors.
        head_seconds=limits.auth_seconds,
        body_timeout=limits.auth_seconds,
    )
