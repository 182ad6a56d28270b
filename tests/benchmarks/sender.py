"""Fire events on a master's bus at a given rate, as a script.

It writes to ``master_event_pull.ipc`` as Salt's own clients do: 4 bytes of length, then msgpack of ``{head, body}``. It
never waits for answers.

Arguments: one JSON object ``{socket, rate, count}``; with a rate of 0 events are sent as fast as the bus accepts them.
Prints one JSON object when all are sent.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from datetime import datetime, timezone
from typing import Any

import msgpack

from tests.benchmarks import marks

AT_ONCE = 16  # events in one write at the bus's own maximum
# The body of an average event, which makes a frame of about 300 bytes.
DETAIL = {"host": "web-17.example.com", "service": "frontend", "state": "deployed", "detail": "v" * 80}


def framed(number: int) -> bytes:
    now = time.time()
    data = {
        "_stamp": datetime.fromtimestamp(now, timezone.utc).isoformat(),
        "mark": marks.mark(number, now),
        "number": number,
        **DETAIL,
    }
    body = f"{marks.TAG}deploy/{number % 50}\n\n".encode() + msgpack.packb(data, use_bin_type=True)
    packed: bytes = msgpack.packb({"head": {}, "body": body}, use_bin_type=True)
    return struct.pack(">I", len(packed)) + packed


def send(path: str, rate: float, count: int) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as pull:
        pull.connect(path)
        began, number = time.time(), 0
        while number < count:
            due = min(count, number + AT_ONCE)
            if rate:
                due = min(count, int((time.time() - began) * rate) + 1)
                if due <= number:
                    time.sleep(max(0.0, began + number / rate - time.time()))
                    continue
            pull.sendall(b"".join(framed(one) for one in range(number, due)))
            number = due
        return {"sent": number, "began": began, "seconds": time.time() - began, "cpu": time.process_time()}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(send(asked["socket"], asked["rate"], asked["count"])), flush=True)
