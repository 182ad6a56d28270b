"""The rules for addresses, host names and origins (protocols/http/access.py)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("tornado")

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from websocket_api.protocols.http.access import Access
from websocket_api.settings import Settings

PROXY, OTHER = "10.9.9.9", "192.0.2.1"


def request(
    headers: dict[str, str] | None = None, *, peer: str = OTHER, protocol: str = "http", host: str = "salt:8000"
) -> HTTPServerRequest:
    """Return a request as tornado makes it."""
    connection: Any = SimpleNamespace(context=SimpleNamespace(remote_ip=peer, protocol=protocol))
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    return HTTPServerRequest(
        start_line=line, headers=HTTPHeaders({"Host": host, **(headers or {})}), connection=connection
    )


def access(**options: Any) -> Access:
    """Return the rules of these options."""
    return Access(Settings(**options))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (OTHER, None, OTHER),
        (OTHER, "10.1.1.1", OTHER),
        (PROXY, None, PROXY),
        (PROXY, "10.1.1.1", "10.1.1.1"),
        (PROXY, "6.6.6.6, 10.1.1.1", "10.1.1.1"),
        (PROXY, "10.1.1.1, 10.9.9.8", "10.1.1.1"),
        (PROXY, "nonsense", "nonsense"),
        ("::ffff:10.9.9.9", "10.1.1.1", "10.1.1.1"),
    ],
)
def test_a_client_is_the_first_address_that_is_no_trusted_proxy(peer: str, forwarded: str | None, client: str) -> None:
    """The header is read from the right; the client may have invented everything further left."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert access(trusted_proxies=("10.9.9.0/24",)).client(request(headers, peer=peer)) == client


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fe80::1%eth0", True),
        ("11.0.0.1", False),
        ("::1", False),
        ("nonsense", False),
        ("unknown", False),
    ],
)
def test_allow_from_admits_its_networks_only(address: str, admitted: bool) -> None:
    """IPv4 addresses in IPv6 form count too; invalid addresses are refused."""
    assert access(allow_from=("10.0.0.0/8", "fe80::/10")).admits(address) is admitted
    assert access().admits(address)


@pytest.mark.parametrize(("peer", "admitted"), [("10.1.2.3", True), (PROXY, True), (OTHER, False)])
def test_a_connection_is_admitted_by_its_peer(peer: str, admitted: bool) -> None:
    """A proxy is admitted, since its clients are checked themselves."""
    assert access(allow_from=("10.1.0.0/16",), trusted_proxies=(f"{PROXY}/32",)).admits_peer(peer) is admitted


@pytest.mark.parametrize(
    ("peer", "protocol", "forwarded", "tls"),
    [
        (OTHER, "http", None, False),
        (OTHER, "https", None, True),
        (OTHER, "http", "https", False),
        (OTHER, "https", "http", True),
        (PROXY, "http", None, False),
        (PROXY, "https", None, True),
        (PROXY, "http", "https", True),
        (PROXY, "http", "HTTPS", True),
        (PROXY, "http", "https, http", True),
        (PROXY, "http", "http, https", False),
        (PROXY, "https", "http", False),
        (PROXY, "http", "", False),
    ],
)
def test_a_trusted_proxy_says_whether_its_client_uses_tls(
    peer: str, protocol: str, forwarded: str | None, tls: bool
) -> None:
    """`X-Forwarded-Proto` of any other peer is ignored."""
    headers = {} if forwarded is None else {"X-Forwarded-Proto": forwarded}
    sent = request(headers, peer=peer, protocol=protocol)
    assert access(trusted_proxies=(f"{PROXY}/32",)).is_tls(sent) is tls


@pytest.mark.parametrize(
    ("protocol", "host", "origin", "same"),
    [
        ("http", "salt:8000", "http://salt:8000", True),
        ("http", "salt:8000", "http://SALT:8000", True),
        ("http", "salt:8000", "https://salt:8000", False),
        ("http", "salt:8000", "http://salt", False),
        ("http", "salt:8000", "http://salt:8001", False),
        ("http", "salt", "http://salt", True),
        ("http", "salt", "http://salt:80", True),
        ("http", "salt:80", "http://salt", True),
        ("http", "salt", "https://salt", False),
        ("http", "salt", "https://salt:80", False),
        ("https", "salt", "https://salt", True),
        ("https", "salt:443", "https://salt", True),
        ("https", "salt", "https://salt:443", True),
        ("https", "salt", "http://salt", False),
        ("https", "salt", "http://salt:443", False),
        ("https", "salt:8000", "http://salt:8000", False),
        ("https", "[::1]:8000", "https://[::1]:8000", True),
        ("http", "salt:8000", "ws://salt:8000", False),
        ("http", "salt:8000", "file://salt:8000", False),
        ("http", "salt:8000", "http://x@salt:8000", False),
        ("http", "salt:8000", "http://salt:8000x", False),
        ("http", "salt:8000", "http://salt:99999", False),
        ("http", "salt:8000", "http://[salt:8000", False),
        ("http", "salt:8000", "salt:8000", False),
        ("http", "salt:8000", "null", False),
        ("http", "salt:8000", "", False),
    ],
)
def test_an_origin_is_ours_by_scheme_host_and_port(protocol: str, host: str, origin: str, same: bool) -> None:
    """An http page on the host of an https server is foreign: anybody on the network may have written it."""
    sent = request({"Origin": origin}, protocol=protocol, host=host)
    assert access().same_origin(origin, sent) is same
    assert access().admits_origin(origin, sent) is same
    assert access().from_our_page(sent) is same


