"""The base of all handlers that serve something, over websockets too: without a valid token the answer is 401.

A path forgets none of this: ``allow_from`` and ``allowed_hosts`` are checked before any handler is made
(application.py), CORS headers belong to every answer (responder.py), and a handler that serves clients without a
login says so by ``public``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.httputil import HTTPServerRequest

from ...core.access.session import Session
from ...errors import ApiError, forget_frames
from ...fair_share import Share
from ...operations.session import log_in_with_token
from ..connections import Connections
from .responder import Responder

SWITCHING = 101  # the status of an accepted websocket
COOKIE = "session_id"  # the name that salt-api's clients know


class BaseHandler(Responder):
    """A handler that logs its client in before anything else.

    Hooks, in this order: :meth:`on_request`, :meth:`authenticate`, :meth:`on_authenticated`; :meth:`on_refused` where
    one of them raises an :class:`ApiError`. Each may finish the request, which ends the order.
    """

    public = False
    """Whether clients without a login are served."""

    def initialize(self, clients: Connections) -> None:
        """Keep what all protocols share."""
        self.clients = clients
        self.session: Session | None = None
        self.address = "unknown"

    @property
    def settings_(self) -> Any:
        """The engine's options; ``settings`` is tornado's."""
        return self.clients.services.settings

    @property
    def share(self) -> Share:
        """The share that its work is charged to."""
        return Share.unauthenticated(self.address) if self.session is None else self.session.share

    def finish(self, chunk: Any = None) -> asyncio.Future[None]:
        """Answer. While this process ends, the client's next request needs a new connection."""
        if self.clients.closing and self.get_status() != SWITCHING:
            self.set_header("Connection", "close")
        return super().finish(chunk)

    async def prepare(self) -> None:
        """Log the client in, or answer why it is refused; a preflight carries no token."""
        self.address = self.access.client(self.request)
        if self.request.method == "OPTIONS":
            return
        try:
            self.on_request()
            if not self._finished:
                await self.log_in()
                self.on_authenticated()
        except ApiError as error:
            self.on_refused(error)
            forget_frames(error)

    def on_request(self) -> None:
        """Check the head of the request before its token.

        :raises ApiError: why it is refused
        """

    async def log_in(self) -> None:
        """Set :attr:`session` to the session that the request proves.

        :raises ApiError: unauthenticated, token_expired, forbidden, too_many, master_unavailable
        """
        self.session = await self.authenticate()
        if self.session is None and not self.public:
            raise ApiError("unauthenticated", "log in first: no token was sent")

    async def authenticate(self) -> Session | None:
        """Return the session of the request's token; None without one.

        :raises ApiError: the token is refused
        """
        token = self.accepted_token()
        return None if token is None else await log_in_with_token(self.clients.services, self.address, token)

    def accepted_token(self) -> str | None:
        """Return the request's token; a cookie counts only where :meth:`accepts_cookie` says so.

        :raises ApiError: forbidden, for a cookie that a foreign page may have sent
        """
        token, by_cookie = request_token(self.request)
        return None if token is None or (by_cookie and not self.accepts_cookie()) else token

    def accepts_cookie(self) -> bool:
        """Return whether the session cookie counts for this request.

        A browser sends the cookie whichever page makes the request; only ``Origin`` or ``Referer`` names the page.

        :raises ApiError: forbidden
        """
        if self.access.from_our_page(self.request):
            return True
        raise ApiError("forbidden", "a session cookie is accepted from our own pages only")

    def on_authenticated(self) -> None:
        """Check the rest of the request's head; the handler may finish the request here.

        :raises ApiError: why it is refused
        """

    def on_refused(self, error: ApiError) -> None:
        """Answer a request that a hook refused."""
        self.refuse(error, self.refusal_status(error))

    def refusal_status(self, error: ApiError) -> int:
        """Return the HTTP status of a refused request."""
        return error.status


class OpenHandler(BaseHandler):
    """A handler that answers everybody alike: it ignores tokens, so a stale cookie is no failed login."""

    public = True

    async def authenticate(self) -> None:
        """Return no session."""


def request_token(request: HTTPServerRequest) -> tuple[str | None, bool]:
    """Return the token in a request's headers, and whether only the cookie holds it."""
    header = request.headers.get("X-Auth-Token")
    if header:
        return header, False
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip(), False
    morsel = request.cookies.get(COOKIE)
    return (morsel.value, True) if morsel is not None and morsel.value else (None, False)
