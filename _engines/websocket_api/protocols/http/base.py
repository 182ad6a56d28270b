"""What all protocols share: a handler class, an application that no request gets past, errors without a traceback."""

from __future__ import annotations

import logging
import re
import sys
from types import TracebackType
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from ...errors import ApiError, forget_frames
from ...settings import Settings
from . import content
from .access import Access

log = logging.getLogger(__name__)

COOKIE = "session_id"  # the name that salt-api's clients know
DRAIN_BYTES = 64 * 1024 * 1024  # of a body that is too large: read away, so that the peer is told so and not cut off
_TOKEN = re.compile(r"(?<=events/).+|(?<=^/ws/).+|[0-9a-fA-F]{32,}")
_HEADER_NAMES = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z, ]+")
"""A list of header names (RFC 9110 section 5.1): a preflight gets back the ones that it asks for."""


def handshake_token(request: HTTPServerRequest) -> tuple[str | None, bool]:
    """Return the token that a request's headers carry, and whether it is only the cookie's."""
    header = request.headers.get("X-Auth-Token")
    if header:
        return header, False
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip(), False
    morsel = request.cookies.get(COOKIE)
    return (morsel.value, True) if morsel is not None and morsel.value else (None, False)


def refuse(handler: Base, status: int, fault: ApiError) -> None:
    """Answer with an error of our table and finish."""
    handler.set_status(status)
    handler.set_header("Content-Type", handler.kind)
    handler.set_header("Cache-Control", "private, no-store")
    if isinstance(fault.details, dict) and "retry_after" in fault.details:
        handler.set_header("Retry-After", str(max(1, round(fault.details["retry_after"]))))
    answer = {"error": fault.code, "message": fault.message, "details": fault.details}
    handler.finish(content.written(answer, handler.kind))
    forget_frames(fault)


