"""Rules for every request, whatever its path and method: allow_from, allowed_hosts, logins, CORS.

The paths are held against the rules of protocols/routes.py, so that a new one cannot be left out.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

pytest.importorskip("salt")

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from websocket_api.contract.schemas import Schemas
from websocket_api.protocols.http.console import Console
from websocket_api.protocols.routes import routes
from websocket_api.settings import Settings

from tests.functional.running import CHECKOUT, Engine
from tests.support.handshakes import UPGRADE

pytestmark = [pytest.mark.both_lines]

RunEngine = Callable[..., Engine]
LISTED = "https://app.example.com"
CLIENT = "192.0.2.1"  # connects through a trusted proxy
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "UNKNOWN")
TOKEN = "0" * 64
PATHS = (
    *("/", "/ws", "/login", "/logout", "/token", "/run", "/minions", "/minions/web1"),
    *("/jobs", "/jobs/20141103073312975821", "/jobs/961155434991616", "/batches", "/batches/961155434991616"),
    *("/requests/961155434995712", "/keys", "/keys/web1", "/hook", "/hook/my/tag", "/stats", "/events"),
    *("/healthz", "/metrics", "/console", "/console/", "/schemas/", "/schemas/openapi.json"),
    *("/app", "/app/view", "/static/motd.txt", "/static/none", "/favicon.ico", "/no/such/path", "/%ff", "*"),
)
SOCKETS = (
    *("/", "/ws", "/jobs/ws", "/jobs/ws/961155434991616", "/batches/961155434991616/ws", "/api/v3/ws"),
    *("/all_events", f"/all_events/{TOKEN}", f"/formatted_events/{TOKEN}", f"/ws/{TOKEN}", "/ws?format_events"),
)
REQUESTS = [
    *((method, path, {}) for method, path in itertools.product(METHODS, PATHS)),
    *((method, path, UPGRADE) for method, path in itertools.product(METHODS, SOCKETS)),
]

PUBLIC = {
    *(("GET", path) for path in ("/", "/ws", "/login", "/healthz", "/metrics", "/console/", "/schemas/")),
    *(("GET", path) for path in ("/schemas/openapi.json", "/app", "/app/view", "/static/motd.txt")),
    ("GET", "/console"),  # redirects
    *(("GET", f"{path} as a websocket") for path in ("/", "/ws")),  # their clients log in by a message
}
"""Requests that need no token; HEAD like GET, and OPTIONS on every path."""


class Answer(NamedTuple):
    """An answer as received."""

    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def options(engine_root: Path) -> dict[str, Any]:
    """Options that enable every route."""
    folder = engine_root / "every"
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text("<p>the app</p>")
    (folder / "motd.txt").write_text("hello")
    console = str(CHECKOUT / "websocket_api" / "console")
    return {"app": str(folder / "index.html"), "static": str(folder), "console": console, "cors_origin": [LISTED]}


def send(engine: Engine, data: bytes) -> Answer:
    """Send bytes and return the first answer; status 0 if the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", engine.port), timeout=20) as peer:
        with contextlib.suppress(ConnectionError):
            peer.sendall(data)
        got = b""
        with contextlib.suppress(ConnectionError):
            while not is_whole(got, data) and (more := peer.recv(1 << 16)):
                got += more
    return parsed(got)


def parsed(got: bytes) -> Answer:
    """Parse an answer."""
    if not got:
        return Answer(0, {}, b"")
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value.strip())))
    return Answer(int(first.split()[1]), headers, body)


def is_whole(got: bytes, sent: bytes) -> bool:
    """Return whether these bytes are a complete answer; one of unknown length ends with its connection."""
    if b"\r\n\r\n" not in got:
        return False
    answer = parsed(got)
    if sent.startswith(b"HEAD ") or answer.status in (101, 204, 304):
        return True
    length = answer.headers.get("content-length")
    return length is not None and len(answer.body) >= int(length)


