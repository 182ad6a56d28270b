"""Streams with unusual events and clients: an engine in a process, on a bus that carries any bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websocket")
msgpack = pytest.importorskip("msgpack")
websockets_client = pytest.importorskip("websockets.asyncio.client")
pytest.importorskip("prometheus_client")

from tests.client import Client, Closed, MsgpackClient, Refused  # noqa: E402
from tests.functional.running import Engine  # noqa: E402
from tests.support.buses import Publisher, packed  # noqa: E402
from tests.support.waiting import wait_until  # noqa: E402

pytestmark = [pytest.mark.both_lines]

RunEngine = Callable[..., Engine]
MIB = 1024 * 1024
OUTBOX_BYTES = MIB  # instead of 8: what may wait for one client
FLOOD = 600  # events of 10 kB: six times what may wait
PORTION = 30  # of them are sent at once
SUBSCRIPTIONS = 128  # on one connection
SLACK_SECONDS = 20.0  # that an answer which comes at once may take on a loaded machine
AT_ONCE = 1000  # clients that come back together
FELL_BEHIND = 'closes_total{code="4410"}'  # in /metrics: the clients that were closed since they read too slowly
GONE = 40  # clients that come and go
BACK_SECONDS = 120.0  # for all of them on a loaded machine; on two cores they and the engine share it takes about five


class RunningEngine:
    """An engine and the bus that it listens to."""

    def __init__(self, engine: Engine, bus: Publisher) -> None:
        self.engine = engine
        self.bus = bus
        self._marks = 0

    def client(self) -> Client:
        """Connect with JSON and log in."""
        return self.engine.client("demo")

    def mark(self) -> str:
        """Send an event after all others and return its tag."""
        self._marks += 1
        tag = f"mark/{self._marks}"
        self.bus.send((tag, {}))
        return tag

    def events_until_mark(self, client: Client, number: int, timeout: float = 20.0) -> list[dict[str, Any]]:
        """Return all frames of a subscription before one last event."""
        mark = self.mark()
        return client.frames(until=lambda frame: frame.get("tag") == mark, subscription=number, timeout=timeout)[:-1]

    def metric(self, name: str) -> float:
        """Return a number of /metrics, or 0 if it is not there (yet)."""
        return self.engine.metric(name)


@pytest.fixture(scope="module")
def shared(run_engine: RunEngine) -> Iterator[RunningEngine]:
    """The engine of these tests."""
    engine = run_engine({"limits": {"outbox_bytes": OUTBOX_BYTES}})
    bus = Publisher(engine.sock_dir)
    with contextlib.closing(bus):
        running = RunningEngine(engine, bus)
        bus.send(("first", {}))
        yield running


@pytest.fixture
def running(shared: RunningEngine) -> RunningEngine:
    """That engine, which has sent all events of the test before, and lost its connections."""
    with shared.client() as client:
        shared.events_until_mark(client, follow(client, tag="mark/"))
    wait_until(lambda: shared.engine.is_unused, "the end of earlier connections")
    return shared


@pytest.fixture
def client(running: RunningEngine) -> Iterator[Client]:
    """A client that has logged in."""
    with running.client() as client:
        yield client


@pytest.fixture(params=["json", "msgpack"])
def either(request: pytest.FixtureRequest, running: RunningEngine) -> Iterator[Client]:
    """A client of either format."""
    with Client(running.engine.url) if request.param == "json" else MsgpackClient(running.engine.url) as client:
        client.login("demo")
        yield client


def follow(client: Client, **fields: Any) -> int:
    """Subscribe to events and return the number."""
    return int(client.ask("subscribe", subscription="event", **fields)["subscription"])


# Unusual events

TAGS = [
    "x",
    "my/job",
    "salt/job",
    "salt/job/",
    "salt/job//ret/",
    "salt//ret/minion",
    "salt/job/20260101000000000000/ret",
    "salt/job/not-a-jid/ret/minion",
    "salt/run",
    "salt/run/x/y/z/w",
    "salt/presence",
    "salt/key",
    "salt/auth",
    "salt/minion/",
    "salt/beacon//",
    "syndic/",
    "",
    "/",
    "///",
    " ",
    "20260101000000000000",
    "minion_start",
    "t" * 10_000,
    "/".join("t" * 5_000),
    "äöü/日本語/🧂",
    'quote"back\\slash',
    "new\nline",
    "tab\tand\x01control",
]


@pytest.mark.parametrize("bundle", [False, True])
def test_tags_of_any_shape_arrive(running: RunningEngine, either: Client, bundle: bool) -> None:
    """Events with tags of any form arrive in order, also where Salt's own tags have more parts."""
    number = follow(either, tag="", bundle=bundle)
    running.bus.send(*[(tag, {"number": count}) for count, tag in enumerate(TAGS)])
    mark = running.mark()

    def ends(frame: dict[str, Any]) -> bool:
        return any(event.get("tag") == mark for event in frame.get("events", [frame]))

    frames = either.frames(until=ends, subscription=number)
    events = [event for frame in frames for event in frame.get("events", [frame])][:-1]
    assert [(event["tag"], event["data"]["number"]) for event in events] == [
        (tag, count) for count, tag in enumerate(TAGS)
    ]


