"""Frames that end no message cost work all the same: a stranger's are few, and a user's are read slowly."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

pytest.importorskip("salt")

import websocket

from tests.client import PATIENCE, Client
from tests.functional.running import Engine

pytestmark = [pytest.mark.both_lines]

FRAME = websocket.ABNF
MAX_UNAUTHENTICATED = 200  # protocols/websocket/native.py
PING, PONG = (FRAME.create_frame(b"x" * 125, opcode).format() for opcode in (FRAME.OPCODE_PING, FRAME.OPCODE_PONG))
FIRST = FRAME.create_frame(b"", FRAME.OPCODE_TEXT, 0).format()
EMPTY = FRAME.create_frame(b"", FRAME.OPCODE_CONT, 0).format()
TINY = FRAME.create_frame(b" ", FRAME.OPCODE_CONT, 0).format()
KINDS = {"pings": PING, "pongs": PONG, "empty parts": EMPTY, "tiny parts": TINY}


@pytest.fixture(scope="module")
def engine(run_engine: Callable[..., Engine]) -> Engine:
    """An engine that reads one small frame a second after ten at once, and few of one user's connections."""
    return run_engine({"limits": {"control_frames_per_second": 1, "control_frames_per_second_per_user": 20}})


def pongs(client: Client) -> int:
    """Return how many pongs come before the connection ends, which it must with 4429."""
    count = 0
    while True:
        opcode, data = client.ws.recv_data(control_frame=True)
        if opcode == FRAME.OPCODE_CLOSE:
            assert int.from_bytes(data[:2], "big") == 4429
            return count
        count += opcode == FRAME.OPCODE_PONG


@pytest.mark.parametrize("frame", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("many", [MAX_UNAUTHENTICATED + 1, 20_000])
def test_a_strangers_frames_are_counted_as_messages(engine: Engine, frame: bytes, many: int) -> None:
    """More of them than messages end the connection, and no more of them are answered."""
    with engine.client() as client:
        with contextlib.suppress(ConnectionError):  # it may have been closed before all was sent
            client.ws.sock.sendall(FIRST + frame * many)
        assert pongs(client) <= MAX_UNAUTHENTICATED
    with engine.client("demo") as other:
        assert other.ask("ping")


def test_a_login_in_parts_is_a_login(engine: Engine) -> None:
    """A few parts and pings are no flood."""
    with engine.client() as client:
        client.ws.sock.sendall(PING * 20)
        client.ws.send_frame(FRAME.create_frame('{"type": "auth", "username": "demo", ', FRAME.OPCODE_TEXT, 0))
        client.ws.sock.sendall(EMPTY * 20)
        client.ws.send_frame(FRAME.create_frame('"password": "demo"}', FRAME.OPCODE_CONT, 1))
        assert client.recv()["user"] == "demo"


@pytest.mark.parametrize("frame", [PING, PONG, FIRST + EMPTY * 2 + FRAME.create_frame(b"{", 0).format()], ids=len)
def test_small_frames_of_a_user_are_read_later(engine: Engine, frame: bytes) -> None:
    """Beyond what may come at once each waits its second, what comes behind them too; nothing is lost."""
    with engine.client("demo") as client:
        parts = 1 if frame in (PING, PONG) else 3
        began = time.monotonic()
        client.ws.sock.sendall(frame * (12 // parts))
        client.send({"type": "ping", "id": "behind"})
        assert client.answer("behind")["epoch"]
        assert time.monotonic() - began >= 1.5  # twelve, of which ten need not wait, less what was left of a second


def test_connections_of_a_user_take_turns(run_engine: Callable[..., Engine]) -> None:
    """All of a user's have one bound; another user's have their own."""
    engine = run_engine({"limits": {"control_frames_per_second": 100, "control_frames_per_second_per_user": 1}})
    with engine.client("demo") as first, engine.client("demo") as second, engine.client("viewer") as other:
        began = time.monotonic()
        first.ws.sock.sendall(PING)
        assert first.ask("ping")
        second.ws.sock.sendall(PING * 2)
        assert second.ask("ping")
        assert time.monotonic() - began >= 1.5
        for client in (first, second):
            client.ws.sock.sendall(PING)
        other.ws.sock.sendall(PING)
        assert other.ask("ping")


def test_large_parts_are_bounded_by_their_message(engine: Engine) -> None:
    """A message in a hundred parts of a kilobyte is read at once."""
    text = '{"type": "ping", "id": 1' + " " * 100 * 1024 + "}"
    with engine.client("demo") as client:
        for place in range(0, len(text), 1024):
            last = place + 1024 >= len(text)
            client.ws.send_frame(
                FRAME.create_frame(text[place : place + 1024], FRAME.OPCODE_CONT if place else FRAME.OPCODE_TEXT, last)
            )
        assert client.answer(1)["epoch"]


def test_what_comes_after_the_close_frame_is_not_handled(engine: Engine) -> None:
    """A peer that goes on after our close frame is not served, and its frames are read away."""
    with engine.client("demo") as client:
        client.ws.send_close = lambda *args: None  # a peer that does not answer the close
        client.ask("logout")
        assert client.closed().code == 4401
        with contextlib.suppress(OSError):
            client.ws.sock.sendall(PING * 20_000)
        client.ws.settimeout(PATIENCE)
        with pytest.raises((websocket.WebSocketException, OSError)):
            raise AssertionError(client.ws.recv_data(control_frame=True))
