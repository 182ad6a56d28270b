"""Bodies over HTTP: webhooks reach reactors byte by byte, and unreadable bodies are refused."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("salt")

from tests.functional.running import Engine
from tests.support.buses import Pull

pytestmark = [pytest.mark.both_lines]

RunEngine = Callable[..., Engine]
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
RAW = b"\xff\x00\xfe signed"
PATHS = ["/", "/run", "/login", "/logout", "/token", "/minions", "/minions/web", "/jobs", "/keys", "/hook", "/batches"]
"""All paths that accept a body."""
YAML = "application/x-yaml"


def _with_bus(engine: Engine) -> Iterator[tuple[Engine, Pull]]:
    bus = Pull(engine.sock_dir)
    yield engine, bus
    assert bus.quiet
    bus.close()


@pytest.fixture(scope="module")
def served(run_engine: RunEngine) -> Iterator[tuple[Engine, Pull, str]]:
    """An engine, what it fires, and a token."""
    for engine, bus in _with_bus(run_engine({"clients": ["local", "runner", "wheel"]})):
        yield engine, bus, engine.token()


@pytest.fixture(scope="module")
def public(run_engine: RunEngine) -> Iterator[tuple[Engine, Pull]]:
    """An engine that accepts webhooks without a login, and what it fires."""
    yield from _with_bus(run_engine({"webhook_disable_auth": True}, constants={"wiring.HOOKS_PER_SECOND": 1}))


def send(engine: Engine, path: str, body: bytes, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
    """Send a body as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=20)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


HOOKS: dict[str, tuple[bytes, str | None, Any]] = {
    "bytes of an unknown type": (RAW, "application/octet-stream", {}),
    "bytes without a type": (RAW, None, {}),
    "bytes as plain text": (RAW, "text/plain", {}),
    "bytes in another charset": (b"caf\xe9", "text/plain; charset=iso-8859-1", "café"),
    "compressed bytes as a type of their own": (gzip.compress(b"x", mtime=0), "application/gzip", {}),
    "JSON in another charset": ('{"a": "é"}'.encode("utf-16"), "application/json; charset=UTF-16", {"a": "é"}),
    "a form in another charset": (b"a=%e9", f'{FORM}; charset="windows-1252"', {"a": "é"}),
    "a form with bytes": (b"a=\xe9", f"{FORM};charset=ISO-8859-1", {"a": "é"}),
    "JSON": (b'{"a":  1}\n', JSON, {"a": 1}),
    "JSON with a charset": ('{"a": "é"}'.encode(), "application/json; charset=utf-8", {"a": "é"}),
    "text": ("naïve\r\n\0".encode(), "text/plain", "naïve\r\n\0"),
    "XML": (b"<a/>", "application/xml", {}),
    "parts": (b"--x\r\n\r\n\xff\r\n--x--\r\n", "multipart/form-data; boundary=x", {}),
    "no body": (b"", JSON, {}),
}


@pytest.mark.parametrize(("body", "kind", "post"), HOOKS.values(), ids=HOOKS)
def test_a_webhook_keeps_its_bytes(served: tuple[Engine, Pull, str], body: bytes, kind: str | None, post: Any) -> None:
    """`post` is decoded by type and charset; `body` has the exact bytes."""
    engine, bus, token = served
    status, answer, _ = send(engine, "/hook/x", body, X_Auth_Token=token, **({"Content_Type": kind} if kind else {}))
    assert status == 200, answer
    tag, data = bus.next()
    assert (tag, data["post"]) == ("salt/netapi/hook/x", post)
    is_text = "body_encoding" not in data
    assert is_text or data["body_encoding"] == "base64"
    assert (data["body"].encode() if is_text else base64.b64decode(data["body"])) == body
    try:
        body.decode()
    except UnicodeDecodeError:
        assert not is_text
    else:
        assert is_text


BROKEN = {
    "JSON that is not": (b"{", JSON, 400),
    "JSON that is not UTF-8": (b'"\xff"', JSON, 400),
    "JSON that is not of its charset": (b'"\xff"', "application/json; charset=us-ascii", 400),
    "an unknown charset": (b'{"a": 1}', "application/json; charset=x-none", 415),
    "a slow charset": (b'{"a": 1}', "application/json; charset=idna", 415),
    "a charset that is code": (b'{"a": 1}', "application/json; charset=unicode_escape", 415),
    "YAML that is not UTF-8": (b"\xff", YAML, 400),
}


@pytest.mark.parametrize("path", ["/hook/x", "/login", "/"])
@pytest.mark.parametrize(("body", "kind", "status"), BROKEN.values(), ids=BROKEN)
def test_a_body_that_does_not_fit_its_type_is_refused(
    served: tuple[Engine, Pull, str], path: str, body: bytes, kind: str, status: int
) -> None:
    """No character is replaced, and no charset is guessed."""
    engine, _, token = served
    assert send(engine, path, body, Content_Type=kind, X_Auth_Token=token)[0] == status


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "identity, gzip", "x-unknown"])
def test_a_compressed_body_is_415_on_every_path(served: tuple[Engine, Pull, str], path: str, coding: str) -> None:
    """It is neither parsed as it is nor unpacked."""
    engine, _, token = served
    body = gzip.compress(b'{"username": "demo", "password": "demo"}')
    headers = {"Content_Type": JSON, "Content_Encoding": coding, "X_Auth_Token": token}
    status, answer, given = send(engine, path, body, **headers)
    assert (status, given["Accept-Encoding"]) == (415, "identity"), answer


