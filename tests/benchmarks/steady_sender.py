"""Fire numbered events on a master's bus, whatever happens to the master, as a script.

While the master is away nothing is fired, and no number is used. Events that were written to its socket count as fired,
also if the master ends before it publishes them.

Arguments: one JSON object ``{socket, source, rate}``. Prints ``{"ready": true}`` when it is connected. After a line on
standard input fires, until the next line; then prints ``{"sent": COUNT, "away": SECONDS}``.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import sys
import time
from typing import Any

import msgpack

from tests.benchmarks.sender import DETAIL

TAG = "chaos/"
AT_ONCE = 8
"""Events that are fired late, after a pause, in one write; further ones are not fired."""
LOOK_SECONDS = 0.2


def framed(source: str, number: int) -> bytes:
    """Return an event as Salt's own clients write it."""
    data = {"from": source, "number": number, "at": time.time(), **DETAIL}
    body = f"{TAG}{source}/{number % 50}\n\n".encode() + msgpack.packb(data, use_bin_type=True)
    packed: bytes = msgpack.packb({"head": {}, "body": body}, use_bin_type=True)
    return struct.pack(">I", len(packed)) + packed


class Sender:
    """Numbers events, and connects again when the master is back."""

    def __init__(self, path: str, source: str, rate: float) -> None:
        self.number = 0
        self.away = 0.0
        self._path, self._source, self._rate = path, source, rate
        self._pull: socket.socket | None = None

    def connect(self) -> bool:
        """Return whether the master takes events."""
        if self._pull is None:
            pull = socket.socket(socket.AF_UNIX)
            try:
                pull.connect(self._path)
            except OSError:
                pull.close()
                return False
            self._pull = pull
        return True

    def run(self) -> None:
        """Fire at the rate until a line comes."""
        due, before = 0.0, time.monotonic()
        while not select.select([sys.stdin], [], [], 0 if due >= 1 else (1 - due) / self._rate)[0]:
            now = time.monotonic()
            passed, before = now - before, now
            if not self.connect():
                self.away += passed
                due = 0.0
                time.sleep(LOOK_SECONDS)
                continue
            due = min(AT_ONCE, due + passed * self._rate)
            self._write(int(due))
            due -= int(due)

    def _write(self, count: int) -> None:
        assert self._pull is not None
        if not count:
            return
        events = b"".join(framed(self._source, number) for number in range(self.number, self.number + count))
        self.number += count
        try:
            self._pull.sendall(events)
        except OSError:
            with contextlib.suppress(OSError):
                self._pull.close()
            self._pull = None


def main(asked: dict[str, Any]) -> None:
    sender = Sender(asked["socket"], asked["source"], asked["rate"])
    while not sender.connect():
        time.sleep(LOOK_SECONDS)
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()
    sender.run()
    print(json.dumps({"sent": sender.number, "away": sender.away}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
