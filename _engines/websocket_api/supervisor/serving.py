"""The serving process's side: what it gets from the supervisor, and what it reports."""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Listeners:
    """Listening sockets, and the options that they were made for."""

    address: str = ""
    port: int = 0
    sockets: list[socket.socket] = field(default_factory=list)

    def close(self) -> None:
        """Close the sockets in this process."""
        for one in self.sockets:
            one.close()
        self.sockets = []


class Serving:
    """What the serving process knows of its supervisor.

    :param channel: the connection to the supervisor; None without one, as in tests
    :param kept: the listening sockets of the process before this one
    """

    def __init__(self, channel: socket.socket | None = None, kept: Listeners | None = None) -> None:
        self._channel = channel
        self._kept = kept or Listeners()

    def take(self, address: str, port: int) -> list[socket.socket]:
        """Return the kept sockets if they listen where these options say; otherwise close them and return none."""
        kept, self._kept = self._kept, Listeners()
        if (kept.address, kept.port) == (address, port):
            return kept.sockets
        kept.close()
        return []

    def ready(self, address: str, port: int, sockets: list[socket.socket]) -> None:
        """Report that this process serves, and give the supervisor a copy of its listening sockets."""
        self._send({"state": "ready", "address": address, "port": port}, sockets)

    def waits(self) -> None:
        """Report that this process cannot serve yet: clients must be refused, not kept waiting."""
        self._kept.close()
        self._send({"state": "waits"}, [])

    def _send(self, message: dict[str, Any], sockets: list[socket.socket]) -> None:
        if self._channel is not None:
            with contextlib.suppress(OSError):  # the supervisor is gone, and this process ends with it
                socket.send_fds(self._channel, [json.dumps(message).encode()], [one.fileno() for one in sockets])
