"""A program for tests: the supervisor, with a serving process that only accepts connections.

Started with a port and the path of a file. The serving process does what the file says at its start: ``serve``;
``wait``: report that it cannot serve yet; ``die``: end at once; ``hang``: serve, and ignore SIGTERM. It sends its
process id to each client.
"""

from __future__ import annotations

import logging
import os
import pathlib
import signal
import socket
import sys
import time

from websocket_api.supervisor.serving import Serving
from websocket_api.supervisor.supervisor import Supervisor

log = logging.getLogger("service")


def serve(serving: Serving, port: int, mode: str) -> None:
    """Be the serving process."""
    if mode == "die":
        sys.exit(3)
    if mode == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "wait":
        serving.waits()
        log.info("waits %d", os.getpid())
        time.sleep(600)
    sockets = serving.take("127.0.0.1", port) or [socket.create_server(("127.0.0.1", port))]
    serving.ready("127.0.0.1", port, sockets)
    log.info("serves %d", os.getpid())
    while True:
        client, _ = sockets[0].accept()
        with client:
            client.sendall(str(os.getpid()).encode())


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    given = Supervisor().run()
    if given is not None:
        serve(given, int(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
