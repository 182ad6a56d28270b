"""The native protocol: logins, limits, and errors of broken or hostile peers, which no other client notices."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import socket
import ssl
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")
websocket = pytest.importorskip("websocket")
websockets_client = pytest.importorskip("websockets.sync.client")
websockets_exceptions = pytest.importorskip("websockets.exceptions")

from tests.client import PATIENCE, Client, Closed, Refused  # noqa: E402
from tests.functional.running import Engine  # noqa: E402
from tests.support.handshakes import UPGRADE, upgrade_request  # noqa: E402
from tests.support.waiting import wait_until  # noqa: E402

pytestmark = [pytest.mark.both_lines]

RunEngine = Callable[..., Engine]
KIB = 1024
ORIGIN = "https://console.example.com"
AUTH_SECONDS = 2  # instead of 10: the auth deadline of the strict engine
SLACK_SECONDS = 20.0  # more that an answer may take on a loaded machine


@pytest.fixture(scope="module")
def engine(run_engine: RunEngine) -> Engine:
    """The engine of most of these tests."""
    return run_engine({"cors_origin": [ORIGIN]})


@pytest.fixture(scope="module")
def small(run_engine: RunEngine) -> Engine:
    """An engine with small limits."""
    limits = {
        "auth_seconds": AUTH_SECONDS,
        "connections": 5,
        "unauthenticated_per_address": 3,
        "commands_per_connection": 2,
    }
    return run_engine({"limits": limits})


@pytest.fixture
def strict(small: Engine) -> Engine:
    """That engine, without the connections of the test before."""
    wait_until(lambda: small.is_unused, "the end of earlier connections")
    return small


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    """A client that has logged in."""
    with engine.client("demo") as client:
        yield client


def handshake(engine: Engine, path: str = "/", **headers: str) -> tuple[int, dict[str, Any]]:
    """Request an upgrade, and return the status and the body of a refusal."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        wanted = {
            **UPGRADE,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection.request("GET", path, headers=wanted)
        response = connection.getresponse()
        body = response.read() if response.status != 101 else b""
        return response.status, json.loads(body) if body.startswith(b"{") else {}


