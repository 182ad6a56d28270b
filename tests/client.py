"""A small, blocking client of the native protocol for tests and benchmarks. Every wait has a deadline."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgpack
import websocket

# Seconds that an answer may take on a loaded machine.
PATIENCE = 20.0


class Refused(Exception):
    """The server replied with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')} {error.get('details') or ''}".strip())
        self.error = error
        self.code = error.get("code")
        self.message = error.get("message")
        self.details = error.get("details")
        self.retryable = error.get("retryable")


class Closed(Exception):
    """The server closed the connection."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"closed with {code} {reason}".strip())
        self.code = code
        self.reason = reason


class Client:
    """One websocket connection.

    :param url: such as ``ws://127.0.0.1:8000/``
    :param subprotocols: offered in the handshake; none by default, as in the first clients of this API
    :param headers: further headers of the handshake
    :param origin: the Origin header; none by default, because only browsers send it
    :param receive_buffer: size of the socket's receive buffer in bytes; by default the system's choice
    """

    def __init__(
        self,
        url: str,
        *,
        subprotocols: list[str] | None = None,
        headers: dict[str, str] | None = None,
        origin: str | None = None,
        receive_buffer: int | None = None,
        timeout: float = PATIENCE,
    ) -> None:
        self.url = url
        self.ws = websocket.create_connection(
            url,
            timeout=timeout,
            subprotocols=subprotocols,
            header=headers,
            origin=origin,
            suppress_origin=origin is None,
            sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)] if receive_buffer else [],
            sslopt={"cert_reqs": ssl.CERT_NONE, "check_hostname": False},
            # The library takes 0.2 s for a megabyte, and then decodes the text, which fails too if it is not UTF-8.
            skip_utf8_validation=True,
        )
        self.subprotocol = self.ws.subprotocol
        self._ids = itertools.count(1)
        self._waiting: deque[dict[str, Any]] = deque()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.ws.close(timeout=1)
        self.ws.shutdown()  # the library keeps the socket open if the server closed first

    def send(self, message: Any) -> None:
        """Send a dict as JSON, a str as unchanged text, bytes as a binary message."""
        if isinstance(message, bytes):
            self.ws.send_binary(message)
        else:
            self.ws.send(message if isinstance(message, str) else json.dumps(message))

    def recv(self, timeout: float = PATIENCE) -> Any:
        """Return the next message that is not the reply to an ``ask``; raise TimeoutError or Closed."""
        if self._waiting:
            return self._waiting.popleft()
        return self._receive(time.monotonic() + timeout)

    def ask(self, type: str, /, *, patience: float = PATIENCE, **fields: Any) -> Any:
        """Send a request with an id and return its result; raise Refused if the reply is an error.

        :param patience: seconds to wait for the answer; `timeout` is a field of some operations
        """
        number = next(self._ids)
        self.send({"type": type, "id": number, **fields})
        return self.answer(number, patience)

    def answer(self, number: int | str, timeout: float = PATIENCE) -> Any:
        """Return the result of the request with this id; other messages stay for ``recv`` and ``frames``."""
        deadline = time.monotonic() + timeout
        while True:
            message = self._receive(deadline)
            if isinstance(message, dict) and "subscription" not in message and message.get("id") == number:
                if message["type"] == "error":
                    raise Refused(message["error"])
                assert message["type"] == "result", message
                return message["result"]
            self._waiting.append(message)

    def login(self, username: str, password: str = "demo", **fields: Any) -> dict[str, Any]:
        """Log in and return the token's description."""
        result: dict[str, Any] = self.ask("auth", username=username, password=password, **fields)
        return result

    def frames(
        self,
        *,
        until: Callable[[dict[str, Any]], Any],
        timeout: float = PATIENCE,
        subscription: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return the frames (of one subscription) up to and including the first for which ``until`` is true.

        Bookmarks are left out, because the engine sends them at its own times.
        """
        deadline = time.monotonic() + timeout
        found: list[dict[str, Any]] = []
        passed: list[dict[str, Any]] = []
        try:
            while True:
                try:
                    message = self._waiting.popleft() if self._waiting else self._receive(deadline)
                except TimeoutError:
                    raise TimeoutError(f"the expected frame is not among {len(found)} frames: {found}") from None
                if "subscription" not in message or subscription not in (None, message["subscription"]):
                    passed.append(message)
                    continue
                if message["type"] == "bookmark":
                    continue
                found.append(message)
                if until(message):
                    return found
        finally:
            self._waiting.extendleft(reversed(passed))

    def arrived(self, subscription: int, *awaited: Callable[[dict[str, Any]], Any]) -> None:
        """Wait until each condition was true for an event of a subscription to events.

        Events of two processes have no order on the bus. Call this before a marker that ends a stream is fired.
        """
        left = list(awaited)

        def all_came(frame: dict[str, Any]) -> bool:
            left[:] = [condition for condition in left if frame["type"] != "event" or not condition(frame)]
            return not left

        if left:
            self.frames(until=all_came, subscription=subscription)

    def tags_arrived(self, subscription: int, tags: Iterable[str]) -> None:
        """Wait until an event with each of these tags arrived."""
        self.arrived(subscription, *(lambda frame, tag=tag: frame["tag"] == tag for tag in set(tags)))  # type: ignore[misc]

    def closed(self, timeout: float = PATIENCE) -> Closed:
        """Wait until the server closes, and return its close code and reason; drop messages before it."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._receive(deadline)
            except Closed as closed:
                return closed

    def _receive(self, deadline: float) -> Any:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no message came in time")
            self.ws.settimeout(left)
            try:
                opcode, payload = self.ws.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                raise TimeoutError("no message came in time") from None
            except (websocket.WebSocketConnectionClosedException, ConnectionError) as error:
                raise Closed(None, str(error)) from None
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else None
                raise Closed(code, payload[2:].decode())
            if opcode == websocket.ABNF.OPCODE_TEXT:
                return json.loads(payload)
            if opcode == websocket.ABNF.OPCODE_BINARY:
                return payload


def logged_in(client: Client, username: str | None, password: str = "demo") -> Client:
    """Log a new client in if a name is given, and return it; close it if that fails."""
    try:
        if username is not None:
            client.login(username, password)
    except BaseException:
        client.close()
        raise
    return client


class MsgpackClient(Client):
    """A client that speaks the binary format."""

    def __init__(self, url: str) -> None:
        super().__init__(url, subprotocols=["salt.v1.msgpack"])

    def send(self, message: Any) -> None:
        super().send(msgpack.packb(message))

    def _receive(self, deadline: float) -> Any:
        return msgpack.unpackb(super()._receive(deadline))
