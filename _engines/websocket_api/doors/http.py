"""What all doors share: where a client comes from, which Origins may come, and errors without a traceback."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterable
from types import TracebackType
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from ..errors import ApiError
from ..settings import Settings
from . import content

log = logging.getLogger(__name__)

COOKIE = "session_id"  # the name that salt-api's clients know
DRAIN_BYTES = 64 * 1024 * 1024  # of a body that is too large: read away, so that the peer is told so and not cut off
_TOKEN = re.compile(r"(?<=events/).+|[0-9a-fA-F]{32,}")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(request: HTTPServerRequest, trusted_proxies: Iterable[str]) -> str:
    """Return where the client comes from, believing ``X-Forwarded-For`` of trusted proxies only.

    Read from the right: each proxy appends the address that it saw, and the first one that is no proxy of ours is
    the client; anything further left, the client may have invented.
    """
    proxies = [ipaddress.ip_network(text, strict=False) for text in trusted_proxies]
    address = request.remote_ip or "unknown"
    hops = [hop.strip() for hop in ",".join(request.headers.get_list("X-Forwarded-For")).split(",") if hop.strip()]
    while hops and _within(address, proxies):
        address = hops.pop()
    return address


def is_tls(request: HTTPServerRequest, trusted_proxies: Iterable[str]) -> bool:
    """Tell whether the client's way to us is encrypted, believing ``X-Forwarded-Proto`` of trusted proxies only."""
    proxies = [ipaddress.ip_network(text, strict=False) for text in trusted_proxies]
    if _within(request.remote_ip or "", proxies):
        return request.headers.get("X-Forwarded-Proto", request.protocol).lower() == "https"
    return bool(request.protocol == "https")


def may_connect(address: str, allow_from: Iterable[str] | None) -> bool:
    """Tell whether the option ``allow_from`` lets this address in."""
    if allow_from is None:
        return True
    return _within(address, [ipaddress.ip_network(text, strict=False) for text in allow_from])


def same_origin(origin: str, request: HTTPServerRequest) -> bool:
    """Tell whether an Origin header names this very server."""
    parts = _parts(origin)
    return parts.netloc.lower() == request.host.lower() and parts.scheme in ("http", "https")


def origin_allowed(origin: str, request: HTTPServerRequest, settings: Settings, *, by_cookie: bool = False) -> bool:
    """Tell whether a browser may come from this Origin: our own, or one of ``cors_origin``.

    :param by_cookie: it is the cookie that says who the user is: then ``*`` lets nobody in
    """
    listed = settings.cors_origin or ()
    return same_origin(origin, request) or origin in listed or ("*" in listed and not by_cookie)


def from_our_page(request: HTTPServerRequest, settings: Settings) -> bool:
    """Tell whether a page of ours, or of ``cors_origin``, sent this with its cookie; old browsers send Referer only."""
    origin = request.headers.get("Origin")
    if not origin and request.headers.get("Referer"):
        parts = _parts(request.headers["Referer"])
        origin = f"{parts.scheme}://{parts.netloc}"
    return bool(origin) and origin_allowed(str(origin), request, settings, by_cookie=True)


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

    def set_default_headers(self) -> None:
        """Name no server, sniff no types."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")

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

    def _allowed(self) -> list[str]:
        """Return the methods of this path (RFC 9110 section 10.2.1); one that was refused is none of them."""
        unknown = RequestHandler.get  # tornado's, as those of all methods that a handler does not have
        known = {name for name in self.SUPPORTED_METHODS if getattr(type(self), name.lower()) is not unknown}
        known.discard(str(self.request.method))
        if type(self).get is unknown:
            known.discard("HEAD")  # which is answered by the other
        return sorted(known)

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Log a fault of ours with its traceback, but not the query: tokens travel there."""
        if value is not None and not isinstance(value, (HTTPError, ApiError)):
            log.error("%s %s failed", self.request.method, loggable(self.request.path), exc_info=value)


class NotFound(Base):
    """Everything that no door serves."""

    def prepare(self) -> None:
        """Answer 404 to every method."""
        self.send_error(404)


def loggable(path: str) -> str:
    """Return a request's path without what looks like a token: salt-api's streams have it there."""
    return _TOKEN.sub("(token)", path)


def log_request(handler: RequestHandler) -> None:
    """Log a request without its query: tokens travel there."""
    request, spent = handler.request, 1000 * handler.request.request_time()
    log.debug("%s %s %s %.1f ms", handler.get_status(), request.method, loggable(request.path), spent)


def application(routes: list[Any], settings: Settings) -> Application:
    """Return the tornado application."""
    return Application(
        routes,
        default_handler_class=NotFound,
        log_function=log_request,
        websocket_ping_interval=settings.limits.ping_seconds,
        websocket_ping_timeout=settings.limits.pong_seconds,
    )


def _parts(url: str) -> SplitResult:
    """Return the parts of an address that anybody may have written; none of one that is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _within(address: str, networks: Iterable[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(parsed in network for network in networks)
