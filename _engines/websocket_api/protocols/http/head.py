"""Checks the head of a request before anything else is read, so that every refused client gets an error with a reason.

Tornado answers a head that it cannot read with a bare 400.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    RequestStartLine,
    parse_request_start_line,
)

from ...errors import ApiError
from .responder import DRAIN_BYTES

MAX_HEADER_BYTES = 32 * 1024
"""Maximum of a head, query and cookies included: to parse it takes 0.7 ms per KiB, before the client is known."""
MAX_HEADER_LINES = 100
"""As in Apache; browsers behind several proxies send fewer than 50. Each line takes 4 us before the client is known."""
_DIGITS = re.compile("[0-9]{1,16}")
_UNREADABLE = RequestStartLine("GET", "/", "HTTP/1.1")
"""Stands for a request line that cannot be read."""


class Unreadable(HTTPHeaders):
    """The headers of a request that is refused for its head. None of them is used.

    The connection ends after the answer: where the request's body ends is unknown.
    """

    def __init__(self, error: ApiError) -> None:
        super().__init__({"Host": "localhost", "Connection": "close"})
        self.error = error


def parse_head(data: bytes) -> tuple[str, HTTPHeaders]:
    """Return the request line and the headers, in place of tornado's method."""
    start_line = data.lstrip(b"\r\n").partition(b"\n")[0].decode("latin1").rstrip("\r")
    if len(data) > MAX_HEADER_BYTES:
        method, path, version = _UNREADABLE
        return f"{method} {path} {version}", Unreadable(_too_long())
    if data.strip().count(b"\n") > MAX_HEADER_LINES:
        return start_line, Unreadable(_too_many_lines())
    try:
        parse_request_start_line(start_line)
        start_line, headers = HTTP1Connection._parse_headers(None, data)  # type: ignore[arg-type]
        _check_length(headers)
    except HTTPInputError:
        method, path, version = _UNREADABLE
        return f"{method} {path} {version}", Unreadable(_malformed())
    except ApiError as error:
        return start_line, Unreadable(error)
    return start_line, headers


def has_body(headers: HTTPHeaders) -> bool:
    """Return whether a request has a body, by headers that were checked (RFC 9112 section 6.3)."""
    return "Transfer-Encoding" in headers or any(char in "123456789" for char in headers.get("Content-Length", ""))


class Answering(HTTPMessageDelegate):
    """Handles a request like another delegate. It also answers one that cannot be read, such as one without Host.

    :param on_head: called when the head has arrived
    """

    def __init__(self, delegate: HTTPMessageDelegate, on_head: Callable[[], None]) -> None:
        self._delegate = delegate
        self._on_head = on_head

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        """Handle the head."""
        self._on_head()
        try:
            return self._delegate.headers_received(start_line, headers)
        except HTTPInputError:
            return self._delegate.headers_received(_UNREADABLE, Unreadable(_malformed()))

    def data_received(self, chunk: bytes) -> Any:
        """Handle a part of the body."""
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        """Handle the end of the body."""
        self._delegate.finish()

    def on_connection_close(self) -> None:
        """Handle a client that has left."""
        self._delegate.on_connection_close()


def _check_length(headers: HTTPHeaders) -> None:
    """Check that the end of the body is known (RFC 9112 section 6.3), and that the whole may be read.

    :raises ApiError: bad_message, too_large
    """
    if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        return
    lengths = {text.strip() for text in headers.get("Content-Length", "").split(",")} - {""}
    coding = headers.get("Transfer-Encoding")
    known = all(map(_DIGITS.fullmatch, lengths)) and len(lengths) == ("Content-Length" in headers)
    if not known or (coding is not None and (lengths or coding.lower() != "chunked")):
        raise _malformed()
    if lengths and int(*lengths) > DRAIN_BYTES:
        raise ApiError("too_large", f"a body of more than {DRAIN_BYTES} bytes")


def _malformed() -> ApiError:
    return ApiError("bad_message", "the head of the request is not valid HTTP")


def _too_long() -> ApiError:
    """Return the error for a head that is too long (RFC 6585 section 5)."""
    limit = {"limit": "header_bytes", "most": MAX_HEADER_BYTES}
    return ApiError("too_large", f"the head of a request has at most {MAX_HEADER_BYTES} bytes", limit, status=431)


def _too_many_lines() -> ApiError:
    """Return the error for too many lines (RFC 6585 section 5)."""
    limit = {"limit": "header_lines", "most": MAX_HEADER_LINES}
    return ApiError("too_large", f"a request has at most {MAX_HEADER_LINES} header lines", limit, status=431)