def get(engine: Engine, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    """Send a plain HTTP request."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read()


# Subprotocols


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        (["salt.v1.json"], "salt.v1.json"),
        (["unknown", "salt.v1.json"], "salt.v1.json"),
    ],
)
def test_the_first_known_subprotocol_is_chosen(engine: Engine, offered: list[str] | None, chosen: str | None) -> None:
    """Without an offer it is JSON; of several, the first one that the server speaks."""
    with engine.client("demo", subprotocols=offered) as client:
        assert client.subprotocol == chosen
        assert client.ask("whoami")["user"] == "demo"


@pytest.mark.parametrize("offered", [["mqtt"], ["soap", "salt.v9.json"]])
def test_an_unknown_subprotocol_is_closed_with_4406(engine: Engine, offered: list[str]) -> None:
    """The reason lists the subprotocols of the server."""
    with engine.client(subprotocols=offered) as client:
        closed = client.closed()
        assert closed.code == 4406
        assert "salt.v1.json" in closed.reason


# Origins


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("own", 101),
        (ORIGIN, 101),
        ("https://evil.example.com", 403),
        (ORIGIN + ".evil.example.com", 403),
        ("http" + ORIGIN[5:], 403),
        ("http://evil.example", 403),
        ("https://127.0.0.1.evil.example", 403),
        ("file://", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_browsers_come_from_our_own_and_listed_origins_only(engine: Engine, origin: str | None, status: int) -> None:
    """A client without an Origin is no browser and may connect; a listed Origin must match exactly."""
    headers = {} if origin is None else {"Origin": origin}
    if origin == "own":
        headers = {"Origin": f"http://127.0.0.1:{engine.port}"}
    answered, body = handshake(engine, **headers)
    assert answered == status
    assert body.get("error") == ("forbidden" if status == 403 else None)


# Authentication by the handshake


@pytest.mark.parametrize("form", ["Authorization", "X-Auth-Token", "Cookie"])
def test_the_handshake_may_log_in(engine: Engine, form: str) -> None:
    """Bearer, X-Auth-Token, and the cookie from our own pages replace the auth message."""
    token = engine.token()
    value = {"Authorization": f"Bearer {token}", "X-Auth-Token": token, "Cookie": f"session_id={token}"}[form]
    origin = f"http://127.0.0.1:{engine.port}" if form == "Cookie" else None
    with engine.client(headers={form: value}, origin=origin) as client:
        assert client.ask("whoami")["user"] == "demo"
        client.send(json.dumps({"type": "ping", "id": 5, "pad": "x" * 5000}))
        assert client.recv()["error"]["code"] == "bad_message"  # not 1009: larger messages are allowed after a login


@pytest.mark.parametrize(
    ("origin", "status"),
    [(None, 403), ("https://evil.example.com", 403), (ORIGIN, 101), ("null", 403), ("http://[x", 403)],
)
def test_a_cookie_needs_an_own_origin(engine: Engine, origin: str | None, status: int) -> None:
    """A browser sends the cookie for every page, so it is refused without an own or listed Origin."""
    headers = {"Cookie": f"session_id={engine.token()}"}
    if origin is not None:
        headers["Origin"] = origin
    assert handshake(engine, **headers)[0] == status


@pytest.mark.parametrize(
    ("referer", "status"),
    [(f"{ORIGIN}/page", 101), ("http://127.0.0.1:{port}/x", 101), ("https://evil.example.com/{port}", 403), ("x", 403)],
)
def test_a_cookie_may_have_an_own_referer_instead(engine: Engine, referer: str, status: int) -> None:
    """It counts for clients that send no Origin; with both the Origin decides."""
    headers = {"Cookie": f"session_id={engine.token()}", "Referer": referer.format(port=engine.port)}
    assert handshake(engine, **headers)[0] == status
    assert handshake(engine, **headers, Origin="https://evil.example.com")[0] == 403


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        ({"Connection": "keep-alive"}, 400),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": ""}, 426),
    ],
)
@pytest.mark.parametrize("path", ["/", "/all_events/x", "/api/v3/ws", "/batches/ws"])
def test_a_broken_handshake_is_an_error_of_our_table(
    engine: Engine, path: str, broken: dict[str, str], status: int
) -> None:
    """No protocol answers with the library's own page, and no login is tried."""
    answer, body = handshake(engine, path, X_Auth_Token="0" * 64, **broken)
    assert (answer, body["error"]) == (status, "bad_message")


@pytest.mark.parametrize("token", ["0" * 64, "nonsense", "../../etc/passwd", "a" * 3000])
@pytest.mark.parametrize("form", ["Authorization", "X-Auth-Token"])
def test_a_wrong_token_in_the_handshake_is_401(engine: Engine, form: str, token: str) -> None:
    """The answer is an error of our table."""
    value = f"Bearer {token}" if form == "Authorization" else token
    status, body = handshake(engine, **{form: value})
    assert status == 401
    assert body["error"] == "unauthenticated"


def test_guessing_tokens_by_handshakes_is_slowed_down(run_engine: RunEngine) -> None:
    """Failures in the handshake count like those of the auth message, and each writes an audit line."""
    engine = run_engine({"limits": {"login_failures_per_minute": 3}})
    token = engine.token()
    wrong = [handshake(engine, X_Auth_Token=f"{number:064x}") for number in range(4)]
    assert [status for status, _ in wrong] == [401, 401, 401, 429]
    assert wrong[-1][1]["error"] == "too_many"
    assert engine.log.count("operation=auth outcome=unauthenticated") == 3
    with engine.client("demo") as client:
        assert client.ask("whoami", token=token)


def test_guessing_passwords_is_slowed_down(run_engine: RunEngine) -> None:
    """Over the limit, which the error names, even the right password is refused; other names can log in."""
    engine = run_engine({"limits": {"login_failures_per_minute": 2, "login_failures_per_address_per_minute": 4}})
    with engine.client() as client:

        def refusal(name: str, password: str) -> tuple[Any, Any]:
            with pytest.raises(Refused) as refused:
                client.login(name, password)
            details = refused.value.details or {}
            return refused.value.code, details.get("limit")

        unauthenticated, per_name = ("unauthenticated", None), ("too_many", "login_failures_per_minute")
        assert [refusal("demo", "wrong") for _ in range(3)] == [unauthenticated, unauthenticated, per_name]
        assert refusal("demo", "demo") == per_name
        with engine.client("viewer") as other:
            assert other.ask("whoami")["user"] == "viewer"
        per_address = ("too_many", "login_failures_per_address_per_minute")
        assert [refusal(name, "wrong") for name in ("a", "b", "c")] == [unauthenticated, unauthenticated, per_address]
        assert refusal("viewer", "demo") == per_address


def test_a_login_by_the_handshake_writes_an_audit_line(engine: Engine) -> None:
    """It has the user and the address."""
    before = len(engine.log)
    assert handshake(engine, X_Auth_Token=engine.token("viewer"))[0] == 101
    line = "user=viewer eauth=sharedsecret address=127.0.0.1 operation=auth outcome=ok"
    log = engine.log[before:]
    assert log.count(line) == log.count("user=viewer") == 2


# Deadline and limits


def test_messages_before_a_login_are_limited(engine: Engine) -> None:
    """A login of any form lifts the limit."""
    token = engine.token()
    with engine.client() as stranger, engine.client("demo") as known, engine.client() as other:
        assert other.ask("whoami", token=token)["user"] == "demo"
        for _ in range(300):
            assert known.ask("ping")
            assert other.ask("ping", token=token)
        for _ in range(200):
            with pytest.raises(Refused):
                stranger.ask("ping", token="0" * 64)
        stranger.send({"type": "ping"})
        assert stranger.closed().code == 4429


def test_the_auth_deadline_stops_while_a_password_is_checked(run_engine: RunEngine) -> None:
    """The client cannot make the check faster; after a refusal the time counts again."""
    engine = run_engine(
        {
            "limits": {"login_failures_per_minute": 1, "auth_seconds": AUTH_SECONDS},
            "trusted_proxies": ["127.0.0.1/32"],
        },
        constants={"core.access.throttle.DELAY_STEP": 3.0},
    )
    for number in range(2):
        with engine.client(headers={"X-Forwarded-For": f"10.0.0.{number}"}) as client, pytest.raises(Refused):
            client.ask("auth", username="demo", password="wrong")
    with engine.client() as client:
        began = time.monotonic()
        assert client.login("demo")["user"] == "demo"
        assert time.monotonic() - began > AUTH_SECONDS
    with engine.client(headers={"X-Forwarded-For": "10.0.0.9"}) as client:
        with pytest.raises(Refused) as refused:
            client.ask("auth", username="demo", password="wrong")
        assert refused.value.code == "unauthenticated"
        assert client.closed().code == 4408


def test_silent_connections_leave_files_free(run_engine: RunEngine) -> None:
    """Silent connections are not counted yet; one log line reports the refusals, and later all works again."""
    most = 90
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    engine = run_engine(constants={"protocols.http_server.SPARE_FILES": 2 * (files - most)})
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", engine.port), timeout=PATIENCE))
            for _ in range(most)
        ]
        assert silent[-1].recv(1) == b""
        assert len(os.listdir(f"/proc/{engine.pid}/fd")) <= most
    wait_until(lambda: len(os.listdir(f"/proc/{engine.pid}/fd")) < most, "the files being closed")
    with engine.client("demo") as client:
        assert client.ask("ping")
    assert engine.log.count("connections are refused: ") == 1
    assert "Too many open files" not in engine.log


