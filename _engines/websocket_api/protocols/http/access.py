"""The rules for addresses, host names and origins: which clients may connect, and which web pages.

One object decides for every protocol. ``allow_from`` and ``allowed_hosts`` are checked before a request is routed
(application.py), and ``allow_from`` before it is even parsed (http_server.py), so no handler can forget them.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from tornado.httputil import HTTPServerRequest

from ...errors import ApiError
from ...settings import Settings

log = logging.getLogger(__name__)

LOG_SECONDS = 60.0  # between two log lines about an unknown proxy
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Origin = tuple[str, str, int]

PORTS = {"http": 80, "https": 443}
"""Default ports, which an origin and a ``Host`` header leave out (RFC 6454 section 4)."""
PROXY_HEADERS = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip")
"""Headers that proxies add: a request with one of these comes from another client."""
REFUSED = "this address may not connect"


class Access:
    """Decides by the options whether a request may be served."""

    def __init__(self, settings: Settings) -> None:
        allowed = settings.allow_from
        self._allowed = None if allowed is None else _networks(allowed)
        self._proxies = _networks(settings.trusted_proxies or ())
        self._hosts = {name.lower() for name in settings.allowed_hosts}
        self._origins = frozenset(settings.cors_origin or ())
        self._logged_at = -LOG_SECONDS

    # Addresses

    def admits(self, address: str) -> bool:
        """Return whether a client of this address may connect."""
        return self._allowed is None or _within(address, self._allowed)

    def admits_peer(self, address: str) -> bool:
        """Return whether a connection of this address may send requests; a proxy may, since its client is checked."""
        return self.admits(address) or _within(address, self._proxies)

    def client(self, request: HTTPServerRequest) -> str:
        """Return the client's address; ``X-Forwarded-For`` counts from trusted proxies only.

        It is read from the right, since each proxy appends the address that it saw. The first address that is no
        trusted proxy is the client, which may have invented everything further left.
        """
        address = request.remote_ip or "unknown"
        if not self._proxies:
            return address
        hops = [hop.strip() for hop in ",".join(request.headers.get_list("X-Forwarded-For")).split(",") if hop.strip()]
        while hops and _within(address, self._proxies):
            address = hops.pop()
        return address

    def refusal(self, request: HTTPServerRequest) -> ApiError | None:
        """Return why this request is refused whatever its path; None if it may be served."""
        if not self.admits(self.client(request)):
            return ApiError("forbidden", REFUSED)
        if self._hosts and not self._is_known_host(request):
            return ApiError("forbidden", "this host name is not in allowed_hosts")
        return None

    def speaks_for_itself(self, request: HTTPServerRequest) -> bool:
        """Return whether a program on this host sent the request: no proxy, and no web page.

        A page can make its own server's name resolve to 127.0.0.1 (DNS rebinding). Its requests then come from
        loopback and look like those of our own pages, but ``Host`` still has that name.
        """
        peer = _address(request.remote_ip or "")
        if peer is None or not peer.is_loopback or any(name in request.headers for name in PROXY_HEADERS):
            return False
        return self._is_known_host(request)

    def _is_known_host(self, request: HTTPServerRequest) -> bool:
        """Return whether ``Host`` is an address, localhost or listed, and not a name that an attacker controls."""
        name = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
        return name == "localhost" or name.endswith(".localhost") or name in self._hosts or _address(name) is not None

    # Origins

    def is_tls(self, request: HTTPServerRequest) -> bool:
        """Return whether the client uses TLS; ``X-Forwarded-Proto`` counts from trusted proxies only."""
        if _within(request.remote_ip or "", self._proxies):
            # If several proxies have appended to it, the first value is the client's.
            forwarded = request.headers.get("X-Forwarded-Proto", request.protocol)
            return forwarded.partition(",")[0].strip().lower() == "https"
        return bool(request.protocol == "https")

    def same_origin(self, origin: str, request: HTTPServerRequest) -> bool:
        """Return whether an origin is this server: scheme, host and port (RFC 6454 section 5)."""
        scheme = "https" if self.is_tls(request) else "http"
        own = _origin(f"{scheme}://{request.host}")
        return own is not None and _origin(origin) == own

    def is_listed(self, origin: str | None, *, by_cookie: bool = False) -> bool:
        """Return whether ``cors_origin`` lists this origin.

        :param by_cookie: whether the cookie is the login; then ``*`` lists no origin
        """
        return origin in self._origins or ("*" in self._origins and not by_cookie)

    def admits_origin(self, origin: str, request: HTTPServerRequest, *, by_cookie: bool = False) -> bool:
        """Return whether a page of this origin may connect: our own, or one in ``cors_origin``."""
        admitted = self.same_origin(origin, request) or self.is_listed(origin, by_cookie=by_cookie)
        if not admitted and self._is_behind_unknown_proxy(origin, request):
            self._log_unknown_proxy(request.remote_ip)
        return admitted

    def _is_behind_unknown_proxy(self, origin: str, request: HTTPServerRequest) -> bool:
        """Return whether the page would be our own if a proxy did TLS in front of this server."""
        return not self.is_tls(request) and _origin(origin) == (_origin(f"https://{request.host}") or ())

    def _log_unknown_proxy(self, address: str | None) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            log.warning(
                "refused a page with https on a connection without TLS: if its peer is your proxy, add it to "
                "trusted_proxies and make it send X-Forwarded-Proto; the peer is %s",
                address,
            )

    def from_our_page(self, request: HTTPServerRequest, *, by_cookie: bool = True) -> bool:
        """Return whether our own page, or one in ``cors_origin``, sent this; old browsers send ``Referer`` only."""
        origin = request.headers.get("Origin")
        if not origin and request.headers.get("Referer"):
            parts = _parts(request.headers["Referer"])
            origin = f"{parts.scheme}://{parts.netloc}"
        return bool(origin) and self.admits_origin(str(origin), request, by_cookie=by_cookie)

    def from_foreign_page(self, request: HTTPServerRequest, *, by_cookie: bool = True) -> bool:
        """Return whether a foreign page sent this; without ``Origin`` and ``Referer`` a program did."""
        named = not {"Origin", "Referer"}.isdisjoint(request.headers)
        return named and not self.from_our_page(request, by_cookie=by_cookie)

    def cors_headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers that let scripts of listed pages read an answer; with ``*`` never with a cookie.

        As in rest_tornado, ``*`` is answered even without an ``Origin``.
        """
        if not self._origins:
            return {}
        exposed = {"Access-Control-Expose-Headers": "X-Auth-Token, Retry-After"}
        if "*" in self._origins:
            return {"Access-Control-Allow-Origin": "*", **exposed}
        if origin not in self._origins:
            return {"Vary": "Origin"}
        allowed = {"Access-Control-Allow-Origin": str(origin), "Access-Control-Allow-Credentials": "true"}
        return {"Vary": "Origin", **allowed, **exposed}


def _origin(text: str) -> Origin | None:
    """Return scheme, host and port of an origin; None if it is not an HTTP origin."""
    parts = _parts(text)
    try:
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        return None
    return parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port


def _parts(url: str) -> SplitResult:
    """Return the parts of an untrusted URL; empty if it is invalid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP address, with IPv4 addresses like ``::ffff:10.0.0.1`` unmapped; None if it is invalid."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _within(address: str, networks: Iterable[Network]) -> bool:
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in networks)
