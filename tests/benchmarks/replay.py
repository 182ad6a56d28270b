"""How long a client waits for the events that it missed while disconnected."""

from __future__ import annotations

import json
import time

from tests.benchmarks import fanout, marks
from tests.benchmarks.segments import Client, SegmentCache
from tests.benchmarks.stage import Stage
from tests.benchmarks.wire import CHUNK, connected, read_until, text_frame
from tests.support.waiting import wait_until

FILL_RATE = 1500  # events a second with which the history is filled


def measure(stage: Stage, token: str, events: int, runs: int) -> list[float]:
    """Return the seconds from ``subscribe`` with ``since`` to the last event, for each run."""
    epoch, seq = position(stage, token)
    fanout.fire(stage, FILL_RATE, events)
    wait_until(lambda: position(stage, token)[1] >= seq + events, "the reading of all events", every=0.3)
    return [once(stage, token, {"epoch": epoch, "seq": seq}, events) for _ in range(runs)]


def position(stage: Stage, token: str) -> tuple[str, int]:
    """Return the engine's epoch and newest number from the reply to a subscription."""
    with connected(stage.port, token) as sock:
        sock.sendall(text_frame(_subscribe(tag="nothing/has/this/tag")))
        reply = read_until(sock, b'"recovered"')
    result = json.loads(reply[reply.index(b"{") :])["result"]
    return str(result["epoch"]), int(result["seq"])


def once(stage: Stage, token: str, since: dict[str, object], events: int) -> float:
    segments = SegmentCache(events)
    with connected(stage.port, token) as sock:
        client = Client(sock)
        began = time.perf_counter()
        sock.sendall(text_frame(_subscribe(tag=marks.TAG, bundle=True, since=since)))
        while client.next < events:
            chunk = sock.recv(CHUNK)
            if not chunk:
                raise RuntimeError(f"the connection was closed after {client.count} of {events} events")
            segments.count_bytes(client, chunk, len(chunk))
        seconds = time.perf_counter() - began
    if client.count != events or not client.in_order:
        raise RuntimeError(f"{client.count} of {events} events were replayed, in order: {client.in_order}")
    return seconds


def _subscribe(**fields: object) -> bytes:
    return json.dumps({"id": 1, "type": "subscribe", "subscription": "event", **fields}).encode()
