"""The serving process's side: what it gets from the supervisor, and what it reports."""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass, field
from typing import Any

MAX_CAUSE = 8_000
"""Characters of a cause: a message must fit into the socket's buffer."""
PART_CHARACTERS = 8_000
"""Of the options, in one message: a list of networks in them may be long."""


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
    :param last: at a reload, the connection to the process that still serves
    :param options: the engine's options since the last reload; None before the first one
    """

    def __init__(
        self,
        channel: socket.socket | None = None,
        kept: Listeners | None = None,
        last: socket.socket | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.channel = channel
        self.last = last
        self.options = options
        self.changed: list[str] = []
        """At a reload, the master's settings that only a restart of the master changes."""
        self._kept = kept or Listeners()

    @property
    def again(self) -> bool:
        """Whether this process replaces one that served and has died: clients wait for it."""
        return self.last is None and bool(self._kept.sockets)

    def next(self) -> socket.socket | None:
        """Return the connection to the process that shall replace this one, if the supervisor sent one."""
        if self.channel is None:
            return None
        with contextlib.suppress(OSError):
            _, files, _, _ = socket.recv_fds(self.channel, 1, 1, socket.MSG_DONTWAIT)
            return socket.socket(fileno=files[0]) if files else None
        return None

    def fails(self, cause: str, *, restart: bool = False) -> None:
        """Report why this process cannot replace the one that serves.

        :param restart: whether only a restart of the master can replace it
        """
        self._send({"state": "failed", "cause": cause[:MAX_CAUSE], "restart": restart}, [])

    def hands_over(self) -> None:
        """Report that this process accepts no more connections, because the next one takes over."""
        self._send({"state": "hands_over"}, [])

    def take(self, address: str, port: int) -> list[socket.socket]:
        """Return the kept sockets if they listen where these options say; otherwise close them and return none."""
        kept, self._kept = self._kept, Listeners()
        if (kept.address, kept.port) == (address, port):
            return kept.sockets
        kept.close()
        return []

    def ready(self, address: str, port: int, sockets: list[socket.socket], **details: Any) -> None:
        """Report that this process serves, and give the supervisor a copy of its listening sockets.

        :param details: for the user who requested a reload
        """
        options = json.dumps(self.options)
        for start in range(0, len(options), PART_CHARACTERS):
            self._send({"state": "options", "part": options[start : start + PART_CHARACTERS]}, [])
        self._send({"state": "ready", "address": address, "port": port, "details": details}, sockets)

    def waits(self) -> None:
        """Report that this process cannot serve yet: clients must be refused, not kept waiting."""
        self._kept.close()
        self._send({"state": "waits"}, [])

    def _send(self, message: dict[str, Any], sockets: list[socket.socket]) -> None:
        if self.channel is not None:
            with contextlib.suppress(OSError):  # the supervisor is gone, and this process ends with it
                socket.send_fds(self.channel, [json.dumps(message).encode()], [one.fileno() for one in sockets])
