"""What every answer over HTTP has: safe headers, CORS, errors without a traceback, and a bound on the body."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from types import TracebackType
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler, stream_request_body

from ...errors import ApiError, forget_frames
from . import content
from .access import Access

log = logging.getLogger(__name__)

DRAIN_BYTES = 64 * 1024 * 1024  # of a body that is too large: read and dropped, so that the client receives the 413
_TOKEN = re.compile(r"(?<=events/).+|(?<=^/ws/).+|[0-9a-fA-F]{32,}")
_HEADER_NAMES = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z, ]+")
"""A list of header names (RFC 9110 section 5.1): a preflight gets back the ones that it names."""


@stream_request_body
class Responder(RequestHandler):
    """A handler that reveals nothing of the inside, and keeps only a bounded part of the body.

    Bodies are read as they arrive. Tornado answers a body over its own limit with a bare 400. Here it is read and
    dropped up to :data:`DRAIN_BYTES`, so that the client receives the 413.
    """

    kind = content.JSON
    """The media type of the answer."""
    max_body = 0
    """Bytes of the body that are kept. A handler that reads :attr:`body` sets it before the body arrives."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._dropped: ApiError | None = None
        """Why the body was not kept."""
        super().__init__(*args, **kwargs)

    @property
    def body(self) -> bytes:
        """The request's body.

        :raises ApiError: too_large; too_many if its user takes too much memory
        """
        if self._dropped is not None:
            raise self._dropped.copy()
        return b"".join(self._chunks)

    def check_size(self, size: int) -> None:
        """Check that this many bytes of the body may be kept.

        :raises ApiError: why not
        """
        if size > self.max_body:
            raise ApiError("too_large", f"a body of more than {self.max_body} bytes")

    @property
    def access(self) -> Access:
        """The rules for addresses, host names and origins."""
        found: Access = self.application.access  # type: ignore[attr-defined]
        return found

    def refuse(self, error: ApiError, status: int | None = None) -> None:
        """Answer with an error and finish.

        :param status: the HTTP status; None means the error's own
        """
        self.set_status(error.status if status is None else status)
        self.set_header("Content-Type", self.kind)
        self.set_header("Cache-Control", "private, no-store")
        if isinstance(error.details, dict) and "retry_after" in error.details:
            self.set_header("Retry-After", str(max(1, round(error.details["retry_after"]))))
        answer = {"error": error.code, "message": error.message, "details": error.details}
        self.finish(content.encoded(answer, self.kind))
        forget_frames(error)

    def finish(self, chunk: Any = None) -> asyncio.Future[None]:
        """Answer. Tornado closes the connection if the body was not read yet; then say so (RFC 9112 section 9.6)."""
        if _lacks_body(self.request):
            self.set_header("Connection", "close")
        return super().finish(chunk)

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, unless the whole is too large."""
        self._size += len(chunk)
        if self._dropped is not None:
            return
        try:
            self.check_size(self._size)
        except ApiError as error:
            forget_frames(error)
            self._dropped = error
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    def on_connection_close(self) -> None:
        """Release a request whose client left before the request was complete."""
        incomplete = _lacks_body(self.request)
        super().on_connection_close()
        if not incomplete:
            return  # its handler finishes it, and tornado then breaks its cycles
        # Nobody finishes this request, so break the cycles that finish() breaks, and drop what was received.
        # Errors hold the frames that wait for the body, and those hold this handler.
        reading = sys.exc_info()[1]
        if reading is not None:
            forget_frames(reading)
        self.request._body_future = None  # type: ignore[assignment]
        self._chunks.clear()
        self._break_cycles()

    def set_default_headers(self) -> None:
        """Set the headers of every answer: no server name, no type sniffing, and CORS for listed pages."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        for name, value in self.access.cors_headers(self.request.headers.get("Origin")).items():
            self.set_header(name, value)

    def options(self, *args: str) -> None:
        """Answer a preflight (the Fetch standard) as rest_tornado does.

        The answer is the same for every origin; ``Access-Control-Allow-Origin`` says whether the page may go on.
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
        """Answer an error with its code and message, never with a place in the code."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if not isinstance(error, ApiError):
            other = "bad_message" if status_code < 500 else "internal"
            code = {404: "not_found", 413: "too_large"}.get(status_code, other)
            error = ApiError(code, self._reason, status=status_code)
        if error.status == 405:
            self.set_header("Allow", ", ".join(self._allowed()))
        self.refuse(error)

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Log a fault of the engine with its traceback, but without the query, which may hold a token."""
        if value is not None and not isinstance(value, (HTTPError, ApiError)):
            log.error("%s %s failed", self.request.method, loggable(self.request.path), exc_info=value)

    def _handle_request_exception(self, e: BaseException) -> None:
        """Answer an error, and then release the frames that it holds."""
        super()._handle_request_exception(e)
        forget_frames(e)

    def _allowed(self) -> list[str]:
        """Return the methods of this path (RFC 9110 section 10.2.1), without the one that was just refused."""
        known = self._known_methods()
        known.discard(str(self.request.method))
        if "GET" not in known:
            known.discard("HEAD")  # GET answers it
        return sorted(known)

    def _known_methods(self) -> set[str]:
        """Return the methods that this handler implements."""
        unknown = RequestHandler.get  # tornado's stub, which all methods share that a handler does not implement
        return {name for name in self.SUPPORTED_METHODS if getattr(type(self), name.lower()) is not unknown}


def _lacks_body(request: HTTPServerRequest) -> bool:
    """Return whether a part of the body has not arrived. Handshakes of websockets have none."""
    body = getattr(request, "_body_future", None)
    return body is not None and not body.done()


def loggable(path: str) -> str:
    """Return a request's path without tokens, which salt-api's streams have there."""
    return _TOKEN.sub("(token)", path)
