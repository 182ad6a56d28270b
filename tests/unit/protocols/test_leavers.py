"""A client that leaves at any moment, on any protocol, leaves no object and no byte behind.

Objects in cycles are found by Python's garbage collector only, which may not run for a long time. So it is off here,
and what it would find counts as left behind.
"""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("tornado")

from websocket_api.protocols.websocket import tornado_protocol

from tests.support.handshakes import UPGRADE_LINES as UPGRADE
from tests.unit.core.support import JID
from tests.unit.protocols.leaving import RECEIVE_BYTES, Peer, RunningEngine, frame, running_engine, turns
from tests.unit.protocols.leftovers import ROUNDS, counted, left_behind

Client = Callable[[RunningEngine], Awaitable[Peer]]
"""Connects and does something; the caller then leaves."""
Moment = Callable[[RunningEngine], object]

KEPT_BYTES = 12_000  # of a job or session that the engine keeps
JOB = (
    "websocket_api.fair_share.Share",
    "websocket_api.core.jobs.job.",
    "websocket_api.core.jobs.part.",
    "websocket_api.core.events.event.",
    "websocket_api.core.events.tags.",
)
SESSION = ("websocket_api.core.access.session.Session", "websocket_api.core.access.visibility.Viewer")
MINIONS, RETURN_BYTES = 100, 9000
OUTBOX_BYTES = 262_144  # less than the snapshots and the history
LOOP_TURNS = 30  # in which the engine reads what was sent
BODY = b"x" * 1000
LONG = "Content-Length: 300000"
NO_TOKEN = {"known": False}
SINCE = {"epoch": "epoch1", "seq": 0}
FORM = ["Content-Type: application/x-www-form-urlencoded"]


# Moments


def drawing(engine: RunningEngine) -> bool:
    """A snapshot waits until its client reads."""
    return any(getattr(one, "is_sending", False) for one in subscriptions(engine))


def replaying(engine: RunningEngine) -> bool:
    """A replay waits until its client reads."""
    head = engine.engine.world.history.seq
    return any(0 < getattr(one, "position", head) < head for one in subscriptions(engine))


def following(engine: RunningEngine) -> bool:
    """A client has subscribed."""
    return bool(subscriptions(engine))


def waiting(engine: RunningEngine) -> bool:
    """A request waits for something to happen."""
    return any(caller.waits for caller in engine.clients.callers())


def stuck(engine: RunningEngine) -> bool:
    """Frames wait until their client reads."""
    return any(not connection.outbox.idle for connection in engine.clients.all())


def held(engine: RunningEngine) -> bool:
    """A request waits for the master."""
    return engine.held > 0


def closing(engine: RunningEngine) -> bool:
    """A connection is being closed, and its client does not read."""
    return any(connection.outbox.closed for connection in engine.clients.all())


def nobody(engine: RunningEngine) -> bool:
    """The engine has ended the connection."""
    return len(engine.clients) == 0


def subscriptions(engine: RunningEngine) -> list[Any]:
    return [one for connection in engine.clients.all() for one in connection.subscriptions.values()]


# Clients


def raw(*data: bytes) -> Client:
    async def come(engine: RunningEngine) -> Peer:
        peer = await engine.peer()
        for one in data:
            await peer.send(one)
        return peer

    return come


def http(
    method: str, path: str, *head: str, body: bytes = b"", known: bool = True, receive_bytes: int | None = None
) -> Client:
    async def come(engine: RunningEngine) -> Peer:
        peer = await engine.peer(receive_bytes=receive_bytes)
        token = engine.token if known else None
        await peer.request(method, path.format(batch=engine.batch), token=token, head=list(head), body=body)
        return peer

    return come


def low(**fields: Any) -> dict[str, Any]:
    return {"body": json.dumps([{"tgt": "web1", **fields}]).encode()}


def native(*messages: Any, frames: bytes = b"", path: str = "/", known: bool = True) -> Client:
    """Return a client that sends messages and reads nothing."""

    async def come(engine: RunningEngine) -> Peer:
        named = path.format(token=engine.token, batch=engine.batch)
        peer = await engine.websocket(named, login=known, receive_bytes=RECEIVE_BYTES)
        for message in messages:
            text = message if isinstance(message, str) else json.dumps(message)
            await peer.say(text.replace('"BATCH"', str(engine.batch)))
        await peer.send(frames)
        return peer

    return come


def follow(subscription: str, **fields: Any) -> dict[str, Any]:
    return {"type": "subscribe", "subscription": subscription, **fields}


