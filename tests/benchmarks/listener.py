"""Many websocket clients in one process, which parse as little as possible.

Each counts its events and checks that none is missing or out of order (marks.py). One event in ten is timed. The
clients use raw sockets and one epoll, so that the cost of a client library is not measured. Clients at the same
position of the stream get the same bytes, so these are examined once (segments.py).

Arguments: one JSON object ``{port, path, clients, headers, hello, answered, count}``. Prints ``{"ready": true}`` when
all clients are connected and have sent ``hello``. After ``sent`` on standard input, prints one JSON object when all
events have arrived, or none for a while. With ``count`` 0 the clients only stay connected, until ``stop``.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import socket
import sys
import time
from array import array
from typing import Any

from tests.benchmarks.segments import PING, Client, SegmentCache
from tests.benchmarks.wire import CHUNK, read_until, text_frame
from tests.support.handshakes import upgrade_request

TOGETHER = 50  # connections opened at the same time
CONNECT_SECONDS = 60.0
QUIET_SECONDS = 2.0  # without an event after the last was sent: what has not come by then is lost
PONG = b"\x8a\x80\x00\x00\x00\x00"
MAX_SAMPLES = 20_000  # in the result


class Listener:
    """All clients of this process."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked = asked
        self._segments = SegmentCache(asked["count"])
        self._buffer = bytearray(CHUNK)
        self._clients: dict[int, Client] = {}
        self._closed: list[Client] = []
        self._samples = array("d")
        self._sent = array("d")
        self._poll = select.epoll()
        self._last = 0.0
        self._first = 0.0

    def connect(self) -> None:
        left = self._asked["clients"]
        while left > 0:
            socks = [socket.create_connection(("127.0.0.1", self._asked["port"])) for _ in range(min(left, TOGETHER))]
            left -= len(socks)
            for sock in socks:
                sock.settimeout(CONNECT_SECONDS)
                headers = self._asked.get("headers", {})
                sock.sendall(
                    upgrade_request(self._asked["path"], *(f"{name}: {value}" for name, value in headers.items()))
                )
            for sock in socks:
                head = read_until(sock, b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 101"):
                    raise SystemExit(f"the handshake failed: {head.decode(errors='replace')}")
                if self._asked["hello"]:
                    sock.sendall(text_frame(self._asked["hello"].encode()))
            for sock in socks:
                if self._asked["answered"]:
                    read_until(sock, self._asked["answered"].encode())
                self.add(sock)

    def add(self, sock: socket.socket) -> None:
        """Read what a connected client gets from here on."""
        sock.setblocking(False)
        self._clients[sock.fileno()] = Client(sock)
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def run(self, control: int) -> dict[str, Any]:
        """Read until all events have arrived, or none for a while after the last one was sent.

        :param control: the file descriptor that gets ``sent`` or ``stop``
        """
        sent, count = False, self._asked["count"]
        self._poll.register(control, select.EPOLLIN)
        began, cpu = time.time(), time.process_time()
        self._last = began
        while True:
            for number, _ in self._poll.poll(0.2):
                if number == control:
                    told = os.read(control, 100)
                    if not told or told.startswith(b"stop"):
                        return self._result(began, cpu)
                    sent, self._last = True, max(self._last, time.time())
                else:
                    self._read(self._clients[number])
            if sent and (self._complete(count) or time.time() - self._last > QUIET_SECONDS):
                return self._result(began, cpu)

    def _read(self, client: Client) -> None:
        buffer = self._buffer
        try:
            size = client.sock.recv_into(buffer)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        now = time.time()
        if not size:
            self._poll.unregister(client.sock.fileno())
            del self._clients[client.sock.fileno()]
            self._closed.append(client)
            return
        if not self._asked["count"]:
            pings = buffer.find(PING, 0, size) >= 0
        else:
            pings, before = False, client.count
            for segment in self._segments.count_bytes(client, buffer, size):
                pings |= segment.has_ping
                for when in segment.sent:
                    self._samples.append(now - when)
                    self._sent.append(when)
            if client.count > before:
                self._last = now
                self._first = self._first or now
        if pings:
            # One pong too many harms nobody. A case that lasts as long as a ping is waited for would else end with its
            # clients closed.
            client.sock.send(PONG)

    def _complete(self, count: int) -> bool:
        return all(client.next >= count for client in self._clients.values())

    def _result(self, began: float, cpu: float) -> dict[str, Any]:
        used, clients = time.process_time() - cpu, [*self._clients.values(), *self._closed]
        samples = sorted(zip(self._samples, self._sent, strict=True))
        step = len(samples) // MAX_SAMPLES + 1
        return {
            "delivered": sum(client.count for client in clients),
            "in_order": all(client.in_order for client in clients),
            "closed": len(self._closed),
            "first": self._first,
            "last": self._last,
            "latencies": [latency for latency, _ in samples[step // 2 :: step]],
            "sent": [sent for _, sent in samples[step // 2 :: step]],
            "cpu": used,
            "seconds": self._last - began,
        }


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = Listener(json.loads(sys.argv[1]))
    listener.connect()
    gc.collect()
    gc.freeze()
    print(json.dumps({"ready": True}), flush=True)
    print(json.dumps(listener.run(sys.stdin.fileno())), flush=True)
