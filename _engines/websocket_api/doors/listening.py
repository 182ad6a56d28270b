"""Takes connections, as many as there are files for."""

from __future__ import annotations

import logging
import resource
import time
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

log = logging.getLogger(__name__)

SPARE_FILES = 200  # file descriptors left for Salt's own work
TOLD_SECONDS = 60.0  # between two lines of the log about the same trouble


class Server(HTTPServer):
    """Tornado's server, which keeps some file descriptors free whoever connects and says nothing.

    Clients are counted when they have said what they want (doors/clients.py), and nobody's silence lasts longer than
    ``auth_seconds``. But where connections took all files until then, the master's caches could not be read, and
    accepting would fail in a tight loop, with a traceback each time.
    """

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Take tornado's arguments."""
        super().initialize(*args, **kwargs)
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES // 2
        self._told = -TOLD_SECONDS

    def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
        """Serve a connection, unless it has one of the last files: the system gives the lowest that is free."""
        if stream.socket.fileno() >= self._most:
            stream.close()
            now = time.monotonic()
            if now - self._told >= TOLD_SECONDS:
                self._told = now
                log.warning("connections are refused: %d files are open, and the others are kept free", self._most)
            return
        super().handle_stream(stream, address)
