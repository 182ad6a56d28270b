"""Both sockets of a master's event bus, for engines without a master: any bytes can be sent, Salt's own or not."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

import msgpack

SECONDS = 20.0  # limit for the engine to read what is sent, and to fire what is expected


def stamp(jid: str) -> str:
    """Return the ``_stamp`` of the event with which a master announces a job; Salt 3007 names no zone."""
    return f"{jid[:4]}-{jid[4:6]}-{jid[6:8]}T{jid[8:10]}:{jid[10:12]}:{jid[12:14]}.{jid[14:20]}"


def packed(data: Any) -> bytes:
    """Return data as an event carries it; half a surrogate pair is encoded as Salt does."""
    return bytes(msgpack.packb(data, use_bin_type=True, unicode_errors="surrogatepass"))


def framed(tag: str | bytes, data: Any) -> bytes:
    """Return an event in its frame, as the publisher sends it; data that is bytes is sent as it is."""
    name = tag if isinstance(tag, bytes) else tag.encode()
    body = name + b"\n\n" + (data if isinstance(data, bytes) else packed(data))
    return bytes(msgpack.packb({"head": {}, "body": body}, use_bin_type=True))


class Publisher:
    """The socket on which the engine listens for events.

    :param folder: Salt's ``sock_dir``
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "master_event_pub.ipc"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._connected = threading.Event()
        self._engines: list[socket.socket] = []
        self.connections = 0
        """How often the engine has connected."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def send(self, *events: tuple[str, Any]) -> None:
        """Send events, each a tag and its data; data that is bytes is sent as it is."""
        assert self._connected.wait(SECONDS), "the engine did not connect"
        frames = b"".join(framed(tag, data) for tag, data in events)
        for one in list(self._engines):
            try:
                one.sendall(frames)
            except OSError:  # it has left: others may have connected since
                self._engines.remove(one)
                one.close()
                if not self._engines:
                    raise

    def close(self) -> None:
        """Stop listening and close the connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for one in self._engines:
            one.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(SECONDS)
                self._engines.append(connection)
                self.connections += 1
                self._connected.set()


class Pull:
    """The socket on which the engine fires events.

    :param folder: Salt's ``sock_dir``
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "master_event_pull.ipc"))
        self._listener.listen()
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._more = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def next(self) -> tuple[str, dict[str, Any]]:
        """Return the next event: its tag and data."""
        with self._more:
            assert self._more.wait_for(lambda: self._events, SECONDS), "no event was fired"
            return self._events.pop(0)

    @property
    def quiet(self) -> bool:
        """Whether no unread event is left."""
        return not self._events

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=[connection], daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while head := stream.read(4):
            frame = msgpack.unpackb(stream.read(int.from_bytes(head, "big")), raw=False, strict_map_key=False)
            tag, _, data = bytes(frame["body"]).partition(b"\n\n")
            with self._more:
                self._events.append((tag.decode(), msgpack.unpackb(data, raw=False, strict_map_key=False)))
                self._more.notify_all()
