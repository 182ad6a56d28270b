"""The base of all protocols over websockets: the handshake, each client's outbox, and the close."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.iostream import IOStream
from tornado.websocket import WebSocketHandler

from ...core.access.memory import LIMIT, Taken
from ...core.delivery.caller import GONE
from ...core.delivery.codecs import CODECS, Codec
from ...core.delivery.connection import Connection
from ...core.delivery.outbox import Outbox
from ...errors import FELL_BEHIND, INTERNAL_ERROR, RESTART, SUBPROTOCOL, TOO_MANY, ApiError, forget_frames
from ...fair_share import Share
from ...operations.audit import audit
from ..connections import Connections
from ..http.base import BaseHandler
from .framing import binary_frame, text_frame
from .tornado_protocol import Protocol
from .transport import StreamTransport, forget_error

VERSION = "13"  # of the protocol (RFC 6455 section 4.1)
NO_HEADERS = HTTPHeaders()
FOREIGN_PAGE = (
    "pages of this origin may not connect: it is neither in cors_origin nor this server's own scheme, host and port; "
    "a proxy that does TLS must be in trusted_proxies and send X-Forwarded-Proto"
)
REASON_BYTES = 123  # maximum of a close frame's reason (RFC 6455 section 5.5)


class SocketHandler(BaseHandler, WebSocketHandler):
    """One client's websocket, whatever the protocol.

    A protocol overrides :meth:`codec` and perhaps :meth:`framing` (the format of its messages), :meth:`on_open` (called
    when the client is admitted) and :meth:`handle` (called for each message).
    """

    connection: Connection | None = None
    """Set when the client is admitted."""
    _stream_request_body = False
    """Handshakes have no body (http/application.py). To stream one would take two more turns of the loop."""
    _stream: IOStream | None = None
    """Set when the handshake is done."""

    def initialize(self, clients: Connections) -> None:
        """Keep the clients of all protocols."""
        super().initialize(clients)
        self.audit_fields: dict[str, str] = {}
        """Additional fields for the audit line of the login: user, eauth."""
        self._receiving = Taken()
        """The message that is being received."""

    # Overridden by protocols

    def codec(self) -> Codec | None:
        """Return the format of this client's messages; None if client and server share none."""
        raise NotImplementedError

    def framing(self, codec: Codec) -> Callable[[bytes], bytes]:
        """Return the function that makes a websocket frame of a message; all connections of a codec share it."""
        return binary_frame if codec.binary else text_frame

    def on_open(self, connection: Connection) -> None:
        """Serve an admitted client; :attr:`session` is its login, if the handshake had one."""

    def handle(self, connection: Connection, message: str | bytes) -> Awaitable[None] | None:
        """Handle a message. The next message waits until the returned awaitable is done."""
        raise NotImplementedError

    # The handshake

    def on_request(self) -> None:
        """Refuse foreign pages and invalid handshakes before checking any token.

        tornado would refuse them later, and without an error code.
        """
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.check_origin(origin):
            self.refuse(ApiError("forbidden", FOREIGN_PAGE))
        elif (error := _handshake_error(self.request)) is not None:
            self.set_header("Sec-WebSocket-Version", VERSION)
            self.refuse(error)

    async def log_in(self) -> None:
        """Log the client in, and write a line to the audit log if it sent a token or needed one."""
        try:
            await super().log_in()
        except ApiError as error:
            audit(None, self.address, "auth", error.code, self.audit_fields)
            raise
        if self.session is not None:
            audit(self.session, self.address, "auth", "ok", self.audit_fields)
        await self.clients.request_turn(self.share)
        if self._on_close_called:
            raise ApiError("timeout", GONE)

    def check_origin(self, origin: str) -> bool:
        """Return whether pages of this origin may connect: this server's own, and those of ``cors_origin``."""
        return self.access.admits_origin(origin, self.request)

    def get_websocket_protocol(self) -> Any:
        """Return tornado's protocol with the fixes of transport.py."""
        protocol: Any = super().get_websocket_protocol()
        if protocol is None:
            return None
        limits = self.settings_.limits
        max_bytes = limits.message_bytes if self.session is not None else limits.message_bytes_before_auth
        protocol.params.max_message_size = max_bytes
        return Protocol(self, False, protocol.params, pings=self.clients.pings)

    @property
    def _protocol(self) -> Protocol | None:
        """The websocket protocol; None when the connection is being closed."""
        return cast("Protocol | None", self.ws_connection)

    def open(self, *args: str, **kwargs: str) -> None:
        """Admit the client and create its outbox, unless a limit forbids it."""
        self.set_nodelay(True)
        protocol = cast(Protocol, self.ws_connection)
        self._stream = protocol.stream
        codec = self.codec()
        self._forget_handshake()
        if codec is None:
            self.end(SUBPROTOCOL, "known are: " + ", ".join(CODECS))
            return
        if self.clients.closing:
            self.end(RESTART, self.clients.restart_reason)
            return
        limit = self.clients.exceeded(self.address, self.session)
        if limit is not None:
            self.end(TOO_MANY, f"limit reached: {limit}")
            return
        outbox = self._new_outbox(protocol)
        connection = self.connection = Connection(self.address, outbox, self.framing(codec), self.end, codec)
        self.clients.add(connection)
        if self.session is not None:
            connection.set_session(self.session)
            self.note_login()
        self.on_open(connection)

    def _forget_handshake(self) -> None:
        """Release what nothing reads any more: it takes a fifth of an idle connection's memory, and holds the token."""
        for name in list(self.request.headers):
            del self.request.headers[name]  # the coroutine that handles the connection refers to the headers, too
        self._headers = NO_HEADERS
        self.request.connection = self.request.server_connection = None
        self.ui = None  # type: ignore[assignment]  # as RequestHandler.finish, which does it for other statuses than 101

    def _new_outbox(self, protocol: Protocol) -> Outbox:
        limits = self.settings_.limits
        transport = self._transport = StreamTransport(protocol.stream)
        outbox = Outbox(
            transport,
            max_bytes=limits.outbox_bytes,
            max_frames=limits.outbox_frames,
            on_overflow=lambda: self._end_soon("read too slowly: resume with since"),
        )
        transport.drained = lambda: self.clients.pumps.put(outbox.pump)
        protocol.before_close = outbox.flush
        protocol.unanswered = lambda: self._end_soon("a ping was not answered: resume with since")
        protocol.small_frame = self.small_frame
        protocol.receive = self.receive
        return outbox

    # While it is open

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Handle a message when it is its user's turn."""
        if self.connection is None:
            return None
        session = self.connection.session
        share = Share.unauthenticated(self.address) if session is None else session.share
        return self.clients.messages.submit(share, lambda: self._handle_if_open(message))

    def _handle_if_open(self, message: str | bytes) -> Awaitable[None] | None:
        if self.connection is None or not self.connection.open:
            return None
        return self.handle(self.connection, message)

    def small_frame(self) -> float:
        """Count a frame that ends no message.

        :return: seconds until the next frame may be read
        """
        return 0.0 if self.connection is None else self.clients.small_frame(self.connection)

    def receive(self, number: int) -> bool:
        """Count the bytes of the message that is being received as its user's memory, until it is handled.

        :param number: of the message so far; 0 when it was handled
        :return: whether they fit; else the connection is closed
        """
        session = None if self.connection is None else self.connection.session
        if not number:
            self._receiving.release()
        elif session is not None:
            if not self._receiving.taken:
                self._receiving = Taken(session.holdings.memory)
            try:
                self._receiving.grow_to(number)
            except ApiError as error:
                self.end(TOO_MANY, f"limit reached: {LIMIT}")
                forget_frames(error)
                return False
        return True

    def note_login(self) -> None:
        """Raise the limits of a client that has logged in."""
        if self.connection is not None:
            self.clients.note_login(self.connection)
            if self._protocol is not None:
                self._protocol.params.max_message_size = self.settings_.limits.message_bytes

    def end(self, code: int, reason: str) -> None:
        """Close the connection."""
        self.clients.services.hub.counters.closes[code] += 1
        self.close(code, reason.encode()[:REASON_BYTES].decode(errors="ignore"))

    def _end_soon(self, reason: str) -> None:
        """Close the connection of a client that does not read, in one of the next turns of the loop."""

        def end() -> None:
            if self.connection is not None and self.connection.open:
                self.end(FELL_BEHIND, reason)

        self.clients.slow_closes.put(end)

    def log_exception(self, *fault: Any) -> None:
        """Log an internal error, and close the connection with the code for it."""
        super().log_exception(*fault)
        if self.connection is not None and self._protocol is not None:
            self._protocol.fault = INTERNAL_ERROR

    def on_close(self) -> None:
        """Release everything.

        These objects refer to each other. Without these cycles they are freed at once. Otherwise Python's garbage
        collector would have to find them, and stop the loop while it searches all connections.
        """
        self._receiving.release()
        if self.connection is not None:
            self.clients.remove(self.connection)
            self.connection.release()
            self._transport.forget()
        if self._stream is not None:
            forget_error(self._stream)


def _handshake_error(request: HTTPServerRequest) -> ApiError | None:
    """Return the error of a handshake (RFC 6455 section 4.2.1); None if it is valid or not a GET."""
    headers = request.headers
    if request.method != "GET":
        return None  # tornado answers 405
    if "upgrade" not in [one.strip().lower() for one in headers.get("Connection", "").split(",")]:
        return ApiError("bad_message", "a websocket needs Connection: Upgrade; does a proxy leave it out?")
    if not headers.get("Sec-WebSocket-Key"):
        return ApiError("bad_message", "a websocket needs a Sec-WebSocket-Key")
    if headers.get("Sec-WebSocket-Version") != VERSION:
        return ApiError("bad_message", f"the version of the websocket protocol must be {VERSION}", status=426)
    return None
