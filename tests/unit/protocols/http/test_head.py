"""The number of header lines is bounded before anything is read of them."""

from __future__ import annotations

import contextlib
import json

import pytest
from tornado.http1connection import HTTP1Connection
from websocket_api.protocols.http.head import MAX_HEADER_LINES, TooManyLines, parse_head

from tests.unit.protocols.leaving import running_engine

HEADS = [
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n",
    b"\r\nPOST /x HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\n\r\n",
]


@pytest.mark.parametrize("head", HEADS)
def test_usual_heads_are_read_by_tornado(head: bytes) -> None:
    """With the same result."""
    wanted = HTTP1Connection._parse_headers(None, head)  # type: ignore[arg-type]
    found = parse_head(head)
    assert (found[0], list(found[1].get_all())) == (wanted[0], list(wanted[1].get_all()))


def test_no_line_of_a_longer_head_is_read() -> None:
    """The request line is, since the answer depends on its method."""
    head = b"GET /x HTTP/1.1\r\nHost: a\r\n" + b"A:b\r\n" * MAX_HEADER_LINES + b"\r\n"
    line, headers = parse_head(head)
    assert line == "GET /x HTTP/1.1"
    assert isinstance(headers, TooManyLines)
    assert "A" not in headers


@pytest.mark.parametrize("path", ["/", "/ws", "/jobs", "/app/", "/healthz", "/events", "/batches/ws", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_head_with_too_many_lines_is_refused(method: str, path: str) -> None:
    """On every path, with 431, and the connection ends: its body could be taken for a request."""
    async with running_engine() as running:
        with contextlib.closing(await running.peer()) as peer:
            await peer.request(method, path, head=["A: b"] * 700, token=running.token, body=b"GET / HTTP/1.1\r\n\r\n")
            status, body = await peer.answer()
            assert status == 431
            error = json.loads(body)
            assert (error["error"], error["details"]["limit"]) == ("too_large", "header_lines")
            await peer.gone()


async def test_a_head_with_as_many_lines_as_allowed_is_served() -> None:
    """The limit counts all lines after the request line."""
    async with running_engine() as running:
        with contextlib.closing(await running.peer()) as peer:
            await peer.request("GET", "/healthz", head=["A: b"] * (MAX_HEADER_LINES - 1))
            assert (await peer.answer())[0] == 200
