"""A program for tests: the supervisor, with a serving process that only accepts connections.

Started with a port, the path of a file and that of the supervisor's control socket. The serving process sends its
process id to each client. At a reload one byte each way stands for the state. At its start it does what the file says:

* ``serve``; ``large``: serve, with options of a megabyte
* ``stay``: serve, and run on after a reload; ``hang``: also ignore SIGTERM
* ``wait``: report that it cannot serve yet; ``die``: end at once; ``sleep``: do nothing
* ``fail``: report a cause and end, at a reload; ``differ``: also that only a restart of the master helps
* ``take``: end at a reload, after it has the state
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import select
import signal
import socket
import sys
import time

from websocket_api.supervisor.serving import Serving
from websocket_api.supervisor.supervisor import Supervisor

log = logging.getLogger("service")


def serve(serving: Serving, port: int, mode: str) -> None:
    """Be the serving process."""
    if mode == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if serving.last is not None:
        with contextlib.suppress(OSError):  # the last process has died
            serving.last.sendall(b"t")
            serving.last.recv(1)
        if mode == "take":
            sys.exit(4)
    if mode == "large":
        serving.options = {"allow_from": ["10.0.0.0/8"] * 80_000}
    sockets = serving.take("127.0.0.1", port) or [socket.create_server(("127.0.0.1", port))]
    serving.ready("127.0.0.1", port, sockets)
    log.info("serves %d with %d networks", os.getpid(), len((serving.options or {}).get("allow_from", ())))
    next_: socket.socket | None = None
    while True:
        found, _, _ = select.select([sockets[0], serving.channel, *([next_] if next_ else [])], [], [])
        if sockets[0] in found:
            client, _ = sockets[0].accept()
            with client:
                client.sendall(str(os.getpid()).encode())
        if serving.channel in found:
            next_ = serving.next()
        elif next_ is not None and next_ in found:
            if next_.recv(1):
                serving.hands_over()
                next_.sendall(b"s")
                log.info("retires %d", os.getpid())
                time.sleep(600 if mode in ("stay", "hang") else 0)
                return
            next_ = None


def does_not_serve(serving: Serving, mode: str) -> bool:
    """Do what a process does that cannot serve; return whether it is one."""
    if mode == "die":
        sys.exit(3)
    if mode in ("fail", "differ"):
        serving.fails("the release is broken", restart=mode == "differ")
    if mode == "wait":
        serving.waits()
        log.info("waits %d", os.getpid())
    if mode in ("wait", "sleep"):
        time.sleep(600)
    return mode in ("fail", "differ", "wait", "sleep")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    given = Supervisor(sys.argv[3]).run()
    if given is not None:
        what = pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
        if not does_not_serve(given, what):
            serve(given, int(sys.argv[1]), what)
