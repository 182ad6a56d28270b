"""The benchmarks' clients examine shared bytes once, and still find what one of them alone gets wrong."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.benchmarks import listener, marks
from tests.benchmarks.listener import Listener
from tests.benchmarks.segments import MAX_SEGMENTS, PING, Client, Segment, SegmentCache, examine

pytestmark = pytest.mark.any_python

COUNT, CLIENTS, ODD = 100, 10, 7
"""Events, clients, and the client that gets something else."""
SENT = 1764000000
"""When the first event was sent."""
Change = Callable[[list[bytes]], list[bytes]]


def events(count: int = COUNT) -> list[bytes]:
    """Return events in frames that look like those of a server."""
    return [
        b'\x81\x7e\x01\x2c{"type":"event","data":{"mark":"%s","detail":"%s"}}'
        % (marks.mark(number, SENT + number / 1000).encode(), b"v" * (number % 50))
        for number in range(count)
    ]


def cut(stream: bytes, rng: random.Random, longest: int) -> list[bytes]:
    """Cut a stream at random places, also in the middle of a mark."""
    found, start = [], 0
    while start < len(stream):
        end = start + rng.randint(1, longest)
        found.append(stream[start:end])
        start = end
    return found


def lost(found: list[bytes]) -> list[bytes]:
    return found[:50] + found[51:]


def doubled(found: list[bytes]) -> list[bytes]:
    return [*found[:50], found[49], *found[50:]]


def swapped(found: list[bytes]) -> list[bytes]:
    return [*found[:50], found[51], found[50], *found[52:]]


def replaced(found: list[bytes]) -> list[bytes]:
    """Another event of the same length stands in one's place."""
    return [*found[:50], found[40], *found[51:]]


CHANGES: list[tuple[Change, int, bool]] = [
    (list, COUNT, True),
    (lost, COUNT - 1, True),  # a filter loses events too, so only the count tells
    (doubled, COUNT + 1, False),
    (swapped, COUNT, False),
    (replaced, COUNT, False),
]


@pytest.mark.parametrize("longest", [60, 3_000, 1_000_000])
@pytest.mark.parametrize(("change", "count", "in_order"), CHANGES)
def test_what_one_of_many_clients_gets_wrong_is_found(change: Change, count: int, in_order: bool, longest: int) -> None:
    """All others share their bytes with it, in segments of their own or of the same size.

    :param longest: bytes of the largest read
    """
    for seed in range(3):
        rng = random.Random(seed)
        same = cut(b"".join(events()), random.Random(0), longest)
        reads = [same if rng.random() < 0.5 else cut(b"".join(events()), rng, longest) for _ in range(CLIENTS)]
        reads[ODD] = cut(b"".join(change(events())), random.Random(0), longest)
        clients, segments = read_in_turns(reads, rng)
        assert (clients[ODD].count, clients[ODD].in_order) == (count, in_order)
        others = [(one.count, one.in_order, one.next) for number, one in enumerate(clients) if number != ODD]
        assert others == [(COUNT, True, COUNT)] * (CLIENTS - 1)
        assert len(segments._known) <= MAX_SEGMENTS


def read_in_turns(reads: list[list[bytes]], rng: random.Random) -> tuple[list[Client], SegmentCache]:
    """Let each client take its reads, in a random order of clients."""
    segments, clients = SegmentCache(COUNT), [Client(socket.socket()) for _ in reads]
    waiting = {number: iter(chunks) for number, chunks in enumerate(reads)}
    while waiting:
        number = rng.choice(list(waiting))
        chunk = next(waiting[number], None)
        if chunk is None:
            del waiting[number]
            clients[number].sock.close()
            continue
        buffer = bytearray(chunk + b"of an earlier read ~0000000000@1764000000.000000!")
        segments.count_bytes(clients[number], buffer, len(chunk))
    return clients, segments


