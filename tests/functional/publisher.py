"""A publisher for engines without a master: any bytes that a bus can carry, Salt's own or not."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

import msgpack

SEND_SECONDS = 20.0  # that the engine may take to read what is sent


def stamp(jid: str) -> str:
    """The ``_stamp`` of an event that the master fires as it makes a job: Salt 3007 names no zone."""
    return f"{jid[:4]}-{jid[4:6]}-{jid[6:8]}T{jid[8:10]}:{jid[10:12]}:{jid[12:14]}.{jid[14:20]}"


def packed(data: Any) -> bytes:
    """Return data as an event carries it; half a character gets the bytes that it has elsewhere."""
    return bytes(msgpack.packb(data, use_bin_type=True, unicode_errors="surrogatepass"))


class Publisher:
    """The socket that the engine listens to.

    :param folder: Salt's ``sock_dir``
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "master_event_pub.ipc"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._connected = threading.Event()
        self._engine: socket.socket | None = None
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def send(self, *events: tuple[str, Any]) -> None:
        """Send events, each a tag and its data; data that is bytes goes as it is."""
        frames = [
            msgpack.packb(
                {
                    "head": {},
                    "body": tag.encode() + b"\n\n" + (data if isinstance(data, bytes) else packed(data)),
                },
                use_bin_type=True,
            )
            for tag, data in events
        ]
        assert self._connected.wait(SEND_SECONDS), "the engine did not connect"
        assert self._engine is not None
        self._engine.sendall(b"".join(frames))

    def close(self) -> None:
        """Be gone."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        if self._engine is not None:
            self._engine.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._engine, _ = self._listener.accept()
                self._engine.settimeout(SEND_SECONDS)
                self._connected.set()
