"""One request that is sent to a server of salt-api's kind, as a line of a table.

Paths, headers and bodies may hold words in angle brackets, which ``filled`` replaces by what only the running
servers know: ``<session demo>`` is what /login gave to that user, ``<token demo>`` a token of Salt's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
YAML = "application/x-yaml"

HTTP, SSE, WEBSOCKET, FORMATTED = "http", "sse", "websocket", "formatted websocket"

PLACEHOLDERS = (
    "<session demo>",  # what /login answered to the user who may do everything
    "<session viewer>",  # the same for the one who may only test.ping
    "<session spare>",  # another one of demo's, which is logged out on the way
    "<token demo>",  # made by Salt itself; a server that hands out Salt's tokens takes it as a session too
    "<token viewer>",
    "<password>",
    "<known jid>",  # of a finished job of demo's: test.arg with "one" and two=2 on minion-1 and minion-2
    "<filler>",  # blanks that no server should take: more than salt-api's default limit for a body
)
FILLER = " " * 1_100_000


@dataclass(frozen=True)
class Request:
    """A request of the table.

    :param name: what its answer is called in the golden files
    :param body: the text of the body; None sends no body and no Content-Type
    :param content: the Content-Type; None sends none
    :param session: whose session goes into X-Auth-Token: demo, viewer, spare or None
    :param headers: further headers
    :param kind: ``http``, or what is listened to after the answer's head: see listening.py
    :param event: the tag that the request fires on the master's bus; the event becomes part of the answer
    """

    name: str
    method: str
    path: str
    body: str | None = None
    content: str | None = JSON
    session: str | None = "demo"
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = HTTP
    event: str | None = None

    def all_headers(self) -> dict[str, str]:
        """Return every header that is sent, before the words in angle brackets are replaced."""
        found = {"Content-Type": self.content} if self.body is not None and self.content is not None else {}
        if self.session:
            found["X-Auth-Token"] = f"<session {self.session}>"
        return {**found, **self.headers}

    def filled(self, values: Mapping[str, str]) -> tuple[str, str, dict[str, str], bytes | None]:
        """Return method, path, headers and body with the words in angle brackets replaced.

        :param values: what stands for each of PLACEHOLDERS
        """

        def fill(text: str) -> str:
            for name, value in values.items():
                text = text.replace(name, value)
            return text

        headers = {name: fill(value) for name, value in self.all_headers().items()}
        body = None if self.body is None else fill(self.body).encode()
        return self.method, fill(self.path), headers, body

    def record(self) -> dict[str, Any]:
        """Return what a golden file tells of the request, so that a changed table is noticed."""
        found = {"method": self.method, "path": self.path, "headers": self.all_headers(), "body": self.body}
        return {**found, "kind": self.kind}


def get(name: str, path: str, **more: Any) -> Request:
    return Request(name, "GET", path, **more)


def post(name: str, path: str, body: Any, **more: Any) -> Request:
    """Make a POST whose body is this value as JSON; a string is sent as it is."""
    return Request(name, "POST", path, body if isinstance(body, str) else json.dumps(body), **more)


def form(name: str, path: str, fields: Any, **more: Any) -> Request:
    """Make a POST of a form; ``fields`` are pairs, so that one can be repeated."""
    # The words in angle brackets stay as they are: they are replaced after the encoding.
    return Request(name, "POST", path, urlencode(fields, safe="<> ", quote_via=quote), content=FORM, **more)


def as_yaml(name: str, path: str, body: Any, **more: Any) -> Request:
    """Make a POST whose body is this object, or list of objects, as a YAML block; a string is sent as it is."""
    if isinstance(body, list):
        body = "".join(f"- {_block(item, '  ')}" for item in body)
    return Request(name, "POST", path, body if isinstance(body, str) else _block(body), **{"content": YAML, **more})


def _block(item: Mapping[str, Any], indent: str = "") -> str:
    # What JSON can say on a line is YAML as well.
    return indent.join(f"{name}: {json.dumps(value)}\n" for name, value in item.items())


def low(client: str, fun: str | None, tgt: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a low: what salt-api calls one command."""
    found = {"client": client, "tgt": tgt, "fun": fun}
    return {**{name: value for name, value in found.items() if value is not None}, **more}
