"""All handlers: a fault of the engine reveals nothing to clients, and the log holds no secret."""

from __future__ import annotations

import logging
from typing import Any

import pytest

pytest.importorskip("tornado")

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from websocket_api.protocols.http.application import application
from websocket_api.protocols.http.responder import Responder
from websocket_api.settings import Settings


class Broken(Responder):
    """A handler with an unexpected fault."""

    def get(self) -> None:
        """Fail."""
        raise RuntimeError("the inside")


async def test_an_unexpected_fault_is_answered_without_the_inside_and_logged_without_the_query(caplog: Any) -> None:
    """The client receives the error `internal`; the log has the traceback and the path, never a token."""
    caplog.set_level(logging.DEBUG)
    settings = Settings()
    server = HTTPServer(application([("/broken", Broken)], settings))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/broken?token=canary"
        client = SimpleAsyncHTTPClient(force_instance=True)
        response = await client.fetch(url, headers={"Cookie": "session_id=canary"}, raise_error=False)
        client.close()
    finally:
        server.stop()
    assert response.code == 500
    assert b'"internal"' in response.body
    assert b"inside" not in response.body
    assert "the inside" in caplog.text
    assert "/broken failed" in caplog.text
    assert "canary" not in caplog.text
