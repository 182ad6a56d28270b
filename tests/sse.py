"""A small reader of server-sent events for tests (the HTML standard, section 9.2.6), with a deadline for each wait."""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Any

# Seconds that an event may take on a loaded machine.
PATIENCE = 20.0


class Ended(Exception):
    """The server ended the stream."""


@dataclass
class Sent:
    """An event, and the fields of its record."""

    id: str
    data: Any
    fields: dict[str, str]


@dataclass
class Stream:
    """A request for a stream, and its answer.

    :param port: on 127.0.0.1
    :param receive_buffer: size of the socket's receive buffer in bytes; by default the system's choice
    :ivar raw: all bytes received after the head, without the framing of chunks
    """

    port: int
    path: str = "/events"
    headers: dict[str, str] = field(default_factory=dict)
    tls: bool = False
    receive_buffer: int | None = None

    def __post_init__(self) -> None:
        self.comments: list[str] = []
        self.retry: list[int] = []
        self.last_event_id = ""
        self._got = self.raw = b""
        self._chunks: bytes | None = None
        self.socket: socket.socket = socket.socket()
        if self.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", self.port))
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        lines = [f"GET {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._deadline = time.monotonic() + PATIENCE
        self.status = int(self._line().split()[1])
        self.answered: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            self.answered[name.lower()] = value.strip()
        if self.answered.get("transfer-encoding") == "chunked":
            self._chunks, self._got = self._got, b""
            self._unpack()
        self.raw = self._got

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def read(self, timeout: float = PATIENCE) -> Sent:
        """Return the next event; raise TimeoutError or Ended."""
        self._deadline = time.monotonic() + timeout
        fields: dict[str, str] = {}
        data: list[str] = []
        while True:
            line = self._line()
            if not line:
                self.last_event_id = fields.get("id", self.last_event_id)
                if data:
                    return Sent(self.last_event_id, json.loads("\n".join(data)), fields)
                fields = {}
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not name:
                self.comments.append(value)
            elif name == "data":
                data.append(value)
            elif name == "retry":
                self.retry.append(int(value))
            fields[name] = value

    def until(self, tag: str, timeout: float = PATIENCE) -> list[Sent]:
        """Return the events up to and including the first with this tag."""
        found = [self.read(timeout)]
        while found[-1].data["tag"] != tag:
            found.append(self.read(timeout))
        return found

    def rest(self, timeout: float = PATIENCE) -> list[Sent]:
        """Wait for the end of the stream and return the events before it."""
        found = []
        try:
            while True:
                found.append(self.read(timeout))
        except Ended:
            return found

    def body(self) -> dict[str, Any]:
        """Return the body of the answer to a refused request."""
        size = int(self.answered["content-length"])
        while len(self._got) < size:
            self._more()
        answer: dict[str, Any] = json.loads(self._got[:size])
        return answer

    def _line(self) -> str:
        while True:
            line, end, rest = self._got.partition(b"\n")
            if end:
                self._got = rest
                return line.removesuffix(b"\r").decode()
            self._more()

    def _more(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self.socket.settimeout(left)
        try:
            chunk = self.socket.recv(1 << 16)
        except TimeoutError:
            raise TimeoutError("nothing came in time") from None
        except ConnectionError as error:
            raise Ended(str(error)) from None
        if not chunk:
            raise Ended("the stream has ended")
        if self._chunks is None:
            self._got += chunk
            self.raw += chunk
        else:
            self._chunks += chunk
            self.raw += self._unpack()

    def _unpack(self) -> bytes:
        """Move complete chunks to the received data, and return them."""
        found = b""
        while self._chunks:
            size, end, rest = self._chunks.partition(b"\r\n")
            length = int(size, 16) if end else 0
            if not end or len(rest) < length + 2:
                break
            assert rest[length : length + 2] == b"\r\n"
            found += rest[:length]
            self._chunks = rest[length + 2 :]
        self._got += found
        return found