def test_without_a_login_the_connection_is_closed_with_4408(strict: Engine) -> None:
    """The deadline starts with the connection, whatever is sent; no other client notices."""
    with strict.client("demo") as known:
        began = time.monotonic()
        with strict.client() as client:
            client.send({"type": "whoami", "id": 1})
            assert client.closed().code == 4408
        assert AUTH_SECONDS <= time.monotonic() - began < AUTH_SECONDS + SLACK_SECONDS
        assert known.ask("ping")


def test_a_token_in_a_message_meets_the_deadline(strict: Engine) -> None:
    """A client that sends a token with each message need not log in."""
    token = strict.token()
    with strict.client() as client:
        assert client.ask("whoami", token=token)["user"] == "demo"
        time.sleep(AUTH_SECONDS * 1.5)
        assert client.ask("whoami", token=token)["user"] == "demo"
        with pytest.raises(Refused, match="unauthenticated"):
            client.ask("whoami")


def test_an_endless_request_is_cut_off(strict: Engine) -> None:
    """Half a handshake, or none, is kept no longer than a connection without a login."""
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "):
        with socket.create_connection(("127.0.0.1", strict.port)) as peer:
            peer.sendall(begun)
            peer.settimeout(PATIENCE)
            assert peer.recv(100) == b""


