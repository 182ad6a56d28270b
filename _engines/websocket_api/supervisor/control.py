"""The socket on which ``salt-run websocket_api.reload`` reaches the supervisor."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
from typing import Any

log = logging.getLogger(__name__)

RELOAD = b"reload"
REQUEST_SECONDS = 1.0  # until the request follows the connection
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: SO_PEERCRED of unix(7)


def socket_path(folder: str, options: dict[str, Any]) -> str:
    """Return the path of an engine's socket.

    :param folder: the master's ``sock_dir``
    :param options: the engine's
    """
    return os.path.join(folder, f"websocket_api-{options.get('port', 8000)}.ipc")


class Request:
    """A reload that somebody waits for."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def answer(self, **fields: Any) -> None:
        """Send the outcome and close the connection."""
        with contextlib.suppress(OSError):  # nobody waits any more
            self._connection.sendall(json.dumps(fields).encode())
        self._connection.close()

    def close(self) -> None:
        """Close the connection in this process."""
        self._connection.close()


class Control:
    """Listens for requests of root and of the master's user.

    :param path: of the socket; empty for none, as in tests
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._listener: socket.socket | None = None
        if path:
            self._open()

    @property
    def listener(self) -> socket.socket | None:
        """The listening socket; None if it could not be made."""
        return self._listener

    def accept(self) -> Request | None:
        """Return the next request; None if there is none that is valid."""
        if self._listener is None:
            return None
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return None
        connection.settimeout(REQUEST_SECONDS)
        with contextlib.suppress(OSError):
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            _, user, _ = _CREDENTIALS.unpack(found)
            if user in (0, os.geteuid()) and connection.recv(len(RELOAD)) == RELOAD:
                return Request(connection)
        connection.close()
        return None

    def close(self, *, remove: bool) -> None:
        """Close the socket in this process.

        :param remove: delete it too
        """
        if self._listener is not None:
            self._listener.close()
            if remove:
                with contextlib.suppress(OSError):
                    os.unlink(self._path)

    def _open(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.setblocking(False)
        mask = os.umask(0o177)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)  # of a supervisor that was killed
            listener.bind(self._path)
            listener.listen()
        except OSError as error:
            listener.close()
            log.warning("salt-run websocket_api.reload will not work: cannot listen on %s: %s", self._path, error)
            return
        finally:
            os.umask(mask)
        self._listener = listener
