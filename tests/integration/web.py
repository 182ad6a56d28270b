"""HTTP as salt-api's clients use it; every answer is checked against the OpenAPI document."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tests.integration.described import check_answer


class Answer:
    """An answer as received."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def value(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)

    @property
    def returned(self) -> Any:
        """The one answer under ``return``."""
        (only,) = self.value["return"]
        return only


class Web:
    """The engine's HTTP on one port of this machine.

    :param token: sent as X-Auth-Token with each request
    """

    def __init__(self, port: int, token: str | None = None) -> None:
        self.port = port
        self.token = token

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        *,
        timeout: float = 90,
        **headers: str,
    ) -> Answer:
        """Send a request; underscores in names of headers are hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None and not {"X-Auth-Token", "Cookie", "Authorization"} & sent.keys():
            sent["X-Auth-Token"] = self.token
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body, sent)
            answer = Answer(connection.getresponse())
        check_answer(method, path, answer.status, answer.headers.get("Content-Type", ""), answer.body)
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        """Send a GET."""
        return self.request("GET", path, **headers)

    def post(self, path: str, value: Any = None, **headers: str) -> Answer:
        """Send a POST with a value as JSON."""
        return self.request("POST", path, json.dumps(value), Content_Type="application/json", **headers)

    def form(self, path: str, fields: Mapping[str, Any], **headers: str) -> Answer:
        """Send a POST with a form."""
        body = urlencode(fields, doseq=True)
        return self.request("POST", path, body, Content_Type="application/x-www-form-urlencoded", **headers)

    def low(self, **low: Any) -> Any:
        """Run one low and return its answer, which must succeed."""
        answer = self.post("/", low)
        assert answer.status == 200, answer.body
        return answer.returned

    def login(self, username: str, password: str = "demo") -> Web:
        """Log in and return a client with the token."""
        answer = self.post("/login", {"username": username, "password": password, "eauth": "sharedsecret"})
        assert answer.status == 200, answer.body
        return Web(self.port, answer.returned["token"])
