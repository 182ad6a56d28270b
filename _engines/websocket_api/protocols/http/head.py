"""Bounds the number of lines in the head of a request: each takes 4 us before anything is known of the client."""

from __future__ import annotations

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders

from ...errors import ApiError

MAX_HEADER_LINES = 100  # as in Apache; browsers behind several proxies send fewer than 50


class TooManyLines(HTTPHeaders):
    """The headers of a request with too many lines. None of them is read."""


def parse_head(data: bytes) -> tuple[str, HTTPHeaders]:
    """Return the request line and the headers, in place of tornado's method.

    The connection ends after a request with too many lines: where its body ends is unknown.
    """
    if data.strip().count(b"\n") <= MAX_HEADER_LINES:
        return HTTP1Connection._parse_headers(None, data)  # type: ignore[arg-type]
    start_line = data.lstrip().partition(b"\n")[0].decode("latin1").rstrip("\r")
    return start_line, TooManyLines({"Host": "localhost", "Connection": "close"})


def too_many_lines() -> ApiError:
    """Return the error for such a request (RFC 6585 section 5)."""
    limit = {"limit": "header_lines", "most": MAX_HEADER_LINES}
    return ApiError("too_large", f"a request has at most {MAX_HEADER_LINES} header lines", limit, status=431)
