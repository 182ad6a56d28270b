"""Many websocket clients in one process, which parse as little as possible.

Each counts its events and checks that none is missing or out of order (marks.py). One event in ten is timed. The
clients use raw sockets and one epoll, so that the cost of a client library is not measured.

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
from itertools import pairwise
from typing import Any

from tests.benchmarks import marks
from tests.benchmarks.wire import CHUNK, read_until, text_frame
from tests.support.handshakes import upgrade_request

TOGETHER = 50  # connections opened at the same time
CONNECT_SECONDS = 60.0
QUIET_SECONDS = 2.0  # without an event after the last was sent: what has not come by then is lost
PING, PONG = b"\x89\x00", b"\x8a\x80\x00\x00\x00\x00"
MOST_SAMPLES = 20_000


class Client:
    """One connection and its received events."""

    __slots__ = ("count", "in_order", "next", "sock", "tail")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.count = 0
        self.next = 0
        self.in_order = True
        self.tail = b""

    def take(self, data: bytes, names: list[bytes]) -> int:
        """Count the events in these bytes, and return their number."""
        numbers = marks.NUMBER.findall(data)
        found = len(numbers)
        if not found:
            return 0
        expected = self.next
        self.next = expected + found
        if numbers != names[expected : self.next]:
            rising = [expected - 1, *map(int, numbers)]
            self.in_order &= all(one < other for one, other in pairwise(rising))
            self.next = rising[-1] + 1
        self.count += found
        return found


class Listener:
    """All clients of this process."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked = asked
        self._names = marks.names(asked["count"])
        self._clients: dict[int, Client] = {}
        self._closed: list[Client] = []
        self._samples: list[float] = []
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
                sock.setblocking(False)
                self._clients[sock.fileno()] = Client(sock)
                self._poll.register(sock.fileno(), select.EPOLLIN)

    def run(self) -> dict[str, Any]:
        """Read until all events have arrived, or none for a while after the last one was sent."""
        control, sent, count = sys.stdin.fileno(), False, self._asked["count"]
        self._poll.register(control, select.EPOLLIN)
        gc.collect()
        gc.freeze()
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
        try:
            data = client.sock.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        now = time.time()
        if not data:
            self._poll.unregister(client.sock.fileno())
            del self._clients[client.sock.fileno()]
            self._closed.append(client)
            return
        if client.tail:
            data = client.tail + data
        if client.take(data, self._names):
            self._last = now
            self._first = self._first or now
            if len(self._samples) < MOST_SAMPLES * 10:
                self._samples += [now - float(sent) for sent in marks.SAMPLED.findall(data)]
        if PING in data:
            # Wherever it stands between frames; no text holds these bytes, and one pong too many harms nobody. A case
            # that lasts as long as a ping is waited for would else end with its clients closed.
            client.sock.send(PONG)
        client.tail = marks.unfinished(data)

    def _complete(self, count: int) -> bool:
        return all(client.next >= count for client in self._clients.values())

    def _result(self, began: float, cpu: float) -> dict[str, Any]:
        clients = [*self._clients.values(), *self._closed]
        step = len(self._samples) // MOST_SAMPLES + 1
        return {
            "delivered": sum(client.count for client in clients),
            "in_order": all(client.in_order for client in clients),
            "closed": len(self._closed),
            "first": self._first,
            "last": self._last,
            "latencies": self._samples[::step],
            "cpu": time.process_time() - cpu,
            "seconds": self._last - began,
        }


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = Listener(json.loads(sys.argv[1]))
    listener.connect()
    print(json.dumps({"ready": True}), flush=True)
    print(json.dumps(listener.run()), flush=True)