def test_a_referer_counts_by_its_origin() -> None:
    """It is used if the browser sends no Origin."""
    assert access().from_our_page(request({"Referer": "http://salt:8000/a/page"}))
    assert not access().from_our_page(request({"Referer": "https://salt:8000/a/page"}))
    assert not access().from_our_page(request({"Referer": "http://[x/"}))
    assert not access().from_our_page(request())


@pytest.mark.parametrize(
    ("listed", "origin", "headers"),
    [
        ((), "https://a.example", {}),
        ((), None, {}),
        (("https://a.example",), "https://a.example", {"Access-Control-Allow-Credentials": "true", "Vary": "Origin"}),
        (("https://a.example",), "https://b.example", {"Vary": "Origin"}),
        (("https://a.example",), None, {"Vary": "Origin"}),
        (("*",), "https://b.example", {"Access-Control-Allow-Origin": "*"}),
        (("*",), "null", {"Access-Control-Allow-Origin": "*"}),
        (("*",), None, {"Access-Control-Allow-Origin": "*"}),
    ],
)
def test_listed_pages_may_read_answers(listed: tuple[str, ...], origin: str | None, headers: dict[str, str]) -> None:
    """As in rest_tornado: `*` for every page, without an Origin too, and a listed origin for itself."""
    found = access(cors_origin=listed).cors_headers(origin)
    allowed = found.pop("Access-Control-Allow-Origin", None)
    exposed = found.pop("Access-Control-Expose-Headers", None)
    assert allowed == ("*" if "*" in listed else origin if origin in listed else None)
    assert (exposed is not None) is (allowed is not None)
    assert found == {name: value for name, value in headers.items() if name != "Access-Control-Allow-Origin"}


@pytest.mark.parametrize(
    ("peer", "host", "headers", "alone"),
    [
        ("127.0.0.1", "127.0.0.1:8000", {}, True),
        ("127.0.0.1", "localhost:8000", {}, True),
        ("127.0.0.1", "LOCALHOST", {}, True),
        ("127.0.0.1", "salt.localhost", {}, True),
        ("127.8.8.8", "127.8.8.8", {}, True),
        ("::1", "[::1]:8000", {}, True),
        ("127.0.0.1", "10.0.0.1", {}, True),
        ("127.0.0.1", "listed.example", {}, True),
        ("127.0.0.1", "evil.example:8000", {}, False),
        ("127.0.0.1", "localhost.evil.example", {}, False),
        ("127.0.0.1", "127.0.0.1.evil.example", {}, False),
        ("127.0.0.1", "evillocalhost", {}, False),
        ("127.0.0.1", "evil.listed.example", {}, False),
        (OTHER, "127.0.0.1:8000", {}, False),
        ("10.0.0.1", "localhost", {}, False),
        *(
            ("127.0.0.1", "127.0.0.1", {name: "x"}, False)
            for name in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via")
        ),
    ],
)
def test_a_program_on_this_host_needs_no_allowed_name(
    peer: str, host: str, headers: dict[str, str], alone: bool
) -> None:
    """A proxy does, and so does a page whose own name resolves to 127.0.0.1."""
    decided = access(allowed_hosts=("listed.example",))
    assert decided.speaks_for_itself(request(headers, peer=peer, host=host)) is alone


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("salt.example.com", True),
        ("SALT.example.com:8000", True),
        ("salt.example.com.", True),
        ("10.0.0.1:8000", True),
        ("[2001:db8::1]", True),
        ("localhost:8000", True),
        ("evil.example:8000", False),
        ("salt.example.com.evil.example", False),
        ("x.salt.example.com", False),
    ],
)
def test_allowed_hosts_refuse_other_names(host: str, admitted: bool) -> None:
    """Addresses and localhost are allowed: no foreign page controls them."""
    refused = access(allowed_hosts=("Salt.Example.com",)).refusal(request(host=host))
    assert (refused is None) is admitted
    assert access().refusal(request(host=host)) is None


@pytest.mark.parametrize(
    ("options", "headers", "hinted"),
    [
        ({}, {"Origin": "https://salt:8000"}, True),
        ({}, {"Referer": "https://salt:8000/app/"}, True),
        ({}, {"Origin": "https://elsewhere:8000"}, False),
        ({}, {"Origin": "http://salt:8000"}, False),
        ({}, {"Origin": "null"}, False),
        ({}, {}, False),
        ({"cors_origin": ("https://salt:8000",)}, {"Origin": "https://salt:8000"}, False),
        ({"trusted_proxies": (PROXY,)}, {"Origin": "https://salt:8000", "X-Forwarded-Proto": "https"}, False),
        ({"trusted_proxies": (PROXY,)}, {"Origin": "https://salt:8000"}, True),
    ],
)
def test_a_proxy_that_does_tls_and_is_not_trusted_is_named_once(
    options: dict[str, Any], headers: dict[str, str], hinted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its pages are refused, and the log says which option is missing. Nothing that a client chose is logged."""
    rules = access(**options)
    for _ in range(3):
        rules.from_our_page(request(headers, peer=PROXY))
    lines = [record.getMessage() for record in caplog.records if "trusted_proxies" in record.getMessage()]
    assert len(lines) == hinted
    assert all(PROXY in line and "salt:8000" not in line for line in lines)
