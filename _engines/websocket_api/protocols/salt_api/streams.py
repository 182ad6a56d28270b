"""salt-api's streams: ``/events``, ``/all_events``, ``/formatted_events`` and ``/ws/TOKEN`` (docs/salt-api.md).

All are the native protocol's subscriptions, in the formats of formats.py.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from ...core.access.session import Session
from ...core.delivery.codecs import Codec
from ...core.delivery.connection import Connection
from ...errors import INTERNAL_ERROR, RESTART, ApiError
from ...operations.audit import audit
from ...operations.session import log_in_with_token
from ..connections import Connections
from ..http.api import ApiHandler
from ..websocket.handler import NO_HEADERS, SocketHandler
from .formats import ALL_EVENTS, CHERRYPY_EVENTS, CHERRYPY_FORMATTED, FORMATTED_EVENTS, RECEIVED, position
from .sse import EventStream

READY = "websocket client ready"
"""What a client of the websockets must send before it receives anything."""
NO_QUERY = (
    "The /events endpoint takes no query parameters; in particular no token, which would end up in logs. "
    "Send the X-Auth-Token header, or the cookie that /login sets"
)


class EventsHandler(ApiHandler):
    """``/events``: all events that the user may see, as server-sent events.

    Security: a foreign page can make a browser open this path with the user's cookie. It cannot read the events, but
    each such stream costs a connection. So a request with a cookie is refused with 403, unless a header proves that a
    page of this server or of ``cors_origin`` sent it. The proof is ``Origin`` or ``Referer``. A browser may send
    neither, if the page suppresses the Referer: then it is ``Sec-Fetch-Site: same-origin``, which no page can set.
    """

    cookie_from_anywhere = frozenset({"OPTIONS"})

    def on_request(self) -> None:
        """Refuse query parameters before checking any token, to explain this to clients that send their token there."""
        if self.request.query:
            raise ApiError("bad_message", NO_QUERY)
        super().on_request()

    def from_our_page(self) -> bool:
        """Return whether a page of this server, or of ``cors_origin``, opened the stream."""
        headers = self.request.headers
        if "Origin" not in headers and "Referer" not in headers:
            return headers.get("Sec-Fetch-Site") == "same-origin"
        return super().from_our_page()

    async def get(self) -> None:
        """Start the stream, or resume it after ``Last-Event-ID``.

        ``Accept`` is ignored, as in rest_cherrypy: pepper requests JSON.
        """
        session, clients = self.session, self.clients
        assert session is not None  # noqa: S101 - log_in() set it, or the request was refused
        clients.services.sessions.check(session)
        since = position(self.request.headers.get("Last-Event-ID"))
        chunked = self.request.version == "HTTP/1.1"
        head = self._head(chunked)
        audit(session, self.address, "auth", "ok", {})
        self._log()
        self.request.headers = NO_HEADERS  # they hold the token, and nothing reads them any more
        self.on_finish()  # the request is done; the stream counts as its own connection
        stream = self.detach()
        self._break_cycles()  # as finish() does, which is not called here
        if stream.closed():
            return  # the client left before the answer
        events = EventStream(clients, self.address, stream, session, head, chunked=chunked)
        await events.follow(since)

    def _head(self, chunked: bool) -> bytes:
        """Return the head of the answer, whose body lasts until one side closes (RFC 9112 section 6.3)."""
        if chunked:
            self.set_header("Transfer-Encoding", "chunked")
        self.set_header("Content-Type", "text/event-stream;charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")  # else nginx holds events back
        self.set_header("Connection", "close")
        lines = [f"{name}: {value}\r\n" for name, value in self._headers.get_all()]
        return f"HTTP/1.1 200 OK\r\n{''.join(lines)}\r\n".encode("latin-1")


class AllEventsHandler(SocketHandler):
    """``/all_events/TOKEN``: all events that the user may see, after the client has sent :data:`READY`."""

    subscriptions: tuple[dict[str, Any], ...] = ({"subscription": "event"},)
    """The subscriptions of a ready client, in this order."""
    format: Codec = ALL_EVENTS
    _ready = False

    def codec(self) -> Codec:
        """Return the format of the events."""
        return self.format

    async def authenticate(self) -> Session | None:
        """Return the session of the token in the path, else of the one in a header or the cookie."""
        token = self.path_args[0] if self.path_args else None
        if token:
            return await log_in_with_token(self.clients.services, self.address, token)
        return await super().authenticate()

    def handle(self, connection: Connection, message: str | bytes) -> Awaitable[None] | None:
        """Start at the first :data:`READY`; ignore all other messages."""
        if self._ready or message != READY:
            return None
        self._ready = True
        return self._follow(connection)

    async def _follow(self, connection: Connection) -> None:
        try:
            for fields in self.subscriptions:
                await self.clients.dispatcher.call(connection, "subscribe", **fields)
        except ApiError as error:
            if connection.open:  # closed if the client has left
                self.end(RESTART if self.clients.closing else INTERNAL_ERROR, error.message)


class FormattedEventsHandler(AllEventsHandler):
    """``/formatted_events/TOKEN``: a snapshot of all connected minions and all jobs, then their changes."""

    subscriptions = ({"subscription": "minions", "connected": True}, {"subscription": "job", "jid": "*"})
    format = FORMATTED_EVENTS


class CherryPyHandler(AllEventsHandler):
    """``/ws/TOKEN``: rest_cherrypy's websocket, which answers each message of its client.

    With ``format_events`` in the query it sends minions and jobs as ``/formatted_events`` does.
    """

    def initialize(self, clients: Connections) -> None:
        """Choose the subscriptions and their format."""
        super().initialize(clients)
        self._formatted = "format_events" in self.request.query_arguments
        if self._formatted:
            self.subscriptions = FormattedEventsHandler.subscriptions

    def codec(self) -> Codec:
        """Return the format of the events."""
        return CHERRYPY_FORMATTED if self._formatted else CHERRYPY_EVENTS

    def handle(self, connection: Connection, message: str | bytes) -> Awaitable[None] | None:
        """Answer each message, and start at the first :data:`READY`, which may be text or binary."""
        connection.send({"type": RECEIVED})
        text = message.decode(errors="replace") if isinstance(message, bytes) else message
        return super().handle(connection, text)