async def changing(engine: RunningEngine) -> Peer:
    """Subscribe to everything, which changes while the client reads nothing."""
    kinds = (
        *(follow("job", jid="*"), follow("job", jid=JID), follow("minions")),
        *(follow("batch"), follow("batch", batch="BATCH")),
    )
    peer = await native(*kinds)(engine)
    await peer.say(follow("event", overflow="drop"))
    await engine.until(lambda: len(subscriptions(engine)) == len(kinds) + 1)
    engine.answer_again()
    await engine.until(lambda: any(getattr(one, "is_behind", False) for one in subscriptions(engine)))
    return peer


async def overflowing(engine: RunningEngine) -> Peer:
    """Leave more unread than may wait."""
    peer = await native(follow("job", jid="*"), follow("event"))(engine)
    await engine.until(lambda: len(subscriptions(engine)) == 2)
    engine.answer_again()
    return peer


LOGIN = b"username=ann&password=right&eauth=pam"
WRONG = b"username=ann&password=wrong&eauth=pam"
ASK_JOB = {"type": "get_job", "id": 1, "jid": "20200101000000000000"}

CLIENTS: dict[str, tuple[Client, Moment | None]] = {
    # A request that does not end
    "connect": (raw(), None),
    "mid-head": (raw(b"GET / HTT"), None),
    "invalid head": (raw(b"\x00\xff\r\n\r\n"), nobody),
    "head that is too long": (raw(b"GET / HTTP/1.1\r\nA: " + b"x" * 70_000), nobody),
    "mid-body": (http("POST", "/", LONG, body=BODY * 100), None),
    "mid-body before a login": (http("POST", "/login", LONG, body=BODY, **NO_TOKEN), None),
    "mid-body, nowhere": (http("POST", "/nowhere", LONG, body=BODY), None),
    "mid-body of a method that is refused": (http("PATCH", "/login", LONG, body=BODY), None),
    "mid-body without a token": (http("POST", "/minions", LONG, body=BODY, **NO_TOKEN), None),
    "mid-body of a stream": (http("GET", "/events", LONG, body=BODY), None),
    "mid-body of a handshake": (http("GET", "/", *UPGRADE, LONG, body=BODY), None),
    "mid-body of a handshake by POST": (http("POST", "/ws", *UPGRADE, LONG, body=BODY), None),
    "mid-chunk": (http("POST", "/login", "Transfer-Encoding: chunked", body=b"3e8\r\n" + BODY[:500]), None),
    "between chunks": (http("POST", "/", "Transfer-Encoding: chunked", body=b"3e8\r\n" + BODY + b"\r\n"), None),
    "invalid chunk": (http("POST", "/login", "Transfer-Encoding: chunked", body=b"zzz\r\n"), None),
    "two lengths": (http("POST", "/login", "Transfer-Encoding: chunked", "Content-Length: 5", body=b"zzz\r\n"), None),
    "expecting to go on": (http("POST", "/login", "Expect: 100-continue", LONG), None),
    "mid-413": (http("POST", "/login", "Content-Length: 3000000", body=BODY * 2000, **NO_TOKEN), None),
    "413": (http("POST", "/login", body=BODY * 2000, **NO_TOKEN), None),
    "larger than is drained": (http("POST", "/login", "Content-Length: 300000000", body=BODY, **NO_TOKEN), None),
    "pipeline": (
        raw(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n" * 20 + b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"),
        None,
    ),
    # An answer that is not read
    "GET": (http("GET", "/"), None),
    "HEAD": (http("HEAD", "/"), None),
    "OPTIONS": (http("OPTIONS", "/", "Origin: http://other"), None),
    "404": (http("GET", "/nowhere"), None),
    "405": (http("BREW", "/login"), None),
    "401": (http("GET", "/minions", **NO_TOKEN), None),
    "stale token": (http("GET", "/", "Cookie: session_id=" + "f" * 64, **NO_TOKEN), None),
    "invalid body": (http("POST", "/", body=b"nonsense"), None),
    "lows that are refused": (http("POST", "/", body=json.dumps([{"client": "x"}, {}]).encode()), None),
    "mid-response": (http("GET", f"/jobs/{JID}", receive_bytes=RECEIVE_BYTES), None),
    "batch": (http("GET", "/batches/{batch}?collection=true", receive_bytes=RECEIVE_BYTES), None),
    "login that is refused": (http("POST", "/login", *FORM, body=WRONG, **NO_TOKEN), None),
    # A stream of server-sent events
    "SSE": (http("GET", "/events"), following),
    "SSE in mid-replay": (http("GET", "/events", "Last-Event-ID: epoch1-0", receive_bytes=RECEIVE_BYTES), replaying),
    "SSE that is refused": (http("GET", "/events?token=1"), None),
    # A handshake that comes to nothing
    "Origin": (http("GET", "/", *UPGRADE, "Origin: http://other"), None),
    "version": (http("GET", "/", *UPGRADE[:3], "Sec-WebSocket-Version: 8"), None),
    "subprotocol": (http("GET", "/", *UPGRADE, "Sec-WebSocket-Protocol: nonsense"), None),
    "wrong token": (http("GET", "/", *UPGRADE, f"X-Auth-Token: {'f' * 64}", **NO_TOKEN), None),
    "wrong token of /all_events": (http("GET", "/all_events/" + "f" * 64, *UPGRADE, **NO_TOKEN), None),
    "Digital Rebar without a token": (http("GET", "/api/v3/ws", *UPGRADE, **NO_TOKEN), None),
    "Digital Rebar with a wrong password": (
        http("GET", "/api/v3/ws?token=ann:wrong", *UPGRADE, **NO_TOKEN),
        None,
    ),
    "missing batch": (http("GET", "/batches/961155434991616/ws", *UPGRADE), None),
    # A websocket that breaks the protocol, or is quiet
    "native": (native(), None),
    "before a login": (native(known=False), None),
    "not JSON": (native("nonsense"), None),
    "unknown operation": (native({"type": "nonsense"}), None),
    "not allowed before a login": (native({"type": "whoami"}, known=False), None),
    "wrong password": (native({"type": "auth", "username": "ann", "password": "wrong"}, known=False), None),
    "message that is too large": (native(frames=frame(1, BODY * 2000)), nobody),
    "invalid text": (native(frames=frame(1, b"\xff\xff")), nobody),
    "unknown opcode": (native(frames=frame(7, BODY[:100])), nobody),
    "close": (native(frames=frame(8, struct.pack("!H", 1000))), nobody),
    "invalid close code": (native(frames=frame(8, struct.pack("!H", 1))), nobody),
    "mid-frame": (native(frames=frame(1, BODY)[:500]), None),
    "mid-message": (native(frames=frame(1, BODY[:100], final=False)), None),
    # Subscriptions
    "all jobs, in mid-snapshot": (native(follow("job", jid="*")), drawing),
    "one job, in mid-snapshot": (native(follow("job", jid=JID)), drawing),
    "minions": (native(follow("minions")), following),
    "minions with grains, in mid-snapshot": (native(follow("minions", grains=True)), drawing),
    "batches": (native(follow("batch")), following),
    "batch, in mid-snapshot": (native(follow("batch", batch="BATCH")), drawing),
    "events": (native(follow("event")), following),
    "events, in mid-replay": (native(follow("event", since=SINCE)), replaying),
    "bundles, in mid-replay": (native(follow("event", since=SINCE, bundle=True)), replaying),
    "events that may be dropped, in mid-replay": (native(follow("event", since=SINCE, overflow="drop")), replaying),
    "subscription that is refused": (native(follow("job", jid="20200101000000000000")), None),
    "subscription that ends": (native(follow("event"), {"type": "unsubscribe", "subscription": 1}), None),
    "/all_events": (native("websocket client ready", path="/all_events/{token}", known=False), following),
    "/formatted_events, in mid-snapshot": (
        native("websocket client ready", path="/formatted_events/{token}", known=False),
        drawing,
    ),
    "Digital Rebar": (native("register jobs.*.*", path="/api/v3/ws?token={token}", known=False), following),
    "Digital Rebar, an error": (native("nonsense", path="/api/v3/ws?token={token}", known=False), following),
    "puppetmaster": (native(path="/batches/ws"), following),
    "puppetmaster, in mid-snapshot": (native(path="/batches/{batch}/ws?collection=true"), drawing),
    "changes behind what is not read": (changing, stuck),
    "more than may wait": (overflowing, closing),
    # Requests that wait for an event
    "get_event": (native({"type": "get_event", "tag": "never/", "wait": 60}), waiting),
    "get_event after a look back": (native({"type": "get_event", "tag": "no/", "wait": 60, "since": SINCE}), waiting),
}