def test_too_many_connections_are_closed_with_4429(strict: Engine) -> None:
    """The reason names the limit, per address or in total; a client that leaves makes room."""
    token = strict.token()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(strict.client())
        with strict.client() as client:
            closed = client.closed()
        assert closed.code == 4429
        assert "unauthenticated_per_address" in closed.reason
        # A login by the handshake does not count as unauthenticated.
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(strict.client(headers={"X-Auth-Token": token}))
        with strict.client(headers={"X-Auth-Token": token}) as client:
            closed = client.closed()
        assert closed.code == 4429
        assert "connections" in closed.reason

    def comes_in() -> bool:
        with strict.client() as client, contextlib.suppress(Closed, ConnectionError):
            client.login("demo")
            return True
        return False

    wait_until(comes_in, "room")


def test_requests_in_flight_are_limited(strict: Engine) -> None:
    """One more is refused with too_many, before the others are answered."""
    with strict.client("demo") as client:
        for number in (1, 2, 3):
            client.send({"type": "get_event", "id": f"e{number}", "tag": "never", "wait": 2})
        with pytest.raises(Refused) as refused:
            client.answer("e3")
        assert refused.value.code == "too_many"
        assert refused.value.retryable
        assert refused.value.details == {"limit": "commands_per_connection"}
        assert client.answer("e1") is client.answer("e2") is None


# Sizes


def too_big_for(kind: str, url: str, auth: bool, size: int) -> tuple[int | None, float]:
    """Send a message that is too big with one of two clients; return the close code and the seconds until then."""
    login = json.dumps({"type": "auth", "username": "demo", "password": "demo"})
    message = json.dumps({"type": "ping", "pad": "x" * size})
    if kind == "websockets":
        with websockets_client.connect(url, max_size=None) as ws:
            if auth:
                ws.send(login)
                ws.recv(timeout=PATIENCE)
            began = time.monotonic()
            with contextlib.suppress(websockets_exceptions.ConnectionClosed):
                ws.send(message)
            with pytest.raises(websockets_exceptions.ConnectionClosed) as closed:
                ws.recv(timeout=PATIENCE)
            received = closed.value.rcvd
            return (received.code if received else None), time.monotonic() - began
    with Client(url) as client:
        if auth:
            client.login("demo")
        began = time.monotonic()
        with contextlib.suppress(ConnectionError, websocket.WebSocketException):
            client.send(message)
        return client.closed().code, time.monotonic() - began


@pytest.mark.parametrize("kind", ["websockets", "websocket-client"])
@pytest.mark.parametrize(("auth", "size"), [(False, 4 * KIB), (False, KIB * KIB), (True, 256 * KIB), (True, KIB * KIB)])
def test_a_message_that_is_too_big_is_closed_with_1009(engine: Engine, kind: str, auth: bool, size: int) -> None:
    """The code reaches the client every time, and says not to send the same message again."""
    tries = [too_big_for(kind, engine.url, auth, size) for _ in range(8)]
    assert [code for code, _ in tries] == [1009] * 8
    assert min(seconds for _, seconds in tries) < 5, "each waits for a deadline"


def test_messages_up_to_the_limit_are_accepted(engine: Engine, client: Client) -> None:
    """4 KiB before the login and 256 KiB after it are answered."""

    def padded(size: int) -> str:
        empty = json.dumps({"type": "ping", "id": 1, "pad": ""})
        return json.dumps({"type": "ping", "id": 1, "pad": "x" * (size - len(empty))})

    with engine.client() as stranger:
        stranger.send(padded(4 * KIB))
        assert stranger.recv()["error"]["code"] == "bad_message"
    client.send(padded(256 * KIB))
    assert client.recv()["error"]["code"] == "bad_message"


