"""Measure the memory that remains after clients leave at random moments, on a real master: `make bench-leavers`."""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import time
import urllib.request

from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import Section, table, write
from tests.benchmarks.stage import Stage
from tests.support.handshakes import UPGRADE_LINES
from tests.support.waiting import wait_until

NAME = "leavers"
MIB = 1024 * 1024
ROUNDS = 6  # the first of which warms the engine and its allocator up
CLIENTS = 1000  # in a round
MOST_SECONDS = 0.02  # that a client stays
BODY = 250_000  # bytes of a request of which half is sent
SPARE_BYTES = 8 * MIB  # that all rounds after the first may add: 2 kB a client

UPGRADE = "".join(f"{line}\r\n" for line in UPGRADE_LINES)
SUBSCRIPTIONS = [
    {"subscription": "job", "jid": "*"},
    {"subscription": "minions"},
    {"subscription": "event", "bundle": True},
    {"subscription": "batch"},
]


def frame(message: object) -> bytes:
    """Return a message as a client's frame, with a mask of zeros."""
    data = message.encode() if isinstance(message, str) else json.dumps(message).encode()
    head = struct.pack("!BB", 0x81, 0x80 | len(data)) if len(data) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(data))
    return head + bytes(4) + data


def request(method: str, path: str, head: str = "", body: bytes = b"") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode() + body


def kinds(token: str) -> list[bytes]:
    """Return the bytes that clients of all protocols send; half of these are incomplete."""
    known = f"X-Auth-Token: {token}\r\n"
    native = request("GET", "/", UPGRADE + known)
    lows = json.dumps([{"client": "local", "tgt": "away", "fun": "test.ping"}]).encode()
    length = f"Content-Length: {len(lows)}\r\nContent-Type: application/json\r\n"
    return [
        *(native + frame({"type": "subscribe", **one}) for one in SUBSCRIPTIONS),
        native + frame({"type": "get_event", "tag": "never/", "wait": 60}),
        native + frame({"type": "nonsense"}),
        native + frame("x" * 1000)[:500],
        request("GET", "/", UPGRADE) + frame({"type": "auth", "username": "demo", "password": "wrong"}),
        request("GET", "/events", known),
        request("GET", f"/all_events/{token}", UPGRADE) + frame("websocket client ready"),
        request("GET", f"/formatted_events/{token}", UPGRADE) + frame("websocket client ready"),
        request("GET", f"/api/v3/ws?token={token}", UPGRADE) + frame("register jobs.*.*"),
        request("GET", "/batches/ws", UPGRADE + known),
        request("POST", "/", known + length, lows),
        request("POST", "/", f"{known}Content-Length: {BODY}\r\n", b"x" * (BODY // 2)),
        request("POST", "/login", f"Content-Length: {BODY}\r\n", b"x" * 1000),
        request("POST", "/login", "Transfer-Encoding: chunked\r\n", b"3e8\r\n" + b"x" * 500),
        request("GET", "/nowhere"),
        request("GET", "/minions"),
        b"GET / HTT",
    ]


def leave(port: int, data: bytes, chance: random.Random) -> None:
    """Connect, send all or a part of this, and leave after a while, with or without a reset."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(data[: chance.randint(1, len(data))] if chance.random() < 0.2 else data)
        time.sleep(chance.random() * MOST_SECONDS)
        if chance.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def connections(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("websocket_api_connections "))


def measure(stage: Stage, clients: int) -> Section:
    section = Section(NAME, "Clients that leave")
    chance, process, token = random.Random(11), stage.engine_process(), stage.token()
    sent, rows, resident = kinds(token), [], []
    for number in range(1, ROUNDS + 1):
        began = time.monotonic()
        for _ in range(clients):
            leave(stage.port, chance.choice(sent), chance)
        wait_until(lambda: connections(stage.port) == 0, "the end of the connections", timeout=30)
        memory = process.memory_info().rss
        resident.append(memory)
        rows.append([str(number), str(number * clients), f"{memory / MIB:.1f}", f"{time.monotonic() - began:.0f}"])
    section.say(
        "Clients of all protocols connect, ask, subscribe or send half a request, read nothing, and leave after "
        f"at most {1000 * MOST_SECONDS:.0f} ms, half of them by a reset. What the engine "
        "holds does not grow with their number."
    )
    section.add(table(["round", "clients so far", "resident MiB", "seconds"], rows))
    grown = resident[-1] - resident[0]
    section.goal("MiB more after the first round", grown / MIB, SPARE_BYTES / MIB, grown < SPARE_BYTES)
    return section


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.leavers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the clients")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    options = parser.parse_args()
    with Stage(minions=0, saltnado=False, options={"metrics": True}) as stage:
        section = measure(stage, CLIENTS // 10 if options.quick else CLIENTS)
    print(section.markdown())
    if options.write:
        write([section])


if __name__ == "__main__":
    guarded(main)