def nested(depth: int, bottom: Any = "bottom") -> Any:
    """Return lists in lists."""
    for _ in range(depth):
        bottom = [bottom]
    return bottom


# The data on the bus, and what a client reads.
VALUES: dict[str, tuple[Any, Any]] = {
    "text as bytes": (b"text", "text"),
    "other bytes": (b"\xff\x00", {"base64": "/wA="}),
    "keys that are no strings": (
        {7: "a", None: "b", True: "c", 1.5: "d"},
        {"7": "a", "null": "b", "true": "c", "1.5": "d"},
    ),
    "keys that are bytes": ({b"k": 1, b"\xff": 2}, {"k": 1, "�": 2}),
    "not a number": ([math.nan, math.inf, -math.inf], [None, None, None]),
    "the largest integers": ([2**64 - 1, -(2**63), 2**53 + 1], [2**64 - 1, -(2**63), 2**53 + 1]),
    "half a character": ("a\ud800b", None),
    "a null character": ("a\x00b", "a\x00b"),
    "a mebibyte": ("m" * MIB, "m" * MIB),
    "a mebibyte of quotes": ('"' * MIB, '"' * MIB),
    "a hundred levels": (nested(100), nested(100)),
    "a type of its own": (msgpack.ExtType(5, b"abc"), "abc"),
    "a date of Salt's": (msgpack.ExtType(78, b"20260102T03:04:05.000006"), "2026-01-02T03:04:05.000006"),
    "another timestamp": (msgpack.Timestamp(1, 0), None),
}


def test_values_of_any_kind_arrive(running: RunningEngine, either: Client) -> None:
    """Each event arrives, with the same value in both formats."""
    number = follow(either, tag="value/")
    running.bus.send(*[(f"value/{name}", {"value": value}) for name, (value, _) in VALUES.items()])
    running.bus.send(("value/end", {}))
    frames = either.frames(until=lambda frame: frame.get("tag") == "value/end", subscription=number)
    got = {frame["tag"].removeprefix("value/"): frame["data"] for frame in frames[:-1]}
    assert list(got) == list(VALUES)
    for name, (_, read) in VALUES.items():
        if read is not None:
            assert (name, got[name]["value"]) == (name, read)
    assert got["half a character"]["value"].startswith("a")
    assert got["half a character"]["value"].endswith("b")


@pytest.mark.parametrize("depth", [300, 600, 1000])
@pytest.mark.parametrize("bottom", ["bottom", "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----"])
def test_deep_nesting_costs_only_the_deep_part(running: RunningEngine, either: Client, depth: int, bottom: str) -> None:
    """A deep event arrives cut; the rest of it is whole, and depth shows no secret."""
    number = follow(either, tag="deep")
    running.bus.send(("deep", {"deep": nested(depth, bottom), "beside": bottom[:6]}), ("deep/end", {}))
    frames = either.frames(until=lambda frame: frame.get("tag") == "deep/end", subscription=number)
    assert [frame["tag"] for frame in frames] == ["deep", "deep/end"]
    assert frames[0]["data"]["beside"] == bottom[:6]
    assert "PRIVATE KEY" not in json.dumps(frames[0])