def test_a_big_message_delays_no_other_client(engine: Engine, client: Client) -> None:
    """While others send messages that are too big, a client is answered as usual."""
    slow = []
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            hostile = stack.enter_context(engine.client())
            hostile.ws.settimeout(5)
            with contextlib.suppress(ConnectionError, websocket.WebSocketException):
                hostile.send("x" * (2 * KIB * KIB))
            began = time.monotonic()
            client.ask("ping")
            slow.append(time.monotonic() - began)
    assert statistics.median(slow) < 4


# Frames


def test_a_message_may_be_fragmented(client: Client) -> None:
    """Fragments, with a ping between them, are one message."""
    frame = websocket.ABNF
    text = json.dumps({"type": "ping", "id": 7}).encode()
    parts = [text[:5], text[5:9], text[9:]]
    client.ws.send_frame(frame.create_frame(parts[0], frame.OPCODE_TEXT, 0))
    client.ws.ping("between")
    client.ws.send_frame(frame.create_frame(parts[1], frame.OPCODE_CONT, 0))
    client.ws.send_frame(frame.create_frame(parts[2], frame.OPCODE_CONT, 1))
    assert client.answer(7)["version"]


def test_fragments_are_limited_together(client: Client) -> None:
    """Small fragments of a message that is too big are closed with 1009 like one big frame."""
    frame = websocket.ABNF
    piece = b"x" * 60 * KIB
    with contextlib.suppress(ConnectionError, websocket.WebSocketException):
        client.ws.send_frame(frame.create_frame(piece, frame.OPCODE_TEXT, 0))
        for _ in range(6):
            client.ws.send_frame(frame.create_frame(piece, frame.OPCODE_CONT, 0))
    assert client.closed().code == 1009


@pytest.mark.parametrize("payload", [b"\x03", *(struct.pack("!H", code) for code in (0, 999, 1004, 1005, 1006, 2000))])
def test_an_invalid_close_frame_is_answered_with_1002(client: Client, payload: bytes) -> None:
    """RFC 6455 section 7.4: such codes are a protocol error."""
    frame = websocket.ABNF
    client.ws.send_frame(frame.create_frame(payload, frame.OPCODE_CLOSE))
    assert client.closed().code == 1002


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_close_is_answered_with_its_own_code(client: Client, code: int) -> None:
    """RFC 6455 section 5.5.1."""
    frame = websocket.ABNF
    client.ws.send_frame(frame.create_frame(struct.pack("!H", code), frame.OPCODE_CLOSE))
    assert client.closed().code == code


MASK = b"\x00\x00\x00\x00"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\xc1\x82" + MASK + b"{}", 1002),  # a reserved bit
        (b"\x83\x82" + MASK + b"{}", 1002),  # an unknown opcode
        (b"\x80\x82" + MASK + b"{}", 1002),  # a continuation without a message
        (b"\x09\x80" + MASK, 1002),  # a fragmented ping
        (b"\x89\xfe\x00\x7e" + MASK + b"x" * 126, 1002),  # a ping that is too long
        (b"\x81\x82" + MASK + b"\xff\xff", 1007),  # text that is not UTF-8
    ],
)
def test_a_broken_frame_is_closed_with_its_code(engine: Engine, client: Client, sent: bytes, code: int) -> None:
    """The code is 1002 for a protocol error and 1007 for invalid text; no other client notices."""
    with engine.client("demo") as other:
        client.ws.sock.sendall(sent)
        assert client.closed().code == code
        assert other.ask("ping")


def test_nothing_follows_the_close_frame(engine: Engine) -> None:
    """RFC 6455 section 5.5.1: no reply is sent after the server's close frame."""
    with engine.client("demo") as client:
        client.send({"type": "get_event", "id": 1, "tag": "never", "wait": 1})
        client.ws.send_close = lambda *args: None  # a peer that is slow to answer the close
        client.ask("logout")
        assert client.closed().code == 4401
        client.ws.settimeout(PATIENCE)
        with pytest.raises((websocket.WebSocketException, ConnectionError)):
            raise AssertionError(client.ws.recv_data(control_frame=True))


