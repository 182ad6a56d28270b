"""Sending a request of the table to whatever server listens on a port, and what came back, as it came."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.goldens.request import HTTP, Request, post

# Seconds for one answer. The longest that is meant to come waits for a minion that is away: Salt's defaults make it 15.
PATIENCE = 30


@dataclass
class Answer:
    """What a server sent.

    :param status: the HTTP status, or None when no answer came
    :param headers: all headers in their order
    :param frames: for a stream, pairs of what the frame is (see listening.py) and its text
    :param event: for a request that fires an event, ``{"tag", "data"}`` as it was on the bus, or None
    :param fault: why there is no status
    """

    status: int | None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    frames: list[tuple[str, str]] = field(default_factory=list)
    event: dict[str, Any] | None = None
    fault: str = ""


def send(port: int, request: Request, values: Mapping[str, str], patience: float = PATIENCE) -> Answer:
    """Send the request and return the whole answer.

    :param port: where the server listens on 127.0.0.1
    :param values: what stands for the words in angle brackets
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    with contextlib.closing(connection):
        try:
            begin(connection, request, values)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        except TimeoutError:
            return Answer(None, fault="no answer")
        except (http.client.HTTPException, ConnectionError) as error:
            return Answer(None, fault=type(error).__name__)


def begin(connection: http.client.HTTPConnection, request: Request, values: Mapping[str, str]) -> None:
    """Send the request, with no header that the table does not name but Host and Content-Length."""
    method, path, headers, body = request.filled(values)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None or method == "POST":
        connection.putheader("Content-Length", str(len(body or b"")))
    # A server that refuses a large body may close before all of it is sent; the answer is there to read.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.endheaders(body)


def log_in(port: int, username: str, password: str) -> str:
    """Log in at this server and return the session's token."""
    body = {"username": username, "password": password, "eauth": "sharedsecret"}
    answer = send(port, post("login", "/login", body, session=None, kind=HTTP), {})
    return str(json.loads(answer.body)["return"][0]["token"])