def ask(engine: Engine, method: str, path: str, headers: dict[str, str]) -> Answer:
    """Send a request that ends its connection."""
    given = {"Host": f"127.0.0.1:{engine.port}", "Connection": "close", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return send(engine, "\r\n".join(lines).encode())


def answers(engine: Engine, **more: str) -> Iterator[tuple[tuple[str, str], Answer]]:
    """Send every request of the table; yield it with its answer."""
    extra = {name.replace("_", "-"): value for name, value in more.items()}
    for method, path, headers in REQUESTS:
        named = path + (" as a websocket" if headers else "")
        yield (method, named), ask(engine, method, path, {**headers, **extra})


def test_the_table_has_every_route() -> None:
    """Each new rule in protocols/routes.py needs a line here."""
    rebar: Any = None
    clients: Any = SimpleNamespace(services=SimpleNamespace(schemas=Schemas(CHECKOUT / "schemas")))
    settings = Settings(metrics=True, app="/srv/app/index.html", static="/srv/app")
    left = routes(clients, rebar, settings, Console(None))
    for _, path, headers in REQUESTS:
        line = RequestStartLine("GET", path, "HTTP/1.1")
        connection: Any = SimpleNamespace(context=None)
        request = HTTPServerRequest(
            start_line=line, headers=HTTPHeaders({"Host": "salt", **headers}), connection=connection
        )
        left = [rule for rule in left if rule.matcher.match(request) is None]
    assert [getattr(rule.matcher, "regex", rule.matcher) for rule in left] == []


# Who may connect


def is_refused(answer: Answer, method: str, message: str) -> bool:
    """Return whether an answer refuses the request and reveals nothing else."""
    if answer.status != 403 or answer.headers["content-type"] != "application/json":
        return False
    if method == "HEAD":
        return answer.body == b""
    return bool(json.loads(answer.body) == {"error": "forbidden", "message": message, "details": None})


ADDRESS, HOST = "this address may not connect", "this host name is not in allowed_hosts"


@pytest.fixture(scope="module")
def closed(run_engine: RunEngine, options: dict[str, Any]) -> Engine:
    """An engine that this host may not connect to."""
    return run_engine({**options, "allow_from": ["10.0.0.0/8"]})


@pytest.fixture(scope="module")
def proxied(run_engine: RunEngine, options: dict[str, Any]) -> Engine:
    """The same behind a proxy on this host, by one name."""
    more = {"allow_from": ["10.0.0.0/8"], "trusted_proxies": ["127.0.0.0/8"], "allowed_hosts": ["salt.example.com"]}
    return run_engine({**options, **more})


def test_other_addresses_reach_nothing(closed: Engine) -> None:
    """No path and no method is served, nor which exist; a token changes nothing."""
    for more in ({}, {"X_Auth_Token": TOKEN}, {"X_Forwarded_For": "10.0.0.1"}):
        reached = {key: answer for key, answer in answers(closed, **more) if not is_refused(answer, key[0], ADDRESS)}
        assert reached == {}


def test_a_proxys_other_clients_reach_nothing(proxied: Engine) -> None:
    """The client's address decides, or the proxy's own if it names none."""
    for more in ({"X_Forwarded_For": CLIENT}, {"X_Forwarded_For": f"10.0.0.1, {CLIENT}"}, {}):
        reached = {key: answer for key, answer in answers(proxied, **more) if not is_refused(answer, key[0], ADDRESS)}
        assert reached == {}


def test_other_host_names_reach_nothing(proxied: Engine) -> None:
    """A page whose own name resolves to this server has that name in Host."""
    asked = answers(proxied, X_Forwarded_For="10.0.0.1", Host="evil.example:8000")
    assert {key: answer for key, answer in asked if not is_refused(answer, key[0], HOST)} == {}
    assert ask(proxied, "GET", "/healthz", {"X-Forwarded-For": "10.0.0.1", "Host": "salt.example.com"}).status != 403


BROKEN = {
    "no HTTP": b"hello\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a bad Host": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a bad header": b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
    "a bad length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a body that is too large": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n",
    "a bad chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a long path": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long headers": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"x" * 70_000 + b"\r\n\r\n",
    "an old version": b"GET / HTTP/1.0\r\n\r\n",
    "two requests at once": b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a body behind its head": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
}


@pytest.mark.parametrize("what", BROKEN)
def test_other_addresses_get_no_other_answer_by_a_broken_request(closed: Engine, what: str) -> None:
    """Their requests are not even parsed: 403, or no answer to an incomplete head."""
    answer = send(closed, BROKEN[what] + b"\r\n\r\n")
    assert answer.status == 0 or is_refused(answer, "GET", ADDRESS), answer


# Logins and CORS


@pytest.fixture(scope="module")
def engine(run_engine: RunEngine, options: dict[str, Any]) -> Engine:
    """An engine that every address may connect to."""
    return run_engine(
        {**options, "limits": {"login_failures_per_minute": 10_000, "login_failures_per_address_per_minute": 10_000}}
    )


def test_nothing_but_what_is_public_is_answered_without_a_token(engine: Engine) -> None:
    """Every request that the table does not list as public is an error or a redirect to the login."""
    answered = {key for key, answer in answers(engine) if answer.status < 300 or "location" in answer.headers}
    # The engine of this test has no bus, so /healthz answers 503.
    expected = PUBLIC - {("GET", "/healthz")}
    expected |= {("HEAD", path) for _, path in expected if path != "/metrics" and "websocket" not in path}
    expected |= {
        key for key in ((m, p + (" as a websocket" if h else "")) for m, p, h in REQUESTS) if key[0] == "OPTIONS"
    }
    unknown = {("OPTIONS", path) for path in ("/favicon.ico", "/no/such/path", "/%ff", "*")}
    assert answered == expected - unknown


def test_a_wrong_token_opens_nothing(engine: Engine) -> None:
    """Every path that needs a token refuses it."""
    opened = {key for key, answer in answers(engine, X_Auth_Token=TOKEN) if answer.status < 300}
    without = {key for key, answer in answers(engine) if answer.status < 300}
    assert opened <= without - {("GET", "/metrics")}


def varies_by_origin(answer: Answer) -> bool:
    """Return whether caches keep an answer for each origin."""
    return "Origin" in re.split(r",\s*", answer.headers.get("vary", ""))


def test_listed_pages_may_read_every_answer(engine: Engine) -> None:
    """Errors too, also those for unknown paths and methods, so that a page can show what is wrong."""
    asked = answers(engine, Origin=LISTED)
    unread = {
        key: answer
        for key, answer in asked
        if answer.headers.get("access-control-allow-origin") != LISTED or not varies_by_origin(answer)
    }
    assert unread == {}


def test_foreign_pages_may_read_no_answer(engine: Engine) -> None:
    """A header says that the answer depends on the origin, for caches."""
    for key, answer in answers(engine, Origin="https://evil.example.com"):
        assert "access-control-allow-origin" not in answer.headers, key
        assert varies_by_origin(answer), key


@pytest.fixture(scope="module")
def wide(run_engine: RunEngine, options: dict[str, Any]) -> Engine:
    """An engine for pages of every origin."""
    return run_engine({**options, "cors_origin": "*"})


def test_with_a_star_every_page_may_read_every_answer(wide: Engine) -> None:
    """As in rest_tornado: `*` with or without an Origin, and never with credentials."""
    for more in ({}, {"Origin": "https://any.example.com"}):
        for key, answer in answers(wide, **more):
            assert answer.headers.get("access-control-allow-origin") == "*", key
            assert "access-control-allow-credentials" not in answer.headers, key


@pytest.mark.parametrize("origin", [None, LISTED, "https://evil.example.com"])
@pytest.mark.parametrize("path", ["/", "/login", "/run", "/minions", "/hook/x", "/keys", "/stats", "/events"])
def test_a_preflight_is_answered_as_rest_tornado_does(engine: Engine, path: str, origin: str | None) -> None:
    """The headers are equal, with any Origin and without one, as in Salt's own tests."""
    wanted = "X-Auth-Token, accept, content-type"
    headers = {"Access-Control-Request-Headers": wanted, "Access-Control-Request-Method": "GET"}
    answer = ask(engine, "OPTIONS", path, headers | ({} if origin is None else {"Origin": origin}))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-headers"] == wanted
    assert answer.headers["access-control-expose-headers"] == "X-Auth-Token"
    assert answer.headers["access-control-allow-methods"] == "OPTIONS, GET, POST"
    assert answer.headers.get("access-control-allow-origin") == (LISTED if origin == LISTED else None)


def test_a_preflight_names_the_other_methods_of_a_path(engine: Engine) -> None:
    """Batches can be deleted."""
    answer = ask(engine, "OPTIONS", "/batches/1", {"Origin": LISTED})
    assert answer.headers["access-control-allow-methods"] == "OPTIONS, GET, POST, DELETE"


@pytest.mark.parametrize("wanted", ["a\tb", "x: y", "ä", "", "(x)"])
def test_a_preflight_repeats_header_names_only(engine: Engine, wanted: str) -> None:
    """Everything else is left out, and is no error of the server."""
    answer = ask(engine, "OPTIONS", "/", {"Access-Control-Request-Headers": wanted})
    assert answer.status == 204
    assert "access-control-allow-headers" not in answer.headers
