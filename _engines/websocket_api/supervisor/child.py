"""A serving process as the supervisor sees it."""

from __future__ import annotations

import json
import os
import signal
import socket
from dataclasses import dataclass, field
from typing import Any

MESSAGE_BYTES = 65_536  # maximum of a message from the serving process
MAX_SOCKETS = 64  # listening sockets: one per address that the name in `address` has


@dataclass
class Child:
    """A serving process."""

    pid: int
    channel: socket.socket
    started: float
    """Seconds, monotonic."""
    ready: bool = False
    """Whether it has ever served."""
    connected: bool = True
    """Whether its side of the channel is open."""
    details: dict[str, Any] = field(default_factory=dict)
    """What it reported when it began to serve."""
    options: str = ""
    """The engine's options as JSON, as far as it has sent them."""
    hands_over: bool = False
    """Whether it accepts no more connections, because the next one takes over."""
    cause: str | None = None
    """Why it cannot replace another one."""
    needs_restart: bool = False
    """Whether only a restart of the master can replace that one by its release."""
    kill_at: float | None = None
    """When it is killed, if it has not ended or begun to serve."""

    def send(self, number: signal.Signals) -> None:
        """Send it a signal. It was not reaped yet, so its number is no other process's."""
        os.kill(self.pid, number)

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """Return its next report (serving.py), and the descriptors that came with it; None if it sends no more.

        :raises OSError: nothing has arrived, or the channel is broken
        """
        if not self.connected:
            return None
        body, files, _, _ = socket.recv_fds(self.channel, MESSAGE_BYTES, MAX_SOCKETS)
        if not body:
            self.connected = False
            return None
        return json.loads(body), files
