"""What the kernel knows of a TCP connection on this host."""

from __future__ import annotations

import socket
from pathlib import Path

_Queues = dict[tuple[int, int], tuple[int, int]]


def _queues() -> _Queues:
    """Return the bytes in the send and receive queue of each socket, by its own port and that of its peer."""
    found: _Queues = {}
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        ports = int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16)
        sent, _, received = queues.partition(":")
        found[ports] = int(sent, 16), int(received, 16)
    return found


def is_read(client: socket.socket) -> bool:
    """Return whether the server has read all that a client on this host has sent."""
    own, server = client.getsockname()[1], client.getpeername()[1]
    queues = _queues()
    return queues[own, server][0] == 0 and queues[server, own][1] == 0