# Requests


def test_requests_are_answered_concurrently(client: Client) -> None:
    """A slow request delays no later one; an id in use is refused, and free again after the reply."""
    client.send({"type": "get_event", "id": "slow", "tag": "never", "wait": 60})
    client.send({"type": "ping", "id": "slow"})
    assert client.recv()["error"]["code"] == "id_in_use"
    for number in range(10):
        client.send({"type": "ping", "id": number})
    assert {client.recv()["id"] for _ in range(10)} == set(range(10))  # and not yet the slow one
    client.send({"type": "get_event", "id": "soon", "tag": "never", "wait": 1})
    assert client.answer("soon") is None
    client.send({"type": "ping", "id": "soon"})
    assert client.answer("soon")


def test_messages_after_a_login_are_handled_after_it(engine: Engine) -> None:
    """A client need not wait for the reply to auth."""
    with engine.client() as client:
        client.send({"type": "auth", "id": 1, "username": "viewer", "password": "demo"})
        client.send({"type": "whoami", "id": 2})
        client.send({"type": "auth", "id": 3, "username": "demo", "password": "demo"})
        client.send({"type": "whoami", "id": 4})
        assert client.answer(2)["user"] == "viewer"
        assert client.answer(4)["user"] == "demo"


# Plain HTTP


@pytest.mark.parametrize("path", ["/", "/ws", "/?token=abc"])
def test_a_plain_get_is_welcomed(engine: Engine, path: str) -> None:
    """As in salt-api, with the enabled clients."""
    response, body = get(engine, path)
    assert response.status == 200
    assert json.loads(body) == {"clients": ["local", "local_async"], "return": "Welcome"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/nothing", 404, "not_found"),
        ("GET", "/../../etc/passwd", 404, "not_found"),
        ("DELETE", "/ws", 405, "bad_message"),
    ],
)
def test_an_unknown_path_is_an_error_of_our_table(
    engine: Engine, method: str, path: str, status: int, code: str
) -> None:
    """It is JSON of the usual shape, without a traceback."""
    response, body = get(engine, path, method)
    assert response.status == status
    assert json.loads(body)["error"] == code