def test_identity_is_no_coding(served: tuple[Engine, Pull, str]) -> None:
    """A body with `identity` is accepted."""
    engine, bus, token = served
    headers = {"Content_Type": JSON, "Content_Encoding": "identity", "X_Auth_Token": token}
    assert send(engine, "/hook", b'{"a": 1}', **headers)[0] == 200
    assert bus.next()[1]["post"] == {"a": 1}


def test_a_charset_counts_on_every_path(served: tuple[Engine, Pull, str]) -> None:
    """A login in another charset works."""
    engine, _, _ = served
    body = '{"username": "demo", "password": "demo"}'.encode("utf-16-le")
    assert send(engine, "/login", body, Content_Type="application/json; charset=utf-16le")[0] == 200


def test_a_webhooks_query_is_passed_on_as_sent(served: tuple[Engine, Pull, str]) -> None:
    """White space and control characters stay: a signature may cover them."""
    engine, bus, token = served
    text = " a\tb\n\x01 "
    path = f"/hook?x={quote(text)}&y=1&y=%C3%A9&z="
    assert send(engine, path, b"", X_Auth_Token=token)[0] == 200
    assert bus.next()[1]["get"] == {"x": text, "y": ["1", "é"], "z": ""}


def test_large_integers_reach_a_reactor_as_their_digits(served: tuple[Engine, Pull, str]) -> None:
    """Salt's bus cannot carry them as numbers."""
    engine, bus, token = served
    body = b'{"a": [340282366920938463463374607431768211455, 18446744073709551615]}'
    assert send(engine, "/hook", body, Content_Type=JSON, X_Auth_Token=token)[0] == 200
    assert bus.next()[1]["post"] == {"a": ["340282366920938463463374607431768211455", 18446744073709551615]}


def test_unauthenticated_webhooks_are_counted_before_they_are_read(public: tuple[Engine, Pull]) -> None:
    """Many at once exceed the limit, whatever they hold; large YAML is refused unread."""
    engine, _ = public
    large = b"a: " + b"x" * 5000
    assert send(engine, "/hook", large, Content_Type=YAML)[0] == 413
    answers = {send(engine, "/hook", b"{", Content_Type=JSON)[0] for _ in range(60)}
    assert 429 in answers
    assert answers <= {400, 429}


@pytest.mark.parametrize("path", ["/", "/run", "/minions", "/token", "/login", "/keys"])
def test_the_lows_of_a_request_are_limited(served: tuple[Engine, Pull, str], path: str) -> None:
    """One more is refused before any low runs."""
    engine, _, token = served
    for many, refused in ((1000, False), (1001, True)):
        body = json.dumps([0] * many).encode()
        status, answer, _ = send(engine, path, body, Content_Type=JSON, X_Auth_Token=token)
        assert (status == 413) == refused, answer


HEADS = {
    "a header": {"X-Long": "x" * 33_000},
    "a header again and again": {f"X-{number}": "x" * 10 for number in range(2000)},
    "cookies": {"Cookie": "a=1; " * 8000},
    "types that it accepts": {"Accept": "a/b," * 10_000},
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_the_head_of_a_request_is_limited(served: tuple[Engine, Pull, str], head: dict[str, str]) -> None:
    """The head is read before any login; the query is part of it."""
    engine, _, _ = served
    for path, headers in (("/", head), ("/healthz?" + "a&" * 17_000, {})):
        connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=20)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path, headers=headers)
                assert connection.getresponse().status in (400, 413, 431)
            except (ConnectionError, http.client.HTTPException):
                pass  # closed before all of it was read
    assert send(engine, "/login", b'{"username": "demo", "password": "demo"}', Content_Type=JSON)[0] == 200


def test_a_multipart_body_is_refused(served: tuple[Engine, Pull, str]) -> None:
    """Its type is refused, whatever its parts are."""
    engine, _, token = served
    body = b"--x\r\nContent-Disposition: form-data; name=a" + b";a=b" * 20_000 + b"\r\n\r\n1\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    for path in ("/", "/login", "/run"):
        assert send(engine, path, body[:4000], Content_Type=kind, X_Auth_Token=token)[0] == 406
    assert send(engine, "/hook", body, Content_Type=kind, X_Auth_Token=token)[0] == 200
    assert bus_body(served) == body


def bus_body(served: tuple[Engine, Pull, str]) -> bytes:
    """Return the body of the next event."""
    return str(served[1].next()[1]["body"]).encode()
