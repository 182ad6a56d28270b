"""Digital Rebar's clients, unmodified: websockets on ``/api/v3/ws`` (docs/digital-rebar.md)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import NamedTuple

from tornado.httputil import HTTPServerRequest

from ...core.access.session import Session
from ...core.delivery.codecs import Codec
from ...core.delivery.connection import Connection
from ...errors import TOKEN_ENDED, TOO_MANY, ApiError
from ...operations.session import log_in, log_in_with_token, revoke_temporary
from ..connections import Connections
from ..websocket.framing import text_frames
from ..websocket.handler import SocketHandler
from .clients import RebarClients
from .subscription import RebarSubscription

QUERY_NAMES = ("token", "Token")  # Digital Rebar's documentation has both
MAX_CHARACTERS = 1024  # of a token, or of a name and a password: they arrive before the login


class Password(NamedTuple):
    """The credentials of a client without a token."""

    username: str
    password: str


class DigitalRebarHandler(SocketHandler):
    """One client of Digital Rebar's websocket."""

    _temporary: Session | None = None
    """The session of a token that was created for this connection and is revoked with it."""
    _subscription: RebarSubscription | None = None

    def initialize(self, clients: Connections, rebar: RebarClients) -> None:  # type: ignore[override]
        """Keep what all protocols share, and the clients of this one."""
        super().initialize(clients)
        self.rebar = rebar

    async def authenticate(self) -> Session:
        """Return the session for the credentials in the query or the header ``Authorization``."""
        origin = self.request.headers.get("Origin")
        if origin and not self.check_origin(origin):
            # Checked first, so that foreign pages cannot make their visitors' browsers guess passwords.
            raise ApiError("forbidden", "pages of this origin may not connect")
        services, proof = self.clients.services, credentials(self.request)
        if isinstance(proof, str):
            return await log_in_with_token(services, self.address, proof)
        eauth = services.settings.eauth
        self.audit_fields.update(user=proof.username, eauth=eauth)
        self._temporary = await log_in(services, self.address, *proof, eauth)
        return self._temporary

    def refusal_status(self, error: ApiError) -> int:
        """Return 403 for a failed login, as Digital Rebar does."""
        return 403 if error.status == 401 else error.status

    def codec(self) -> Codec:
        """Return the only format."""
        return self.rebar.codec

    def framing(self, codec: Codec) -> Callable[[bytes], bytes]:
        """Return what makes a frame of each event."""
        return text_frames

    def on_open(self, connection: Connection) -> None:
        """Create the client's subscription; it has no filters yet."""
        session = self.session
        if session is None or session.ended is not None:
            self.end(TOKEN_ENDED, "the token has ended")
            return
        try:
            self._subscription = self.rebar.follow(connection, session)
        except ApiError as fault:
            self.end(TOO_MANY, fault.message)

    def handle(self, connection: Connection, message: str | bytes) -> None:
        """Register or deregister a filter."""
        if self._subscription is not None:
            self._subscription.handle(message)

    def end(self, code: int, reason: str) -> None:
        """Close the connection."""
        super().end(code, reason)
        self._revoke_temporary()

    def on_close(self) -> None:
        """Release everything."""
        super().on_close()
        self._revoke_temporary()

    def on_finish(self) -> None:
        """Revoke the token of a handshake that failed."""
        if self.get_status() != 101:
            self._revoke_temporary()

    def _revoke_temporary(self) -> None:
        session, self._temporary = self._temporary, None
        if session is not None:
            self.clients.dispatcher.spawn(revoke_temporary(self.clients.services, self.address, session))


def credentials(request: HTTPServerRequest) -> str | Password:
    """Return the token, or the name and password, of a request. The query has precedence over the header.

    :raises ApiError: unauthenticated; its text repeats nothing that was sent
    """
    for name in QUERY_NAMES:
        for value in request.query_arguments.get(name, ()):
            if value:
                text = _text(value)
                return _password(text) if ":" in text else text
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and sent.strip():
        return _text(sent.strip().encode("latin-1"))
    if scheme.lower() == "basic":
        try:
            return _password(_text(base64.b64decode(sent.strip(), validate=True)))
        except (binascii.Error, ValueError):
            raise _unreadable() from None
    raise ApiError("unauthenticated", "send a token: ?token=..., or Authorization: Bearer ...")


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _unreadable() from None
    if len(text) > MAX_CHARACTERS:
        raise _unreadable()
    return text


def _password(text: str) -> Password:
    username, _, password = text.partition(":")
    if not username or not password:
        raise _unreadable()
    return Password(username, password)


def _unreadable() -> ApiError:
    return ApiError("unauthenticated", "the token, or the name and the password, cannot be read")