@pytest.mark.parametrize("change", [change for change, _, _ in CHANGES])
def test_clients_count_the_same_with_and_without_shared_segments(change: Change) -> None:
    """In random reads, with other events and pings between, as many, in the same order and timed alike."""
    for seed in range(20):
        rng = random.Random(seed)
        mixed = list(change(events(COUNT)))
        for _ in range(20):
            mixed.insert(rng.randrange(len(mixed)), rng.choice([PING, b"~", b"\x81\x02{}", b"!" * 40]))
        shared, names = SegmentCache(COUNT), marks.names(COUNT)
        for _ in range(3):
            client, expected, tail = Client(socket.socket()), 0, b""
            found: list[Segment] = []
            alone: list[Segment] = []
            for chunk in cut(b"".join(mixed), rng, rng.choice([50, 3_000])):
                found += shared.count_bytes(client, chunk, len(chunk))
                alone.append(examine(expected, tail, chunk, names))
                expected, tail = alone[-1].next, alone[-1].tail
                assert (client.next, client.tail) == (expected, tail)
            client.sock.close()
            assert client.count == sum(segment.count for segment in alone)
            assert client.in_order == all(segment.in_order for segment in alone)
            assert [when for segment in found for when in segment.sent] == [when for one in alone for when in one.sent]
            assert any(segment.has_ping for segment in found) == any(segment.has_ping for segment in alone)


@pytest.mark.parametrize("split", range(len(PING) + 1))
def test_a_ping_is_found_wherever_it_is_cut(split: int) -> None:
    """Its answer keeps the connection open."""
    first, second = events(1)[0] + PING[:split], PING[split:] + events(1)[0]
    start = examine(0, b"", first, marks.names(2))
    end = examine(start.next, start.tail, second, marks.names(2))
    assert start.has_ping + end.has_ping == 1


@contextmanager
def listening(count: int, streams: list[list[bytes]]) -> Iterator[tuple[Listener, int, list[socket.socket]]]:
    """A listener with one client for each stream, which has its bytes already, and is told that all was sent."""
    with ExitStack() as stack:
        one = Listener({"count": count})
        servers = []
        for chunks in streams:
            server, client = socket.socketpair()
            servers.append(stack.enter_context(server))
            stack.enter_context(client)
            one.add(client)
            server.sendall(b"".join(chunks))
        control, told = os.pipe()
        stack.callback(os.close, control)
        os.write(told, b"sent\n")
        os.close(told)
        yield one, control, servers


@pytest.mark.parametrize(("change", "count", "in_order"), CHANGES)
def test_the_result_counts_the_client_that_differs(
    monkeypatch: pytest.MonkeyPatch, change: Change, count: int, in_order: bool
) -> None:
    """From the socket to the result; one event in ten of each client is timed, from first to last."""
    monkeypatch.setattr(listener, "QUIET_SECONDS", 0.05)  # all bytes are there before it starts
    streams = [events() for _ in range(CLIENTS)]
    streams[ODD] = change(streams[ODD])
    began = time.time()
    with listening(COUNT, streams) as (one, control, _):
        result = one.run(control)
    assert result["delivered"] == COUNT * (CLIENTS - 1) + count
    assert (result["in_order"], result["closed"]) == (in_order, 0)
    assert len(result["latencies"]) == COUNT // 10 * CLIENTS
    assert min(result["latencies"]) >= began - (SENT + COUNT / 1000)


def test_every_ping_is_answered_and_a_closed_connection_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for clients that count nothing."""
    monkeypatch.setattr(listener, "QUIET_SECONDS", 0.05)
    for count in (0, 2):
        with listening(count, [[*events(1), PING], [PING, *events(1)], []]) as (one, control, servers):
            servers[2].shutdown(socket.SHUT_WR)
            result = one.run(control)
            assert [server.recv(100) for server in servers[:2]] == [listener.PONG] * 2
        assert result["closed"] == 1
        assert result["delivered"] == (2 if count else 0)
