"""What all doors over websockets share: who may come, one outbox for each client, and the end of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.iostream import IOStream
from tornado.websocket import WebSocketHandler

from ...core.access.sessions import Session
from ...core.delivery.codecs import CODECS, Codec
from ...core.delivery.connection import Connection
from ...core.delivery.outbox import Outbox
from ...errors import FELL_BEHIND, OWN_FAULT, RESTART, SUBPROTOCOL, TOO_MANY, ApiError
from ...fair_share import Share
from ...operations.audit import audit
from ...operations.session import take_up
from ..connections import GOODBYE, Connections
from ..http.base import Base, handshake_token, refuse
from .transport import Protocol, StreamTransport, binary_frame, forget_error, text_frame

log = logging.getLogger(__name__)

VERSION = "13"  # of the protocol (RFC 6455 section 4.1)
NO_HEADERS = HTTPHeaders()
FOREIGN = (
    "pages of this origin may not connect: it is neither in cors_origin nor this server's own scheme, host and port; "
    "a proxy that does TLS must be in trusted_proxies and send X-Forwarded-Proto"
)
REASON_BYTES = 123  # of a close frame's text (RFC 6455 section 5.5)


class SocketHandler(Base, WebSocketHandler):
    """One client's websocket, whatever the door.

    A door overrides :meth:`codec` and perhaps :meth:`framing`, the format of its messages, :meth:`began`, what happens
    once the client is admitted, and :meth:`took`, what happens with a message. Where a token travels otherwise than in
    headers it overrides :meth:`who`; where clients may come without one, ``must_log_in`` is False.
    """

    must_log_in = True
    _stream: IOStream | None = None
    """What the websocket travels on, once the handshake is done."""

    def initialize(self, clients: Connections) -> None:
        """Take what all doors share."""
        self.clients = clients
        self.connection: Connection | None = None
        self.session: Session | None = None
        self.address = "unknown"
        self.noted: dict[str, str] = {}
        """For the audit line of a login that is refused: user, eauth."""

    # What a door says

    def codec(self) -> Codec | None:
        """Return the format of this client's messages; None where none was agreed on."""
        raise NotImplementedError

    def framing(self, codec: Codec) -> Callable[[bytes], bytes]:
        """Return what makes websocket frames of messages; connections of a codec share it."""
        return binary_frame if codec.binary else text_frame

    def began(self, connection: Connection) -> None:
        """Note that the client is admitted; :attr:`session` is who it has logged in as."""

    def took(self, connection: Connection, message: str | bytes) -> Awaitable[None] | None:
        """Take a message; the next one waits for what this returns."""
        raise NotImplementedError

    async def who(self) -> Session | None:
        """Return whom the handshake proves, None for nobody.

        :raises ApiError: what was brought is refused
        """
        token, by_cookie = handshake_token(self.request)
        if token is None:
            return None
        # A browser sends the cookie wherever the page comes from; only the Origin, or the Referer, tells.
        if by_cookie and not self.access.from_our_page(self.request):
            raise ApiError("forbidden", "a session cookie is accepted from our own pages only")
        return await take_up(self.clients.services, self.address, token)

    def refusal(self, fault: ApiError) -> int:
        """Return the HTTP status of a handshake that is refused."""
        return fault.status

    # What all have in common

    async def prepare(self) -> None:
        """Decide who may come at all; whoever brings a token with the handshake is logged in by it."""
        self.address = self.access.client(self.request)
        if self.request.method == "OPTIONS":
            return
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.check_origin(origin):
            # Before any token is looked at; tornado would say so only afterwards, and not as an error of our table.
            refuse(self, 403, ApiError("forbidden", FOREIGN))
            return
        if (broken := _broken(self.request)) is not None:
            self.set_header("Sec-WebSocket-Version", VERSION)
            refuse(self, broken.status, broken)
            return
        outcome = "ok"
        try:
            self.session = await self.who()
            if self.session is None and self.must_log_in:
                raise ApiError("unauthenticated", "log in first: no token was sent")
        except ApiError as fault:
            outcome = fault.code
            refuse(self, self.refusal(fault), fault)
        finally:
            if self.session is not None or outcome != "ok":
                audit(self.session, self.address, "auth", outcome, self.noted)

    def check_origin(self, origin: str) -> bool:
        """Let browsers in from our own pages and those of ``cors_origin``."""
        return self.access.admits_origin(origin, self.request)

    def get_websocket_protocol(self) -> Any:
        """Use tornado's protocol as we mended it."""
        protocol: Any = super().get_websocket_protocol()
        if protocol is None:
            return None
        limits = self.clients.services.settings.limits
        most = limits.message_bytes if self.session is not None else limits.message_bytes_before_auth
        protocol.params.max_message_size = most
        return Protocol(self, False, protocol.params)

    @property
    def _protocol(self) -> Protocol | None:
        """Tornado's protocol as we mended it; none from when the connection is being closed."""
        return cast("Protocol | None", self.ws_connection)

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin: no compression, no delay, and one outbox."""
        limits = self.clients.services.settings.limits
        self.set_nodelay(True)
        protocol = cast(Protocol, self.ws_connection)
        self._stream = protocol.stream
        codec = self.codec()
        # Nobody asks for headers any more. They are a tenth of what an idle connection takes, and hold its token.
        self.request.headers = self._headers = NO_HEADERS
        if codec is None:
            self.end(SUBPROTOCOL, "known are: " + ", ".join(CODECS))
            return
        if self.clients.closing:
            self.end(RESTART, GOODBYE)
            return
        full = self.clients.exceeded(self.address, self.session)
        if full is not None:
            self.end(TOO_MANY, f"limit reached: {full}")
            return
        transport = self._transport = StreamTransport(protocol.stream)
        outbox = Outbox(
            transport,
            most_bytes=limits.outbox_bytes,
            most_frames=limits.outbox_frames,
            on_overflow=lambda: self.end(FELL_BEHIND, "read too slowly: resume with since"),
        )
        transport.drained = outbox.pump
        protocol.before_close = outbox.flush
        protocol.unanswered = lambda: self.end(FELL_BEHIND, "a ping was not answered: resume with since")
        protocol.small_frame = self.small_frame
        connection = self.connection = Connection(self.address, outbox, self.framing(codec), self.end, codec)
        self.clients.add(connection)
        if self.session is not None:
            connection.set_session(self.session)
            self.let_in()
        self.began(connection)

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Hand a message to the door, when it is its user's turn."""
        if self.connection is None:
            return None
        session = self.connection.session
        share = Share.of_stranger(self.address) if session is None else session.share
        return self.clients.messages.take(share, lambda: self._read(message))

    def _read(self, message: str | bytes) -> Awaitable[None] | None:
        gone = self.connection is None or not self.connection.open
        return None if gone else self.took(cast(Connection, self.connection), message)

    def small_frame(self) -> float:
        """Count a frame that ends no message; return the seconds until the next one is read."""
        return 0.0 if self.connection is None else self.clients.small_frame(self.connection)

    def let_in(self) -> None:
        """Whoever is known may send larger messages, and counts as no stranger any more."""
        if self.connection is not None:
            self.clients.note_login(self.connection)
            if self._protocol is not None:
                self._protocol.params.max_message_size = self.clients.services.settings.limits.message_bytes

    def end(self, code: int, reason: str) -> None:
        """Close the connection."""
        self.clients.services.hub.counters.closes[code] += 1
        self.close(code, reason.encode()[:REASON_BYTES].decode(errors="ignore"))

    def log_exception(self, *fault: Any) -> None:
        """Log a fault of ours, and let the peer know that it was not his."""
        super().log_exception(*fault)
        if self.connection is not None and self._protocol is not None:
            self._protocol.fault = OWN_FAULT

    def on_close(self) -> None:
        """Let go of everything."""
        if self.connection is not None:
            self.clients.remove(self.connection)
            self.connection.release()
            # All this holds each other. Taken apart it is freed at once; left to Python's collector of cycles, it would
            # hold up the loop for as long as it takes to look at all connections.
            self._transport.forget()
        if self._stream is not None:
            forget_error(self._stream)


def _broken(request: HTTPServerRequest) -> ApiError | None:
    """Return what is wrong with a handshake (RFC 6455 section 4.2.1); tornado would answer in words of its own."""
    headers = request.headers
    if request.method != "GET":
        return None  # which tornado answers with 405
    if "upgrade" not in [one.strip().lower() for one in headers.get("Connection", "").split(",")]:
        return ApiError("bad_message", "a websocket needs Connection: Upgrade; does a proxy leave it out?")
    if not headers.get("Sec-WebSocket-Key"):
        return ApiError("bad_message", "a websocket needs a Sec-WebSocket-Key")
    if headers.get("Sec-WebSocket-Version") != VERSION:
        return ApiError("bad_message", f"the version of the websocket protocol must be {VERSION}", status=426)
    return None
