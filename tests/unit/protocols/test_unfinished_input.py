"""What a client has sent in part counts as its user's memory, on every protocol, and is bounded."""

from __future__ import annotations

import json
import struct
from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("tornado")

from websocket_api.core.access.memory import SMALL_BYTES, Memory, Taken, body_bytes
from websocket_api.errors import TOO_MANY, ApiError

from tests.support.handshakes import UPGRADE_LINES
from tests.unit.protocols.leaving import Peer, RunningEngine, running_engine

SIZE = 200_000  # bytes of which a client sends all but the last
FRAGMENTS = 4
Client = Callable[[RunningEngine], Awaitable[Peer]]


def body(path: str, kind: str = "application/json") -> Client:
    """A request whose body never ends."""

    async def come(engine: RunningEngine) -> Peer:
        peer = await engine.peer()
        head = [f"Content-Length: {SIZE}", f"Content-Type: {kind}"]
        await peer.request("POST", path, token=engine.token, head=head, body=b" " * (SIZE - 1))
        return peer

    return come


def message(path: str, opcode: int = 0x1, subprotocol: str | None = None) -> Client:
    """A websocket's message in one frame that never ends."""

    async def come(engine: RunningEngine) -> Peer:
        peer = await connected(engine, path, subprotocol)
        await peer.send(struct.pack("!BBQ", 0x80 | opcode, 0xFF, SIZE) + bytes(4) + b" " * (SIZE - 1))
        return peer

    return come