@stream_request_body
class Base(RequestHandler):
    """A handler that tells nothing about itself that a stranger could use, and keeps no more of a body than it wants.

    Bodies are read as they come, because tornado answers one that is over its own bound with a bare 400: here it is
    read away up to :data:`DRAIN_BYTES`, so that the peer gets to hear the 413.
    """

    kind = content.JSON
    """The type of the answer."""
    most_body = 0
    """Bytes of the request's body that are kept; who reads :attr:`body` sets it before the body comes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        super().__init__(*args, **kwargs)

    @property
    def body(self) -> bytes:
        """The request's body.

        :raises ApiError: too_large
        """
        if self._size > self.most_body:
            raise ApiError("too_large", f"a body of more than {self.most_body} bytes")
        return b"".join(self._chunks)

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, unless it is too large as a whole."""
        self._size += len(chunk)
        if self._size > self.most_body:
            self._chunks = []
        else:
            self._chunks.append(chunk)

    @property
    def access(self) -> Access:
        """Who may connect."""
        found: Access = self.application.access  # type: ignore[attr-defined]
        return found

    def on_connection_close(self) -> None:
        """Let go of a request whose client left before it was complete."""
        body = self.request._body_future
        incomplete = not body.done()
        super().on_connection_close()
        if not incomplete:
            return  # whoever answers it finishes it, and tornado then takes it apart
        if not body.done():  # of a websocket's handshake, which tornado would leave waiting for ever
            body.set_exception(StreamClosedError())
            body.exception()
        # Nobody finishes this request: break the cycles that finish() breaks, and drop what was received.
        # The errors would hold the frames that wait for the body, and with them this handler.
        reading = sys.exc_info()[1]
        if reading is not None:
            forget_frames(reading)
        self.request._body_future = None  # type: ignore[assignment]
        self._chunks.clear()
        self._break_cycles()

    def set_default_headers(self) -> None:
        """Name no server, sniff no types, and let listed pages read the answer, whatever becomes of the request."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        for name, value in self.access.cors_headers(self.request.headers.get("Origin")).items():
            self.set_header(name, value)

    def options(self, *args: str) -> None:
        """Answer a browser that asks whether it may (the Fetch standard's preflight), as rest_tornado does.

        The same for every origin: whether its page may is in ``Access-Control-Allow-Origin``.
        """
        self.set_status(204)
        more = [name for name in ("PUT", "PATCH", "DELETE") if name in self._known_methods()]
        self.set_header("Access-Control-Allow-Methods", ", ".join(["OPTIONS", "GET", "POST", *more]))
        self.set_header("Access-Control-Expose-Headers", "X-Auth-Token")
        wanted = self.request.headers.get("Access-Control-Request-Headers", "")
        if _HEADER_NAMES.fullmatch(wanted):
            self.set_header("Access-Control-Allow-Headers", wanted)
        self.finish()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what is wrong, never where in the code."""
        fault = kwargs.get("exc_info", (None, None, None))[1]
        if not isinstance(fault, ApiError):
            other = "bad_message" if status_code < 500 else "internal"
            code = {404: "not_found", 413: "too_large"}.get(status_code, other)
            fault = ApiError(code, self._reason)
        else:
            status_code = fault.status
        if status_code == 405:
            self.set_header("Allow", ", ".join(self._allowed()))
        refuse(self, status_code, fault)

    def _handle_request_exception(self, e: BaseException) -> None:
        """Answer an error, and then let go of what it passed."""
        super()._handle_request_exception(e)
        forget_frames(e)

    def _allowed(self) -> list[str]:
        """Return the methods of this path (RFC 9110 section 10.2.1); one that was refused is none of them."""
        known = self._known_methods()
        known.discard(str(self.request.method))
        if "GET" not in known:
            known.discard("HEAD")  # which is answered by the other
        return sorted(known)

    def _known_methods(self) -> set[str]:
        """Return the methods that this handler has."""
        unknown = RequestHandler.get  # tornado's, as those of all methods that a handler does not have
        return {name for name in self.SUPPORTED_METHODS if getattr(type(self), name.lower()) is not unknown}

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Log a fault of ours with its traceback, but not the query: tokens travel there."""
        if value is not None and not isinstance(value, (HTTPError, ApiError)):
            log.error("%s %s failed", self.request.method, loggable(self.request.path), exc_info=value)


class NotFound(Base):
    """Everything that no protocol serves."""

    def prepare(self) -> None:
        """Answer 404 to every method."""
        self.send_error(404)


class Refused(Base):
    """Every request, whatever its path and method, of a client that may not connect."""

    def initialize(self, fault: ApiError) -> None:
        """Take why."""
        self.fault = fault

    def prepare(self) -> None:
        """Answer before anything else is looked at."""
        refuse(self, self.fault.status, self.fault)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer methods that tornado does not know in the same way."""
        self.prepare()


class Doors(Application):
    """The application. Whoever may not connect reaches none of its handlers, the one for unknown paths included."""

    def __init__(self, routes: list[Any], access: Access, **settings: Any) -> None:
        self.access = access
        super().__init__(routes, **settings)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return what answers a request."""
        fault = self.access.refusal(request)
        if fault is not None:
            return self.get_handler_delegate(request, Refused, {"fault": fault})
        return super().find_handler(request, **kwargs)


def loggable(path: str) -> str:
    """Return a request's path without what looks like a token: salt-api's streams have it there."""
    return _TOKEN.sub("(token)", path)


def log_request(handler: RequestHandler) -> None:
    """Log a request without its query: tokens travel there."""
    request, spent = handler.request, 1000 * handler.request.request_time()
    log.debug("%s %s %s %.1f ms", handler.get_status(), request.method, loggable(request.path), spent)


def application(routes: list[Any], settings: Settings) -> Doors:
    """Return the tornado application."""
    return Doors(
        routes,
        Access(settings),
        default_handler_class=NotFound,
        log_function=log_request,
        websocket_ping_interval=settings.limits.ping_seconds,
        websocket_ping_timeout=settings.limits.pong_seconds,
    )
