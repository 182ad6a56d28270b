"""The native door: websockets on ``/`` and ``/ws`` (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

from tornado.httputil import HTTPHeaders
from tornado.websocket import WebSocketHandler

from ..errors import AUTH_TOO_LATE, FELL_BEHIND, OWN_FAULT, RESTART, SUBPROTOCOL, TOO_MANY, ApiError
from ..live.codecs import CODECS, JSON
from ..live.connection import Connection
from ..live.outbox import Outbox
from ..live.sessions import Session
from ..operations.audit import audit
from ..operations.session import take_up
from .clients import GOODBYE, Clients
from .framing import Protocol, StreamTransport, binary_frame, text_frame
from .http import Base, client_address, handshake_token, may_connect, origin_allowed, refuse

log = logging.getLogger(__name__)

IN_ORDER = frozenset({"auth", "logout"})
"""Nothing that was sent after one of these is looked at before it is done: it may depend on who the user is."""
REFUSED = {"unauthenticated": 401, "token_expired": 401, "forbidden": 403, "too_many": 429}
"""HTTP status of a handshake whose token is refused; that of every other error is 503."""
NO_HEADERS = HTTPHeaders()
REASON_BYTES = 123  # of a close frame's text (RFC 6455 section 5.5)


class NativeHandler(Base, WebSocketHandler):
    """One client's websocket; a plain GET of the same path gets the Welcome of salt-api."""

    def initialize(self, clients: Clients) -> None:
        """Take what the door shares."""
        self.clients = clients
        self.connection: Connection | None = None
        self.handshake_session: Session | None = None
        self.address = "unknown"
        self._deadline: asyncio.TimerHandle | None = None

    async def prepare(self) -> None:
        """Decide who may come at all; whoever brings a token with the handshake is logged in by it."""
        settings = self.clients.services.settings
        self.address = client_address(self.request, settings.trusted_proxies or ())
        if not may_connect(self.address, settings.allow_from):
            refuse(self, 403, "forbidden", "this address may not connect")
            return
        token, by_cookie = handshake_token(self.request)
        if token is None or not self._is_upgrade():
            return
        # A browser sends the cookie wherever the page comes from; only the Origin tells.
        origin = self.request.headers.get("Origin", "")
        if by_cookie and not (origin and origin_allowed(origin, self.request, settings, by_cookie=True)):
            refuse(self, 403, "forbidden", "a session cookie is accepted from our own pages only")
            return
        outcome = "ok"
        try:
            self.handshake_session = await take_up(self.clients.services, self.address, token)
        except ApiError as fault:
            outcome = fault.code
            refuse(self, REFUSED.get(outcome, 503), outcome, fault.message)
        finally:
            audit(self.handshake_session, self.address, "auth", outcome, {})

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Become a websocket, or say who is here."""
        if self._is_upgrade():
            await super().get(*args, **kwargs)
            return
        self.write({"clients": list(self.clients.services.settings.clients), "return": "Welcome"})

    def check_origin(self, origin: str) -> bool:
        """Let browsers in from our own pages and those of ``cors_origin``."""
        return origin_allowed(origin, self.request, self.clients.services.settings)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Choose the first of the client's that we speak; none offered means the first of ours.

        Where we speak none of them we repeat one all the same, and close: browsers and most libraries take a handshake
        without it for broken, and would never see the close code.
        """
        offered = [name for name in subprotocols if name]
        return next((name for name in offered if name in CODECS), offered[0] if offered else None)

    def get_websocket_protocol(self) -> Any:
        """Use tornado's protocol as we mended it."""
        protocol: Any = super().get_websocket_protocol()
        if protocol is None:
            return None
        protocol.params.max_message_size = self.clients.services.settings.limits.message_bytes_before_auth
        self._protocol = Protocol(self, False, protocol.params)
        return self._protocol

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin: no compression, no delay, and a deadline for who is not logged in."""
        limits = self.clients.services.settings.limits
        # Nobody asks for headers any more. They are a tenth of what an idle connection takes, and hold its token.
        self.request.headers = self._headers = NO_HEADERS
        self.set_nodelay(True)
        codec = CODECS.get(self.selected_subprotocol or JSON.name)
        if codec is None:
            self._end(SUBPROTOCOL, "known are: " + ", ".join(CODECS))
            return
        if self.clients.closing:
            self._end(RESTART, GOODBYE)
            return
        full = self.clients.admit(self.address, self.handshake_session is not None)
        if full is not None:
            self._end(TOO_MANY, f"limit reached: {full}")
            return
        transport = StreamTransport(self._protocol.stream)
        outbox = Outbox(
            transport,
            most_bytes=limits.outbox_bytes,
            most_frames=limits.outbox_frames,
            on_overflow=lambda: self._end(FELL_BEHIND, "read too slowly: resume with since"),
        )
        transport.drained = outbox.pump
        self._protocol.before_close = outbox.flush
        self._protocol.unanswered = lambda: self._end(FELL_BEHIND, "a ping was not answered: resume with since")
        wrap = binary_frame if codec.binary else text_frame
        self.connection = Connection(self.address, outbox, wrap, self._end, codec)
        self.clients.add(self.connection)
        if self.handshake_session is not None:
            self.connection.become(self.handshake_session)
            self._let_in()
        else:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(limits.auth_seconds, self._end, AUTH_TOO_LATE, "log in sooner")

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Run a message; only a login holds up what comes behind it."""
        connection = self.connection
        if connection is None:
            return None
        asked = self.clients.dispatcher.read(connection, message)
        if asked is None:
            return None
        task = self.clients.run(connection, asked)
        task.add_done_callback(self._let_in)
        return asyncio.wait([task]) if asked["type"] in IN_ORDER else None  # type: ignore[return-value]

    def log_exception(self, *fault: Any) -> None:
        """Log a fault of ours, and let the peer know that it was not his."""
        super().log_exception(*fault)
        if self.connection is not None:
            self._protocol.fault = OWN_FAULT

    def on_close(self) -> None:
        """Let go of everything."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self.connection is not None:
            self.clients.remove(self.connection)
            self.connection.closed()

    def _let_in(self, _: Any = None) -> None:
        """Whoever is known may send larger messages, and is not waited for any more."""
        connection = self.connection
        if connection is None or not (connection.session is not None or connection.proved):
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.clients.proved(connection)
        self._protocol.params.max_message_size = self.clients.services.settings.limits.message_bytes

    def _end(self, code: int, reason: str) -> None:
        self.clients.services.hub.counters.closes[code] += 1
        self.close(code, reason.encode()[:REASON_BYTES].decode(errors="ignore"))

    def _is_upgrade(self) -> bool:
        return self.request.headers.get("Upgrade", "").lower() == "websocket"