BROKEN = {
    "nothing": b"",
    "a byte that means nothing": b"\xc1",
    "a map that is cut off": b"\x81\xa1a",
    "a list": packed([1, 2]),
    "text": packed("text"),
    "null": packed(None),
    "more than one value": packed({}) + packed({}),
    "levels that Salt itself cannot read": b"\x81\xa1a" + b"\x91" * 5000 + b"\x00",
    "a length that is not there": b"\x81\xa1a\xdd\xff\xff\xff\xff",
    "a key that is a map": b"\x81\x80\x01",
    "a key that is a list": packed({(1, 2): 3}),
    "a date that is none": packed({"a": msgpack.ExtType(78, b"never")}),
    "a timestamp out of range": b"\x81\xa1a\xc7\x0c\xff" + b"\xff" * 12,
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_bytes_that_are_not_an_event_are_skipped(running: RunningEngine, client: Client, data: bytes) -> None:
    """Truncated data, data that is not an object or is too deep for Salt is skipped; the next event arrives."""
    number = follow(client, tag="")
    running.bus.send(("broken", data), ("whole", {}))
    assert [frame["tag"] for frame in running.events_until_mark(client, number)] == ["whole"]


# Positions


def test_since_of_another_epoch_gets_a_gap(running: RunningEngine, client: Client) -> None:
    """The reply says that nothing was recovered, a gap says why, and the stream continues from now."""
    result = client.ask("subscribe", subscription="event", tag="", since={"epoch": "f" * 16, "seq": 3})
    assert result["recovered"] is False
    frames = client.frames(until=lambda frame: frame["type"] == "gap", subscription=result["subscription"])
    assert [(frame["type"], frame["reason"]) for frame in frames] == [("gap", "epoch")]
    assert running.events_until_mark(client, result["subscription"]) == []


def test_since_of_the_future_gets_a_gap(running: RunningEngine, client: Client) -> None:
    """A number that this run has not reached is from another run, whatever its epoch says."""
    now = client.ask("subscribe", subscription="event", tag="")
    since = {"epoch": now["epoch"], "seq": now["seq"] + 1_000_000}
    result = client.ask("subscribe", subscription="event", tag="", since=since)
    assert result["recovered"] is False
    frames = client.frames(until=lambda frame: frame["type"] == "gap", subscription=result["subscription"])
    assert [frame["reason"] for frame in frames] == ["epoch"]
    assert running.events_until_mark(client, result["subscription"]) == []


@pytest.mark.parametrize("seq", [-1, 2**53, 1.5, "1", None, True])
def test_since_that_is_not_a_position_is_a_bad_message(client: Client, seq: Any) -> None:
    """It is negative, too large for JSON, or not a number."""
    epoch = client.ask("ping")["epoch"]
    with pytest.raises(Refused) as refused:
        client.ask("subscribe", subscription="event", tag="", since={"epoch": epoch, "seq": seq})
    assert refused.value.code == "bad_message"
    assert [fault["path"] for fault in refused.value.details] == ["/since/seq"]


def test_the_subscription_over_the_limit_is_refused_by_name(running: RunningEngine, client: Client) -> None:
    """128 work, the error of the next one names the limit, and one that ends makes room."""
    for _ in range(SUBSCRIPTIONS - 1):
        follow(client, tag="none")
    last = follow(client, tag="mark/")
    with pytest.raises(Refused) as refused:
        follow(client, tag="none")
    assert refused.value.code == "too_many"
    assert refused.value.details == {"limit": "subscriptions_per_connection"}
    assert running.events_until_mark(client, last) == []
    client.ask("unsubscribe", subscription=1)
    follow(client, tag="none")


# Unusual clients


def flood(running: RunningEngine, client: Client, look: Callable[[], None] = lambda: None) -> None:
    """Send numbered events that fill the outbox of a client that does not read; this client gets all in order."""
    for first in range(0, FLOOD, PORTION):
        part = range(first, first + PORTION)
        running.bus.send(*[(f"flood/{number}", {"number": number, "fill": "f" * 10_000}) for number in part])
        frames = client.frames(until=lambda frame, last=part[-1]: frame["data"]["number"] == last)  # type: ignore[misc]
        assert numbers(frames) == list(part)
        look()


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of the events that arrived."""
    return [frame["data"]["number"] for frame in frames if frame["type"] == "event"]


def lazy(running: RunningEngine) -> Client:
    """Connect with small buffers between the engine and a client that does not read."""
    client = Client(running.engine.url, receive_buffer=4096)
    client.login("demo")
    return client


def test_a_client_that_never_reads_is_closed_and_delays_no_other(running: RunningEngine, client: Client) -> None:
    """Its outbox is bounded; over the limit it is closed with 4410 and can resume. The others get all, in order."""
    follow(client, tag="flood/")
    before = running.metric(FELL_BEHIND)
    with contextlib.closing(lazy(running)) as slow:
        position = slow.ask("subscribe", subscription="event", tag="flood/")
        waiting: list[float] = []
        got: list[dict[str, Any]] = []
        codes: list[int | None] = []

        def look() -> None:
            waiting.append(running.metric("outbox_bytes"))
            # Without a delay: Tornado drops the close frame if the client does not read for five seconds.
            if not codes and running.metric(FELL_BEHIND) > before:
                with pytest.raises(Closed) as closed:
                    slow.frames(until=got.append, subscription=position["subscription"])
                codes.append(closed.value.code)

        flood(running, client, look)
        assert 0 < max(waiting) <= OUTBOX_BYTES
        wait_until(lambda: running.metric("outbox_bytes") == 0, "the end of what waited")
        assert codes == [4410]
        assert numbers(got) == list(range(len(got)))
    since = {"epoch": position["epoch"], "seq": got[-1]["seq"] if got else position["seq"]}
    with running.client() as again:
        result = again.ask("subscribe", subscription="event", tag="flood/", since=since)
        assert result["recovered"] is True
        rest = again.frames(
            until=lambda frame: frame["data"]["number"] == FLOOD - 1, subscription=result["subscription"]
        )
        assert numbers(got) + numbers(rest) == list(range(FLOOD))


def test_a_client_that_prefers_losses_gets_gaps_with_their_number(running: RunningEngine, client: Client) -> None:
    """The events and the gaps add up to all events, in order; the others got everything meanwhile."""
    follow(client, tag="flood/")
    with contextlib.closing(lazy(running)) as slow:
        number = follow(slow, tag="flood/", overflow="drop")
        flood(running, client)
        assert 0 < running.metric("outbox_bytes") <= OUTBOX_BYTES
        expected = 0
        gaps = 0
        for frame in slow.frames(
            until=lambda frame: frame["type"] == "event" and frame["data"]["number"] == FLOOD - 1, subscription=number
        ):
            if frame["type"] == "gap":
                assert frame["reason"] == "overflow"
                assert frame["from"] <= frame["to"]
                expected += frame["count"]
                gaps += 1
            else:
                assert frame["data"]["number"] == expected
                expected += 1
        assert gaps
        assert expected == FLOOD


def test_a_client_that_sends_a_byte_now_and_then_delays_nobody(running: RunningEngine, client: Client) -> None:
    """A message sent byte by byte is answered when it is complete, and other clients at once."""
    with running.client() as slow:
        frame = _masked(b'{"type": "ping", "id": "slow"}')
        for count in range(len(frame)):
            slow.ws.sock.sendall(frame[count : count + 1])
            time.sleep(0.05)
            if count % 10 == 0:
                began = time.monotonic()
                client.ask("ping")
                assert time.monotonic() - began < SLACK_SECONDS
        assert slow.answer("slow")["epoch"]


def _masked(payload: bytes) -> bytes:
    """Return a text frame as a client sends it; a mask of zeros changes nothing."""
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


def test_a_client_that_closes_in_the_middle_of_a_frame_leaves_nothing_behind(
    running: RunningEngine, client: Client
) -> None:
    """Its connection and subscriptions end, and the streams of others continue."""
    number = follow(client, tag="")
    connections, subscriptions = running.metric("connections"), running.metric("subscriptions")
    for cut in (1, 2, 5, 12):
        gone = running.client()
        follow(gone, tag="")
        gone.ws.sock.sendall(_masked(b'{"type": "ping", "id": 1}')[:cut])
        gone.ws.sock.close()
    wait_until(lambda: running.metric("connections") == connections, "the end of the connections")
    assert running.metric("subscriptions") == subscriptions
    assert running.events_until_mark(client, number) == []


@pytest.mark.slow
def test_a_thousand_clients_that_reconnect_at_once_all_resume(running: RunningEngine) -> None:
    """This happens after a restart: each gets the events that it missed, then new ones."""
    with running.client() as client:
        token = client.login("demo")["token"]
        since = client.ask("subscribe", subscription="event", tag="back/")
        running.bus.send(*[(f"back/{count}", {}) for count in range(3)])
        client.frames(until=lambda frame: frame["tag"] == "back/2")
    request = {"type": "subscribe", "id": 1, "subscription": "event", "tag": "back/"}
    request["since"] = {"epoch": since["epoch"], "seq": since["seq"]}
    new = asyncio.Event()
    ready = 0

    async def come_back() -> list[str | None]:
        nonlocal ready
        headers = {"X-Auth-Token": token}
        async with websockets_client.connect(
            running.engine.url, additional_headers=headers, open_timeout=BACK_SECONDS, compression=None, proxy=None
        ) as connection:

            async def tag() -> str | None:
                # The engine sends bookmarks by its clock, at any place in the stream.
                while (message := json.loads(await connection.recv()))["type"] == "bookmark":
                    pass
                return message.get("tag")

            await connection.send(json.dumps(request))
            tags = [await tag() for _ in range(4)]
            ready += 1
            if ready == AT_ONCE:
                new.set()
            await new.wait()
            tags.append(await tag())
            return tags

    async def all_at_once() -> list[list[str | None]]:
        async def then_something_new() -> None:
            await new.wait()
            await asyncio.to_thread(running.bus.send, ("back/new", {}))

        told = asyncio.ensure_future(then_something_new())
        clients = asyncio.gather(*(come_back() for _ in range(AT_ONCE)))
        got = await asyncio.wait_for(clients, BACK_SECONDS)
        await told
        return got

    began = time.monotonic()
    got = asyncio.run(all_at_once())
    print(f"seconds for {AT_ONCE} clients:", round(time.monotonic() - began, 1))
    assert got == [[None, "back/0", "back/1", "back/2", "back/new"]] * AT_ONCE


def connect_natively(running: RunningEngine, number: int, token: str) -> Callable[[], None]:
    """Log in by a message, subscribe twice, and fail once."""
    client = running.client()
    follow(client, tag=f"own/{number}")
    client.ask("subscribe", subscription="minions")
    with pytest.raises(Refused):
        client.ask("unsubscribe", subscription=1000)
    return client.close if number % 2 else client.ws.sock.close


def connect_and_break_the_protocol(running: RunningEngine, number: int, token: str) -> Callable[[], None]:
    """Send a frame that no server accepts."""
    client = running.client()
    follow(client, tag=f"own/{number}")

    def leave() -> None:
        client.ws.send("x" * 400_000)
        assert client.closed().code == 1009
        client.ws.sock.close()

    return leave


def connect_and_leave_data_unread(running: RunningEngine, number: int, token: str) -> Callable[[], None]:
    """The kernel then resets the connection."""
    client = running.client()
    follow(client, tag=f"own/{number}")

    def leave() -> None:
        client.send({"type": "ping", "id": "unread"})
        client.ws.sock.recv(1, socket.MSG_PEEK)
        client.ws.sock.close()

    return leave


def connect_to_all_events(running: RunningEngine, number: int, token: str) -> Callable[[], None]:
    """Listen as saltnado's clients do."""
    client = running.engine.client(path=f"all_events/{token}")
    client.ws.send("websocket client ready")
    return client.close if number % 2 else client.ws.sock.close


def connect_as_digital_rebar(running: RunningEngine, number: int, token: str) -> Callable[[], None]:
    """Register as Digital Rebar's clients do."""
    client = running.engine.client(path=f"api/v3/ws?token={token}")
    client.ws.send("register jobs.*.*")
    client.ws.recv()
    return client.close if number % 2 else client.ws.sock.close


def connect_to_server_sent_events(running: RunningEngine, number: int, token: str) -> Callable[[], None]:
    """Listen as a browser's EventSource does."""
    connection = socket.create_connection(("127.0.0.1", running.engine.port), timeout=30)
    connection.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {token}\r\n\r\n".encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    return connection.close


@pytest.mark.parametrize(
    "come",
    [
        connect_natively,
        connect_and_break_the_protocol,
        connect_and_leave_data_unread,
        connect_to_all_events,
        connect_as_digital_rebar,
        connect_to_server_sent_events,
    ],
)
def test_closed_connections_are_freed_without_the_collector(
    running: RunningEngine, come: Callable[[RunningEngine, int, str], Callable[[], None]]
) -> None:
    """Closed connections leave no reference cycles: searching for them would stop all clients."""
    token = running.engine.token()
    come(running, 1, token)()
    wait_until(lambda: running.engine.is_unused, "the end of the first connection")

    def left_behind() -> int:
        running.engine.garbage()
        connections = running.metric("connections")
        for leave in [come(running, number, token) for number in range(GONE)]:
            leave()
        wait_until(lambda: running.metric("connections") == connections, "the end of the connections")
        return running.engine.garbage()

    # The first question to Salt in a thread loads modules, which leaves some cycles of its own.
    assert any(left_behind() < GONE for _ in range(5))