def fragments(path: str, size: int) -> Client:
    """A websocket's message in frames of this size, of which the last one never comes."""

    async def come(engine: RunningEngine) -> Peer:
        peer = await connected(engine, path)
        for number in range(SIZE // size):
            await peer.frame(0x0 if number else 0x1, b" " * size, final=False)
        return peer

    return come


async def connected(engine: RunningEngine, path: str, subprotocol: str | None = None) -> Peer:
    peer = await engine.peer()
    more = [] if subprotocol is None else [f"Sec-WebSocket-Protocol: {subprotocol}"]
    await peer.request("GET", path.format(token=engine.token), token=engine.token, head=[*UPGRADE_LINES, *more])
    assert " 101 " in await peer.head()
    return peer


BODIES = {
    "a lowstate": body("/"),
    "a lowstate without a session": body("/run"),
    "a login": body("/login"),
    "a job": body("/minions"),
    "a key": body("/keys"),
    "a webhook": body("/hook/a"),
    "a batch": body("/batches"),
    "a batch under its first path": body("/jobs"),
    "YAML": body("/", "application/x-yaml"),
    "a form": body("/", "application/x-www-form-urlencoded"),
    "parts": body("/hook", "multipart/form-data; boundary=x"),
    "a body that nothing reads": body("/logout"),
}
MESSAGES = {
    "JSON": message("/"),
    "msgpack": message("/ws", 0x2, "salt.v1.msgpack"),
    "events of saltnado": message("/all_events/{token}"),
    "formatted events": message("/formatted_events/{token}"),
    "events of rest_cherrypy": message("/ws/{token}"),
    "Digital Rebar": message("/api/v3/ws?token={token}"),
    "batches": message("/batches/ws"),
    "large fragments": fragments("/", SIZE // FRAGMENTS),
    "fragments that are not counted as small": fragments("/", 2000),
}
LEAST = SIZE - SIZE // FRAGMENTS - 1
"""Bytes that are counted at least: all of a frame that has begun, and all fragments that have come."""

NEXT = 10  # bytes of the next frame's head, which are read as if they belonged to the message


@pytest.mark.parametrize("client", [*BODIES.values(), *MESSAGES.values()], ids=[*BODIES, *MESSAGES])
async def test_what_has_come_is_counted_until_its_client_leaves(client: Client) -> None:
    """Thousands of connections could otherwise take any amount of memory."""
    async with running_engine() as engine:
        memory = engine.engine.services.sessions.memory
        peer = await client(engine)
        await engine.until(lambda: LEAST <= memory["requests"] <= SIZE + NEXT)
        peer.reset()
        await engine.alone()
        assert not +memory


@pytest.mark.parametrize("client", BODIES.values(), ids=[*BODIES])
async def test_a_body_that_does_not_fit_is_dropped_and_refused(client: Client) -> None:
    """It is read to its end, so that the client gets the answer."""
    async with running_engine(memory_per_user=SIZE // 2) as engine:
        memory = engine.engine.services.sessions.memory
        peer = await client(engine)
        await peer.send(b" ")
        status, answer = await peer.answer()
        # A path that needs no body says what it says without one.
        assert status == 429 or client is BODIES["a body that nothing reads"]
        assert status != 429 or json.loads(answer)["details"] == {"limit": "memory_per_user"}
        peer.close()
        await engine.alone()
        assert not +memory


@pytest.mark.parametrize("client", MESSAGES.values(), ids=[*MESSAGES])
async def test_a_message_that_does_not_fit_ends_its_connection(client: Client) -> None:
    """The close frame says why. Other connections stay."""
    async with running_engine(memory_per_user=SIZE // 2) as engine:
        memory = engine.engine.services.sessions.memory
        other = await engine.websocket()
        peer = await client(engine)
        assert struct.unpack("!H", (await last(peer))[:2])[0] == TOO_MANY
        await other.say({"type": "whoami", "id": 1})
        assert b'"user":"ann"' in await other.read()
        peer.close()
        other.close()
        await engine.alone()
        assert not +memory


async def last(peer: Peer) -> bytes:
    """Return the payload of the close frame."""
    while True:
        frame = await peer.read()
        if frame.endswith(b"limit reached: memory_per_user"):
            return frame


async def test_a_small_request_is_served_to_a_user_at_the_limit() -> None:
    """So the user can cancel what takes the memory; a request with a body of some size is refused."""
    async with running_engine(memory_per_user=SIZE) as engine:
        peer, waiting = await engine.websocket(), await body("/")(engine)
        await engine.until(lambda: engine.engine.services.sessions.memory["requests"] > LEAST)
        await peer.say({"type": "whoami", "id": 1})
        assert b'"user":"ann"' in await peer.read()
        await peer.say({"type": "event", "id": 2, "tag": "a", "body": {"text": "x" * 2 * SMALL_BYTES}})
        assert b"memory_per_user" in (await peer.read())
        waiting.reset()
        peer.close()
        await engine.alone()


async def test_the_value_of_a_body_counts_while_its_operations_run() -> None:
    """A few bytes can stand for an object of sixty, also after the client has left."""
    async with running_engine() as engine:
        memory = engine.engine.services.sessions.memory
        low = {"client": "local_async", "tgt": "web1", "fun": "test.arg", "arg": [[]] * 20_000}
        (await engine.websocket()).close()  # from now on the token is known
        await engine.alone()
        with engine.gate():
            peer = await engine.peer()
            await peer.request("POST", "/", token=engine.token, body=json.dumps(low).encode())
            await engine.until(lambda: engine.held and memory["requests"] > 20_000 * 64)
            peer.reset()
            await engine.until(lambda: len(engine.clients) == 0)
            assert memory["requests"] > 20_000 * 64
        await engine.alone()
        assert not +memory


@pytest.mark.parametrize("login", ["a session", "a token in each low", "a password in each low"])
async def test_answers_of_earlier_lows_count_until_the_request_is_answered(login: str) -> None:
    """For the user of the low. Else a request of a thousand lows would collect a thousand large returns."""
    async with running_engine(memory_per_user=3_000_000) as engine:
        engine.engine.commands.answers["big.one"] = ["r" * 10] * 20_000
        low = {"client": "local", "tgt": "web1", "fun": "big.one"}
        if login == "a token in each low":
            low["token"] = engine.token
        elif login == "a password in each low":
            low |= {"username": "ann", "password": "right", "eauth": "pam"}
        path, token = ("/", engine.token) if login == "a session" else ("/run", None)
        strangers, peer = engine.engine.services.sessions.strangers, await engine.peer()
        await peer.request("POST", path, token=token, body=json.dumps([low] * 5).encode())
        status, answer = await peer.answer()
        assert strangers.bytes == 0
        answers = json.loads(answer)["return"]
        assert status == 200
        assert "web1" in answers[0]
        assert (answers[-1]["error"], answers[-1]["details"]) == ("too_many", {"limit": "memory_per_user"})
        peer.close()
        await engine.alone()
        assert not +engine.engine.services.sessions.memory


@pytest.mark.parametrize(
    "text", [json.dumps([[]] * 5000), "- [a]\n" * 5000, "a: {}\n" * 5000, "arg=%5B%5D&" * 2000, json.dumps([1] * 5000)]
)
def test_the_memory_of_a_body_is_not_underestimated_much(text: str) -> None:
    """In all types of bodies."""
    values = text.count("[") + text.count("{") + text.count("%5B") + text.count("1,")
    assert body_bytes(text.encode()) >= 64 * values
    assert body_bytes(text.encode()[:SMALL_BYTES]) == 0


def test_other_users_are_not_charged() -> None:
    """Each user has memory of its own."""
    ann, bob = Memory(10_000), Memory(10_000)
    one, two, three = Taken(ann), Taken(ann), Taken(bob)
    one.grow_to(6000)
    with pytest.raises(ApiError):
        two.grow_to(6000)
    three.grow_to(6000)
    for taken in (one, two, three, one):
        taken.release()
    assert (ann.bytes, bob.bytes) == (0, 0)
