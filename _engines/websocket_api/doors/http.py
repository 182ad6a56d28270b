"""What all doors share: where a client comes from, which Origins may come, and errors without a traceback."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from ..live.encoding import encode
from ..settings import Settings

log = logging.getLogger(__name__)

COOKIE = "session_id"  # the name that salt-api's clients know
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


def may_connect(address: str, allow_from: Iterable[str] | None) -> bool:
    """Tell whether the option ``allow_from`` lets this address in."""
    if allow_from is None:
        return True
    return _within(address, [ipaddress.ip_network(text, strict=False) for text in allow_from])


def same_origin(origin: str, request: HTTPServerRequest) -> bool:
    """Tell whether an Origin header names this very server."""
    parts = urlsplit(origin)
    return parts.netloc.lower() == request.host.lower() and parts.scheme in ("http", "https")


def origin_allowed(origin: str, request: HTTPServerRequest, settings: Settings, *, by_cookie: bool = False) -> bool:
    """Tell whether a browser may come from this Origin: our own, or one of ``cors_origin``.

    :param by_cookie: it is the cookie that says who the user is: then ``*`` lets nobody in
    """
    listed = settings.cors_origin or ()
    return same_origin(origin, request) or origin in listed or ("*" in listed and not by_cookie)


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


def refuse(handler: RequestHandler, status: int, code: str, message: str) -> None:
    """Answer with an error of our table and finish."""
    handler.set_status(status)
    handler.set_header("Content-Type", "application/json")
    handler.finish(encode({"error": code, "message": message, "details": None}))


class Base(RequestHandler):
    """A handler that tells nothing about itself that a stranger could use."""

    def set_default_headers(self) -> None:
        """Name no server, sniff no types."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what is wrong, never where in the code."""
        code = {404: "not_found", 405: "bad_message", 413: "too_large"}.get(status_code, "internal")
        self.set_header("Content-Type", "application/json")
        self.finish(encode({"error": code, "message": self._reason, "details": None}))

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Log a fault of ours with its traceback, but not the query: tokens travel there."""
        if value is not None and not isinstance(value, HTTPError):
            log.error("%s %s failed", self.request.method, self.request.path, exc_info=value)


class NotFound(Base):
    """Everything that no door serves."""

    def prepare(self) -> None:
        """Answer 404 to every method."""
        self.send_error(404)


def log_request(handler: RequestHandler) -> None:
    """Log a request without its query: tokens travel there."""
    request = handler.request
    log.debug("%s %s %s %.1f ms", handler.get_status(), request.method, request.path, 1000 * request.request_time())


def application(routes: list[Any], settings: Settings) -> Application:
    """Return the tornado application."""
    return Application(
        routes,
        default_handler_class=NotFound,
        log_function=log_request,
        websocket_ping_interval=settings.limits.ping_seconds,
        websocket_ping_timeout=settings.limits.pong_seconds,
    )


def _within(address: str, networks: Iterable[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(parsed in network for network in networks)
