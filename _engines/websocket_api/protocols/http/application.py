"""The tornado application: clients that may not connect reach no handler, the one for unknown paths included."""

from __future__ import annotations

import logging
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from ...errors import ApiError
from ...settings import Settings
from .access import Access
from .head import Unreadable, has_body
from .responder import Responder, loggable

log = logging.getLogger(__name__)


class NotFound(Responder):
    """Every path that no protocol serves."""

    def prepare(self) -> None:
        """Answer 404 to every method."""
        self.send_error(404)


class Refused(Responder):
    """Every request of a client that may not connect, whatever its path and method."""

    def initialize(self, error: ApiError) -> None:
        """Keep the reason."""
        self.error = error

    def prepare(self) -> None:
        """Answer before anything else is looked at."""
        self.refuse(self.error)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer methods that tornado does not know in the same way."""
        self.prepare()


class GuardedApplication(Application):
    """An application that checks ``allow_from`` and ``allowed_hosts`` before it chooses a handler."""

    def __init__(self, routes: list[Any], access: Access, **settings: Any) -> None:
        self.access = access
        super().__init__(routes, **settings)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return what answers a request."""
        headers = request.headers
        error = headers.error if isinstance(headers, Unreadable) else self.access.refusal(request)
        if error is not None:
            return self.get_handler_delegate(request, Refused, {"error": error})
        return super().find_handler(request, **kwargs)

    def get_handler_delegate(
        self, request: HTTPServerRequest, target_class: type[RequestHandler], *args: Any, **kwargs: Any
    ) -> Any:
        """Return what answers a request by a handler. A handshake with a body is refused: it would stay in memory."""
        if issubclass(target_class, WebSocketHandler) and has_body(request.headers):
            error = ApiError("bad_message", "the handshake of a websocket must have no body")
            return super().get_handler_delegate(request, Refused, {"error": error})
        return super().get_handler_delegate(request, target_class, *args, **kwargs)


def log_request(handler: RequestHandler) -> None:
    """Log a request without its query, which may hold a token."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    request, spent = handler.request, 1000 * handler.request.request_time()
    log.debug("%s %s %s %.1f ms", handler.get_status(), request.method, loggable(request.path), spent)


def application(routes: list[Any], settings: Settings) -> GuardedApplication:
    """Return the tornado application of all protocols."""
    return GuardedApplication(
        routes,
        Access(settings),
        default_handler_class=NotFound,
        log_function=log_request,
    )
