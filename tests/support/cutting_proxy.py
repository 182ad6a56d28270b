"""A TCP proxy that loses a connection at a chosen moment, as networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

PING = 0x89  # the first byte of a websocket's ping, which answers nothing


class CuttingProxy:
    """Passes bytes on to a port of 127.0.0.1, until it is told to cut.

    :param port: where the server listens
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._left = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        self._listener.close()
        self.cut()

    @property
    def url(self) -> str:
        """The address of a websocket behind this proxy."""
        return f"ws://127.0.0.1:{self.port}/"

    def cut(self) -> None:
        """Close all connections now. New ones work."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _close(*pair)

    def cut_at_answer(self, number: int = 1) -> None:
        """Close all connections when the server sends its next answer, or a later one.

        That answer is lost: the server has read what was sent. Each answer must be to a request that waits for it.
        """
        self._left = number

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                if answers and self._left and content[0] != PING:
                    self._left -= 1
                    if not self._left:
                        self.cut()
                        return
                target.sendall(content)
        _close(source, target)


def _close(*sockets: socket.socket) -> None:
    for item in sockets:
        with contextlib.suppress(OSError):
            item.shutdown(socket.SHUT_RDWR)
        item.close()
