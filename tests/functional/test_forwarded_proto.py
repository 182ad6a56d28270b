"""``X-Forwarded-Proto`` is believed from trusted proxies only: it decides whether a login's cookie is ``Secure``."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable

import pytest

pytest.importorskip("salt")

from tests.functional.running import Engine

LOGIN = json.dumps({"username": "demo", "password": "demo"})
VALUES = {
    "https": True,
    "HTTPS": True,
    "http": False,
    "": False,
    "httpsx": False,
    "wss": False,
    None: False,
}
"""What the header says, and whether the client's way is encrypted by it; this test's own way is not."""


@pytest.fixture(scope="module")
def trusting(run_engine: Callable[..., Engine]) -> Engine:
    """An engine that takes this host for a proxy."""
    return run_engine({"trusted_proxies": ["127.0.0.0/8"]})


@pytest.fixture(scope="module")
def wary(run_engine: Callable[..., Engine]) -> Engine:
    """An engine with a proxy elsewhere."""
    return run_engine({"trusted_proxies": ["192.0.2.1"]})


def secure(engine: Engine, proto: str | None) -> bool:
    """Log in and tell whether the cookie is for encrypted connections only."""
    headers = {"Content-Type": "application/json", **({} if proto is None else {"X-Forwarded-Proto": proto})}
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", "/login", LOGIN, headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        cookie = str(response.getheader("Set-Cookie"))
    assert cookie.startswith("session_id=")
    parts = [part.strip().lower() for part in cookie.split(";")]
    assert {"httponly", "samesite=strict"} <= set(parts)
    return "secure" in parts


@pytest.mark.parametrize(("proto", "encrypted"), VALUES.items())
def test_a_trusted_proxy_tells_how_the_client_came(trusting: Engine, proto: str | None, encrypted: bool) -> None:
    """With a word that is no scheme of the web, the client's way is not encrypted."""
    assert secure(trusting, proto) is encrypted


@pytest.mark.parametrize("proto", VALUES)
def test_from_anybody_else_the_header_says_nothing(wary: Engine, proto: str | None) -> None:
    """The connection itself counts, which has no TLS here."""
    assert secure(wary, proto) is False
