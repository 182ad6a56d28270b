"""Clients that connect, subscribe and leave, again and again, as a script.

Arguments: one JSON object ``{port, token, clients}``. Prints ``{"ready": true}``; after a line on standard input,
prints ``{"connections": N}``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from tests.benchmarks.wire import connected, read_until, text_frame

SUBSCRIBE = text_frame(json.dumps({"id": 1, "type": "subscribe", "subscription": "event", "bundle": True}).encode())


class Crowd:
    """Threads with one client after the other."""

    def __init__(self, port: int, token: str) -> None:
        self._address = port, token
        self._stop = threading.Event()
        self.connections = 0

    def run(self) -> None:
        """Connect until told to stop."""
        while not self._stop.is_set():
            with connected(*self._address) as sock:
                sock.sendall(SUBSCRIBE)
                read_until(sock, b'"recovered"')
            self.connections += 1

    def stop(self) -> None:
        """Let the clients leave for good."""
        self._stop.set()


def main(asked: dict[str, Any]) -> None:
    """Run until told to stop."""
    os.nice(19)  # real ones would have their own machines
    crowd = Crowd(asked["port"], asked["token"])
    threads = [threading.Thread(target=crowd.run, daemon=True) for _ in range(asked["clients"])]
    for thread in threads:
        thread.start()
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()
    crowd.stop()
    for thread in threads:
        thread.join(30)
    print(json.dumps({"connections": crowd.connections}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
