"""Requests reloads of an engine, as the runner does."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

RELOAD_SECONDS = 100.0  # the engine itself gives up after 90


def request_reload(folder: Path, port: int) -> dict[str, Any]:
    """Request a reload and return the answer.

    :param folder: the master's ``sock_dir``
    :param port: the engine's, by its options
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(RELOAD_SECONDS)
        connection.connect(str(folder / f"websocket_api-{port}.ipc"))
        connection.sendall(b"reload")
        answer: dict[str, Any] = json.loads(connection.recv(65_536))
        return answer