@pytest.mark.parametrize("path", ["/", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_no_answer_names_the_server(engine: Engine, method: str, path: str) -> None:
    """Clients without a login learn neither product nor version."""
    response, body = get(engine, path, method)
    assert response.getheader("Server") is None
    assert b"ornado" not in body
    assert b"Traceback" not in body


def test_an_upgrade_names_no_server(engine: Engine) -> None:
    """This holds for accepted and refused handshakes."""
    for extra in ([], ["Origin: https://evil.example.com"], ["X-Auth-Token: 00"]):
        with socket.create_connection(("127.0.0.1", engine.port), timeout=PATIENCE) as peer:
            peer.sendall(upgrade_request("/ws", *extra))
            answer = peer.recv(4096)
            assert answer.startswith(b"HTTP/1.1 ")
            assert b"server:" not in answer.lower()


def test_tokens_in_the_query_are_never_logged(engine: Engine) -> None:
    """This holds for every outcome and every log level."""
    canary = "c0ffee" * 10
    for path in ("/", "/ws", "/nothing", "/all_events/x"):
        get(engine, f"{path}?token={canary}")
        get(engine, f"{path}?token={canary}", "DELETE")
        handshake_path = f"{path}?token={canary}&x=%ff"
        with contextlib.suppress(ValueError):
            handshake(engine, handshake_path, Origin="https://evil.example.com")
            handshake(engine, handshake_path, X_Auth_Token=canary)
    assert canary not in engine.log


# TLS


@pytest.fixture(scope="module")
def pair(engine_root: Path) -> tuple[Path, Path]:
    """The paths of the certificate and its key."""
    return engine_root / "server.crt", engine_root / "server.key"


@pytest.fixture(scope="module")
def secure(run_engine: RunEngine, write_certificate: Callable[..., int], pair: tuple[Path, Path]) -> Engine:
    """An engine with TLS that notices a renewed certificate soon."""
    write_certificate(*pair)
    options = {"ssl_crt": str(pair[0]), "ssl_key": str(pair[1]), "limits": {"auth_seconds": 2}}
    return run_engine(options, constants={"server.CERTIFICATE_SECONDS": 0.5})


def served_serial(engine: Engine, version: ssl.TLSVersion | None = None) -> int:
    """Return the serial number of the certificate that a new connection gets."""
    from cryptography import x509

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", engine.port), timeout=PATIENCE) as peer,
        context.wrap_socket(peer, server_hostname="localhost") as tls,
    ):
        certificate = tls.getpeercert(binary_form=True)
        assert certificate is not None
        return int(x509.load_der_x509_certificate(certificate).serial_number)


def test_everything_works_over_tls(secure: Engine) -> None:
    """The log says wss, and a message that is too big is closed with 1009 too."""
    assert f" listens on wss://127.0.0.1:{secure.port}" in secure.log
    with secure.client("demo") as client:
        assert client.ask("whoami")["user"] == "demo"
    for _ in range(3):
        assert too_big_for("websocket-client", secure.url, True, KIB * KIB)[0] == 1009


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(secure: Engine, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and newer are accepted."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        served_serial(secure, version)
    assert served_serial(secure, ssl.TLSVersion.TLSv1_2) == served_serial(secure, ssl.TLSVersion.TLSv1_3)


def test_a_peer_without_tls_is_cut_off(secure: Engine) -> None:
    """A peer that stays silent, or speaks plain HTTP, is disconnected soon."""
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", secure.port), timeout=PATIENCE) as peer:
            peer.sendall(begun)
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in peer.recv(100)
    assert "Traceback" not in secure.log


def test_a_renewed_certificate_is_used_without_a_restart(
    secure: Engine, write_certificate: Callable[..., int], pair: tuple[Path, Path]
) -> None:
    """Open connections stay; a mismatched pair is logged and ignored, and the next valid one is used."""
    with secure.client("demo") as client:
        renewed = write_certificate(*pair)
        wait_until(lambda: served_serial(secure) == renewed, "the new certificate")
        write_certificate(pair[0])  # its key follows later
        wait_until(lambda: "the old one stays in use" in secure.log, "the complaint")
        assert served_serial(secure) == renewed
        again = write_certificate(*pair)
        wait_until(lambda: served_serial(secure) == again, "the next certificate")
        assert client.ask("ping")


# Networks


def test_only_listed_networks_may_connect(run_engine: RunEngine) -> None:
    """Behind a trusted proxy the client's own address counts; addresses further left may be invented."""
    engine = run_engine({"allow_from": ["10.1.0.0/16"], "trusted_proxies": ["127.0.0.0/8", "192.0.2.7/32"]})
    assert handshake(engine)[0] == 403
    for forwarded, status in {
        "10.1.2.3": 101,
        "10.2.2.3": 403,
        "10.1.2.3, 198.51.100.1": 403,
        "198.51.100.1, 10.1.2.3": 101,
        "10.1.2.3, 192.0.2.7": 101,
        "10.1.2.3, garbage": 403,
        "": 403,
    }.items():
        assert (forwarded, handshake(engine, X_Forwarded_For=forwarded)[0]) == (forwarded, status)
    with engine.client("demo", headers={"X-Forwarded-For": "10.1.2.3"}):
        pass
    assert "user=demo eauth=sharedsecret address=10.1.2.3 operation=auth outcome=ok" in engine.log


def test_forwarded_addresses_are_ignored_without_trusted_proxies(engine: Engine) -> None:
    """A client cannot choose its own address."""
    with engine.client("demo", headers={"X-Forwarded-For": "10.9.9.9"}):
        pass
    assert "10.9.9.9" not in engine.log


def test_memory_and_files_come_back(engine: Engine) -> None:
    """Closed and reset connections leave no file open."""
    folder = f"/proc/{engine.pid}/fd"
    if not os.path.isdir(folder):
        pytest.skip("no /proc here")
    engine.token()
    before = len(os.listdir(folder))
    for number in range(30):
        client = engine.client("demo" if number % 2 else None)
        if number % 3:
            client.ws.sock.close()
        else:
            client.close()
    wait_until(lambda: len(os.listdir(folder)) <= before + 2, "the files' end")
