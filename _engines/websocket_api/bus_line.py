"""An open connection to the master's event publisher, on its way from one process to the next."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """The connection, which has one reader at any time."""

    socket: socket.socket
    rest: bytes
    """The start of an event whose end was not read yet."""
