"""A head that cannot be read is refused with a reason, and the number of its lines is bounded before that."""

from __future__ import annotations

import contextlib
import json

import pytest
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPInputError, parse_request_start_line
from websocket_api.protocols.http.head import MAX_HEADER_BYTES, MAX_HEADER_LINES, Unreadable, parse_head
from websocket_api.protocols.http.responder import DRAIN_BYTES

from tests.unit.protocols.leaving import running_engine

HEADS = [
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n",
    b"\r\nPOST /x HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost:a\r\nCONNECTION: \t Upgrade \t\r\nX-Empty:\r\nx-empty: \r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Colons: a:b: c\r\nX-Latin: \xe9\r\nX-Tab: a\tb\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
]
LINES = [b"Host: a", b"host:b", b"X-One:", b": a", b"a", b"", b" X: folded", b"X Y: a", b"X\xe9: a", b"X: \x00"]
LINES += [b"X: a\rb", b"X: a\nY: b", b"X: \xe9", b"X:\ta\tb", b"X@Y: a", b"X: a\x0bb", b"X: \x85", b"X:\xa0a"]
LINES += [b"Y\t: a", b"X: a\x7f"]
ENDS = [b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n", b"\r\n"]


@pytest.mark.parametrize("head", HEADS)
def test_usual_heads_are_read_by_tornado(head: bytes) -> None:
    """With the same result."""
    wanted = HTTP1Connection._parse_headers(None, head)  # type: ignore[arg-type]
    found = parse_head(head)
    assert (found[0], list(found[1].get_all())) == (wanted[0], list(wanted[1].get_all()))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("line", LINES)
def test_each_line_is_read_or_refused_as_by_tornado(line: bytes, end: bytes) -> None:
    """Whatever stands before and after it."""
    for lines in ([line], [b"Host: a", line], [line, b"Host: a"], [line, line]):
        head = b"\r\n".join([b"GET / HTTP/1.1", *lines]) + end
        try:
            wanted = list(HTTP1Connection._parse_headers(None, head)[1].get_all())  # type: ignore[arg-type]
        except HTTPInputError:
            assert isinstance(parse_head(head)[1], Unreadable), head
        else:
            assert list(parse_head(head)[1].get_all()) == wanted, head


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\n", b"\r", b" "])
@pytest.mark.parametrize("between", [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x0b", b"\x85", b"\r\n ", b"\n "])
def test_no_line_end_hides_a_header(before: bytes, between: bytes) -> None:
    """A body would be taken for a request, if this server and a proxy read different headers."""
    hidden = b"Transfer-Encoding: chunked"
    lines = b"GET / HTTP/1.1", b"Host: a", b"X: b"
    for number in range(1, len(lines) + 1):
        head = before + b"\r\n".join(lines[:number]) + between + b"\r\n".join([hidden, *lines[number:]]) + b"\r\n\r\n"
        try:
            wanted = list(HTTP1Connection._parse_headers(None, head)[1].get_all())  # type: ignore[arg-type]
            parse_request_start_line(HTTP1Connection._parse_headers(None, head)[0])  # type: ignore[arg-type]
        except HTTPInputError:
            assert isinstance(parse_head(head)[1], Unreadable), head
        else:
            assert list(parse_head(head)[1].get_all()) == wanted, head


def test_no_line_of_a_longer_head_is_read() -> None:
    """The request line is, since the answer depends on its method."""
    head = b"GET /x HTTP/1.1\r\nHost: a\r\n" + b"A:b\r\n" * MAX_HEADER_LINES + b"\r\n"
    line, headers = parse_head(head)
    assert line == "GET /x HTTP/1.1"
    assert isinstance(headers, Unreadable)
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


@pytest.mark.parametrize("path", ["/", "/ws", "/jobs", "/app/", "/healthz", "/nowhere"])
async def test_a_long_head_is_refused(path: str) -> None:
    """With 431, whatever it holds; the connection ends. One that is a little shorter is served."""
    async with running_engine() as running:
        with contextlib.closing(await running.peer()) as peer:
            await peer.request("GET", path, head=[f"A: {'b' * MAX_HEADER_BYTES}"], token=running.token)
            status, body = await peer.answer()
            assert status == 431
            error = json.loads(body)
            assert (error["error"], error["details"]["limit"]) == ("too_large", "header_bytes")
            await peer.gone()
        with contextlib.closing(await running.peer()) as peer:
            await peer.request("GET", "/healthz", head=[f"A: {'b' * (MAX_HEADER_BYTES - 500)}"])
            assert (await peer.answer())[0] == 200


GET = "GET / HTTP/1.1\r\nHost: a\r\n"
POST = "POST / HTTP/1.1\r\nHost: a\r\n"
MALFORMED = {
    "a negative length": POST + "Content-Length: -1",
    "a length that is no number": POST + "Content-Length: 1_0",
    "an empty length": POST + "Content-Length:",
    "two lengths": POST + "Content-Length: 1\r\nContent-Length: 2",
    "a length and chunks": POST + "Content-Length: 1\r\nTransfer-Encoding: chunked",
    "an unknown coding": POST + "Transfer-Encoding: gzip, chunked",
    "no host": "GET / HTTP/1.1",
    "two hosts": GET + "Host: b",
    "a host with a space": "GET / HTTP/1.1\r\nHost: a b",
    "a zero byte in a value": GET + "X-Auth-Token: a\0b",
    "a control character in a value": GET + "X-Auth-Token: a\x01b",
    "a line without a colon": GET + "X-Auth-Token",
    "a name with a space": GET + "X Auth: a",
    "an empty name": GET + ": a",
    "a first line that goes on": "GET / HTTP/1.1\r\n x\r\nHost: a",
    "a line that begins with a space": " " + GET + "A: b",
    "no version": "GET /\r\nHost: a",
    "another version": "GET / HTTP/2.0\r\nHost: a",
    "a line of one word": "GET",
    "too many fields in the query": f"GET /?{'a&' * 2000} HTTP/1.1\r\nHost: a",
}


@pytest.mark.parametrize("head", MALFORMED.values(), ids=[*MALFORMED])
async def test_a_head_that_is_not_valid_is_refused_with_a_reason(head: str) -> None:
    """As JSON, and the connection ends."""
    async with running_engine() as running:
        with contextlib.closing(await running.peer()) as peer:
            await peer.send((head + "\r\n\r\n").encode("latin1"))
            status, body = await peer.answer()
            assert (status, json.loads(body)["error"]) == (400, "bad_message")
            await peer.gone()


@pytest.mark.parametrize("length", [DRAIN_BYTES + 1, 10**15])
async def test_a_body_that_is_too_long_to_be_read_is_refused_at_once(length: int) -> None:
    """Nothing of it is awaited."""
    async with running_engine() as running:
        with contextlib.closing(await running.peer()) as peer:
            await peer.request("POST", "/", token=running.token, head=[f"Content-Length: {length}"])
            status, body = await peer.answer()
            assert (status, json.loads(body)["error"]) == (413, "too_large")
            await peer.gone()


@pytest.mark.parametrize(
    "head", ["Content-Length: 2\r\nContent-Length: 2", "Content-Length: 2, 2", "Content-Length: 02"]
)
async def test_equal_lengths_count_once(head: str) -> None:
    """As some proxies send them."""
    async with running_engine() as running:
        with contextlib.closing(await running.peer()) as peer:
            await peer.request("POST", "/login", head=[head])
            await peer.send(b"{}")
            assert json.loads((await peer.answer())[1])["message"] == "username and password must be given"
