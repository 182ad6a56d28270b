"""Requests reloads of an engine, as the runner does, and copies the code that is reloaded."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
RELOAD_SECONDS = 100.0  # the engine itself gives up after 90


def copy_of_engine(folder: Path) -> Path:
    """Copy the engine's code into a folder of engines, to be changed there, and return the package.

    With what Python has compiled: to compile all modules takes more than a second.
    """
    package = folder / "engines" / "websocket_api"
    being_written = shutil.ignore_patterns("*.pyc.*")
    shutil.copytree(CHECKOUT / "_engines" / "websocket_api", package, ignore=being_written)
    return package


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