KEEPING: dict[str, tuple[Client, Moment | None]] = {
    "cmd": (native({"type": "cmd", "id": 1, "fun": "x.y", "tgt": "web1", "mode": "sync"}), waiting),
    "runner": (native({"type": "runner", "id": 1, "fun": "manage.up", "mode": "sync"}), waiting),
    "lows": (http("POST", "/", **low(client="local", fun="x.y")), waiting),
    "runner of a low": (http("POST", "/", **low(client="runner", fun="manage.up")), waiting),
    "low with a password": (
        http(
            "POST", "/run", **low(client="local", fun="x.y", username="ann", password="right", eauth="pam"), **NO_TOKEN
        ),
        waiting,
    ),
    "login": (http("POST", "/login", *FORM, body=LOGIN, **NO_TOKEN), None),
    "auth": (native({"type": "auth", "username": "ann", "password": "right"}, known=False), None),
    "Digital Rebar with a password": (http("GET", "/api/v3/ws?token=ann:right", *UPGRADE, **NO_TOKEN), following),
}
"""Clients that leave a job or a session, which the engine keeps."""

GATED: dict[str, Client] = {
    "get_job": native(ASK_JOB),
    "job of a subscription": native(follow("job", jid=ASK_JOB["jid"])),
    "cmd before it is published": native({"type": "cmd", "id": 1, "fun": "x.y", "tgt": "web1"}),
    "lows before they are published": http("POST", "/", **low(client="local", fun="x.y")),
    "runner before it begins": native({"type": "runner", "id": 1, "fun": "manage.up"}),
    "password of /login": http("POST", "/login", *FORM, body=LOGIN, **NO_TOKEN),
    "password of /login, mid-pipeline": http(
        "POST", "/login", *FORM, "Content-Length: 37", body=LOGIN + b"GET / HTTP/1.1"
    ),
    "password of auth": native({"type": "auth", "username": "ann", "password": "right"}, known=False),
    "password of Digital Rebar": http("GET", "/api/v3/ws?token=ann:right", *UPGRADE, **NO_TOKEN),
    "token of a request": http("GET", "/minions", f"X-Auth-Token: {'e' * 64}", **NO_TOKEN),
    "token of a request with a body": http("POST", "/", f"X-Auth-Token: {'e' * 64}", LONG, body=BODY, **NO_TOKEN),
    "token of a stream": http("GET", "/events", f"X-Auth-Token: {'e' * 64}", **NO_TOKEN),
    "token of a handshake": http("GET", "/", *UPGRADE, f"X-Auth-Token: {'e' * 64}", **NO_TOKEN),
    "token of /all_events": http("GET", "/all_events/" + "e" * 64, *UPGRADE, **NO_TOKEN),
}
"""Clients that leave before the master answers."""


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Count without the garbage collector, and ignore what pytest and the modules hold."""
    monkeypatch.setattr(tornado_protocol, "DISCARD_SECONDS", 0.05)
    with counted():
        yield


@pytest.fixture
async def engine() -> AsyncIterator[RunningEngine]:
    """An engine with a job, a batch and minions that are larger than one outbox."""
    async with running_engine(outbox_bytes=OUTBOX_BYTES) as made:
        made.fill(MINIONS, RETURN_BYTES)
        await made.make_batch()
        yield made


async def leave(engine: RunningEngine, client: Client, moment: Moment | None) -> None:
    """Connect and leave: before the engine has read, by a close, and by a reset."""
    at_once = await client(engine)
    at_once.close()
    for way in (Peer.close, Peer.reset):
        peer = await client(engine)
        await (turns(LOOP_TURNS) if moment is None else engine.until(lambda: moment(engine)))
        way(peer)
        await engine.alone()


async def leave_behind_gate(engine: RunningEngine, client: Client) -> None:
    """Leave before the master answers."""
    for way in (Peer.close, Peer.reset):
        with engine.gate():
            peer = await client(engine)
            await engine.until(lambda: held(engine))
            way(peer)
            await turns(LOOP_TURNS)
        await engine.alone()


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_that_leaves_leaves_nothing_behind(engine: RunningEngine, name: str) -> None:
    """No object and no byte is left, even without the garbage collector."""
    client, moment = CLIENTS[name]
    assert not await left_behind(lambda: leave(engine, client, moment), kept=SESSION)


@pytest.mark.parametrize("name", KEEPING)
async def test_a_client_that_leaves_leaves_only_what_the_engine_keeps(engine: RunningEngine, name: str) -> None:
    """A running job or a valid session stays, since other clients may use it."""
    client, moment = KEEPING[name]
    kept = ROUNDS * 3 * KEPT_BYTES
    assert not await left_behind(lambda: leave(engine, client, moment), spare=kept, kept=(*JOB, *SESSION))


@pytest.mark.parametrize("name", GATED)
async def test_a_client_that_leaves_before_the_master_answers_leaves_nothing_behind(
    engine: RunningEngine, name: str
) -> None:
    """The answer is dropped: nothing waits for it."""
    client, kept = GATED[name], ROUNDS * 2 * KEPT_BYTES
    assert not await left_behind(lambda: leave_behind_gate(engine, client), spare=kept, kept=(*JOB, *SESSION))
