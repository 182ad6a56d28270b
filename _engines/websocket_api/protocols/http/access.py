"""Who may connect, and whose web pages may: addresses, host names and origins of a request, judged by the options.

One object decides for every protocol. ``allow_from`` and ``allowed_hosts`` are checked before a request is routed
(http.py), and ``allow_from`` before it is even parsed (listening.py), so no handler can forget them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from tornado.httputil import HTTPServerRequest

from ...errors import ApiError
from ...settings import Settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Origin = tuple[str, str, int]

PORTS = {"http": 80, "https": 443}
"""The ports that an origin and a ``Host`` header leave out (RFC 6454 section 4)."""
PROXY_HEADERS = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip")
"""What proxies add: who sends one of these speaks for somebody else."""
REFUSED = "this address may not connect"


class Access:
    """What the options say about where a request may come from."""

    def __init__(self, settings: Settings) -> None:
        allowed = settings.allow_from
        self._allowed = None if allowed is None else _networks(allowed)
        self._proxies = _networks(settings.trusted_proxies or ())
        self._hosts = {name.lower() for name in settings.allowed_hosts}
        self._origins = frozenset(settings.cors_origin or ())

    # Addresses

    def admits(self, address: str) -> bool:
        """Tell whether a client of this address may connect."""
        return self._allowed is None or _within(address, self._allowed)

    def admits_peer(self, address: str) -> bool:
        """Tell whether a connection of this address may send a request; a proxy may, since its client decides."""
        return self.admits(address) or _within(address, self._proxies)

    def client(self, request: HTTPServerRequest) -> str:
        """Return the client's address, believing ``X-Forwarded-For`` of trusted proxies only.

        Read from the right: each proxy appends the address that it saw. The first one that is no proxy of ours is the
        client; it may have invented anything further left.
        """
        address = request.remote_ip or "unknown"
        hops = [hop.strip() for hop in ",".join(request.headers.get_list("X-Forwarded-For")).split(",") if hop.strip()]
        while hops and _within(address, self._proxies):
            address = hops.pop()
        return address

    def refusal(self, request: HTTPServerRequest) -> ApiError | None:
        """Return why this request is refused, whatever it asks for; None if it is not."""
        if not self.admits(self.client(request)):
            return ApiError("forbidden", REFUSED)
        if self._hosts and not self._is_known_host(request):
            return ApiError("forbidden", "this host name is not in allowed_hosts")
        return None

    def speaks_for_itself(self, request: HTTPServerRequest) -> bool:
        """Tell whether a program on this host sent this: no proxy, and no web page by a name that leads here.

        A page can make the name of its own server lead to 127.0.0.1 (DNS rebinding). Its requests then come from
        loopback and look as if they came from a page of ours, but ``Host`` still has that name.
        """
        peer = _address(request.remote_ip or "")
        if peer is None or not peer.is_loopback or any(name in request.headers for name in PROXY_HEADERS):
            return False
        return self._is_known_host(request)

    def _is_known_host(self, request: HTTPServerRequest) -> bool:
        """Tell whether ``Host`` is an address, localhost, or listed: no name that somebody else leads here."""
        name = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
        return name == "localhost" or name.endswith(".localhost") or name in self._hosts or _address(name) is not None

    # Origins

    def is_tls(self, request: HTTPServerRequest) -> bool:
        """Tell whether the client uses TLS, believing ``X-Forwarded-Proto`` of trusted proxies only."""
        if _within(request.remote_ip or "", self._proxies):
            # Where several proxies have appended to it, the first is what the client used.
            forwarded = request.headers.get("X-Forwarded-Proto", request.protocol)
            return forwarded.partition(",")[0].strip().lower() == "https"
        return bool(request.protocol == "https")

    def same_origin(self, origin: str, request: HTTPServerRequest) -> bool:
        """Tell whether an origin names this very server: scheme, host and port (RFC 6454 section 5)."""
        scheme = "https" if self.is_tls(request) else "http"
        own = _origin(f"{scheme}://{request.host}")
        return own is not None and _origin(origin) == own

    def is_listed(self, origin: str | None, *, by_cookie: bool = False) -> bool:
        """Tell whether ``cors_origin`` names this origin.

        :param by_cookie: the cookie tells who the user is: then ``*`` lists none
        """
        return origin in self._origins or ("*" in self._origins and not by_cookie)

    def admits_origin(self, origin: str, request: HTTPServerRequest, *, by_cookie: bool = False) -> bool:
        """Tell whether a page of this origin may connect: our own, or one of ``cors_origin``."""
        return self.same_origin(origin, request) or self.is_listed(origin, by_cookie=by_cookie)

    def from_our_page(self, request: HTTPServerRequest, *, by_cookie: bool = True) -> bool:
        """Tell whether a page of ours, or of ``cors_origin``, sent this; old browsers send ``Referer`` only."""
        origin = request.headers.get("Origin")
        if not origin and request.headers.get("Referer"):
            parts = _parts(request.headers["Referer"])
            origin = f"{parts.scheme}://{parts.netloc}"
        return bool(origin) and self.admits_origin(str(origin), request, by_cookie=by_cookie)

    def from_foreign_page(self, request: HTTPServerRequest, *, by_cookie: bool = True) -> bool:
        """Tell whether a page that is not ours sent this; without ``Origin`` and ``Referer`` it is a program's."""
        named = not {"Origin", "Referer"}.isdisjoint(request.headers)
        return named and not self.from_our_page(request, by_cookie=by_cookie)

    def cors_headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers that let scripts of listed pages read an answer; with ``*`` never by cookie.

        As rest_tornado has them: with ``*`` whether there is an ``Origin`` or not.
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
    """Return scheme, host and port of an origin; None if it is not one of HTTP's."""
    parts = _parts(text)
    try:
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        return None
    return parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port


def _parts(url: str) -> SplitResult:
    """Return the parts of an address that anybody may have written; empty if it is invalid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP address, an IPv4 one also where a proxy writes it as ``::ffff:10.0.0.1``; None if invalid."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _within(address: str, networks: Iterable[Network]) -> bool:
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in networks)
