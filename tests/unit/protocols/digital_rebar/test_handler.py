"""Credentials in the handshake of Digital Rebar's clients."""

from __future__ import annotations

import base64

import pytest

pytest.importorskip("tornado")

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from websocket_api.errors import ApiError
from websocket_api.protocols.digital_rebar.handler import MAX_CHARACTERS, credentials

TOKEN = "0123456789abcdef" * 4


def request(query: str = "", authorization: str | None = None) -> HTTPServerRequest:
    headers = HTTPHeaders({"Host": "localhost"})
    if authorization is not None:
        headers["Authorization"] = authorization
    return HTTPServerRequest(headers=headers, start_line=RequestStartLine("GET", f"/api/v3/ws{query}", "HTTP/1.1"))


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


@pytest.mark.parametrize(
    ("query", "authorization", "proof"),
    [
        (f"?token={TOKEN}", None, TOKEN),
        (f"?Token={TOKEN}", None, TOKEN),
        (f"?x=1&Token={TOKEN}&y=2", None, TOKEN),
        ("?token=rocketskates:r0cketsk8ts", None, ("rocketskates", "r0cketsk8ts")),
        ("?Token=ann%3As%C3%A9cret%3a%26%2b%20%25", None, ("ann", "sécret:&+ %")),
        ("?token=ann:a:b", None, ("ann", "a:b")),
        ("?token=ann:a+b", None, ("ann", "a b")),
        ("", f"Bearer {TOKEN}", TOKEN),
        ("", f"bearer  {TOKEN} ", TOKEN),
        ("", basic("ann:sécret:x".encode()), ("ann", "sécret:x")),
        ("?token=", basic(b"ann:x"), ("ann", "x")),
        (f"?token={TOKEN}", basic(b"ann:x"), TOKEN),
        (f"?Token={TOKEN}&token=ann:x", None, ("ann", "x")),
    ],
)
def test_every_form_of_credentials_is_read(query: str, authorization: str | None, proof: str | tuple[str, str]) -> None:
    """A token, or a name and a password, in the decoded query or in the header."""
    assert credentials(request(query, authorization)) == proof


@pytest.mark.parametrize(
    ("query", "authorization"),
    [
        ("", None),
        ("?token", None),
        ("?token=", None),
        ("?TOKEN=" + TOKEN, None),
        ("?token=:", None),
        ("?token=ann:", None),
        ("?token=:canary", None),
        ("?token=canary%ff", None),
        ("?token=ann:canary%ff", None),
        ("?token=" + "canary" * MAX_CHARACTERS, None),
        ("", "Bearer"),
        ("", "Bearer "),
        ("", "canary"),
        ("", "Digest canary"),
        ("", "Basic canary!"),
        ("", "Basic canaré"),
        ("", basic(b"canary")),
        ("", basic(b"ann:canary\xff")),
        ("", basic(b"ann:" + b"canary" * MAX_CHARACTERS)),
    ],
)
def test_invalid_credentials_are_refused(query: str, authorization: str | None) -> None:
    """The error repeats nothing that was sent."""
    with pytest.raises(ApiError) as fault:
        credentials(request(query, authorization))
    assert fault.value.code == "unauthenticated"
    assert "canar" not in str(fault.value)
    assert fault.value.__cause__ is None
    assert fault.value.__suppress_context__ or fault.value.__context__ is None
