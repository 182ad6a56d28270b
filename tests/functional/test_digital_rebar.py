"""Digital Rebar's protocol: logins, tokens in URLs, and unusual clients."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

pytest.importorskip("salt")
websocket = pytest.importorskip("websocket")
websockets_client = pytest.importorskip("websockets.sync.client")

import salt.auth  # noqa: E402
import salt.config  # noqa: E402

from tests.client import Client  # noqa: E402
from tests.functional.running import Engine  # noqa: E402
from tests.support.buses import Publisher  # noqa: E402
from tests.support.handshakes import UPGRADE  # noqa: E402
from tests.support.sockets import is_read  # noqa: E402
from tests.support.waiting import wait_until  # noqa: E402

pytestmark = [pytest.mark.both_lines]

RunEngine = Callable[..., Engine]
PATH = "api/v3/ws"
ORIGIN = "https://console.example.com"


@pytest.fixture(scope="module")
def engine(run_engine: RunEngine) -> Engine:
    """The engine of most of these tests."""
    return run_engine({"cors_origin": [ORIGIN]})


@pytest.fixture(scope="module")
def bus(engine: Engine) -> Iterator[Publisher]:
    """The bus to which it listens."""
    with contextlib.closing(Publisher(Path(salt.config.master_config(str(engine.root / "master"))["sock_dir"]))) as bus:
        bus.send(("first", {}))
        yield bus


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def connect(engine: Engine, token: str = "demo:demo", **options: Any) -> Client:
    """Connect as the documentation prints it."""
    return Client(f"{engine.url}{PATH}?token={token}", **options)


def ask(engine: Engine, query: str = "", *, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """Send a handshake and return the complete answer."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=20)
    with contextlib.closing(connection):
        wanted = {**UPGRADE, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, f"/{PATH}{query}", headers=wanted)
        response = connection.getresponse()
        response.text = response.read().decode() if response.status != 101 else ""  # type: ignore[attr-defined]
        return response


def said(client: Client) -> tuple[str, str, str]:
    """Return type, action and key of the next frame."""
    frame = client.recv()
    return frame["Type"], frame["Action"], frame["Key"]


def tokens(engine: Engine) -> set[str]:
    """The tokens in the master's store."""
    return set(salt.auth.LoadAuth(salt.config.master_config(str(engine.root / "master"))).list_tokens())


# Logins


@pytest.mark.parametrize("name", ["token", "Token"])
def test_a_token_of_salts_in_the_query(engine: Engine, name: str) -> None:
    """Both spellings of the documentation work; the token stays valid afterwards."""
    token = engine.token("viewer")
    with Client(f"{engine.url}{PATH}?{name}={token}") as client:
        client.send("register profiles.*.*")
        assert client.recv()["Principal"] == "user:viewer"
    with engine.client() as other:
        assert other.ask("whoami", token=token)["user"] == "viewer"


def test_a_name_and_a_password(engine: Engine) -> None:
    """They work in all places that the documentation allows, encoded or not."""
    for query, headers in (
        ("?token=viewer:demo", {}),
        ("?" + urlencode({"Token": "viewer:demo"}), {}),
        ("?token=viewer%3adem%6f", {}),
        ("", {"Authorization": basic("viewer:demo")}),
        ("", {"Authorization": f"Bearer {engine.token('viewer')}"}),
    ):
        with Client(f"{engine.url}{PATH}{query}", headers=headers) as client:
            client.send("register *.*.*")
            assert client.recv()["Principal"] == "user:viewer", query


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("?token=", {}),
        ("?token=demo", {}),
        ("?token=demo:", {}),
        ("?token=demo:wrong", {}),
        ("?token=stranger:demo", {}),
        ("?token=nobody:demo", {}),
        ("?token=../../etc/passwd", {}),
        ("?token=" + "0" * 64, {}),
        ("?token=" + "0" * 20_000, {}),
        ("?token=%ff%fe", {}),
        ("?token=" + quote("demo:demo\0"), {}),
        ("", {"Authorization": "Bearer wrong"}),
        ("", {"Authorization": basic("demo:wrong")}),
        ("", {"Authorization": "Basic *"}),
        ("", {"Authorization": "Digest x"}),
        ("?token=demo:demo", {"Origin": "https://evil.example.com"}),
    ],
)
def test_missing_or_wrong_credentials_get_403(engine: Engine, query: str, headers: dict[str, str]) -> None:
    """No answer repeats them, and no token is created."""
    before = tokens(engine)
    response = ask(engine, query, **headers)
    assert response.status == 403, response.text  # type: ignore[attr-defined]
    told = json.loads(response.text)  # type: ignore[attr-defined]
    assert told["error"] in ("unauthenticated", "forbidden")
    assert "wrong" not in response.text  # type: ignore[attr-defined]
    assert tokens(engine) <= before
    assert "Traceback" not in engine.log


def test_guessing_is_slowed_down(run_engine: RunEngine) -> None:
    """Wrong tokens and passwords count as failed logins: 429 with the seconds to wait."""
    engine = run_engine({"limits": {"login_failures_per_minute": 2}})
    for query in ("?token=demo:wrong", "?token=" + "0" * 64):
        statuses = [ask(engine, query).status for _ in range(3)]
        assert statuses == [403, 403, 429]
        assert int(ask(engine, query).getheader("Retry-After") or 0) > 0
    assert (
        engine.log.count("user=demo eauth=sharedsecret address=127.0.0.1 operation=auth outcome=unauthenticated") == 2
    )


def test_pages_of_listed_origins_may_connect(engine: Engine) -> None:
    """All protocols do the same."""
    for origin in (ORIGIN, f"http://127.0.0.1:{engine.port}"):
        with connect(engine, origin=origin) as client:
            client.send("register *.*.*")
            assert said(client) == ("websocket", "register", "*.*.*")


def test_requests_that_are_not_a_handshake_are_refused(engine: Engine) -> None:
    """A plain GET or another method gets an error, and a token created for it is revoked."""
    before = tokens(engine)
    assert ask(engine, "?token=demo:demo", Upgrade="h2c").status == 404
    assert ask(engine, "?token=demo:demo", Sec_WebSocket_Version="7").status == 426
    assert ask(engine, "?token=demo:demo", method="POST").status == 405
    wait_until(lambda: tokens(engine) <= before, "the tokens being given back")


# Tokens in URLs


def test_a_token_that_was_made_for_a_connection_ends_with_it(engine: Engine) -> None:
    """No other client has it; a token that the client brought stays valid."""
    brought = engine.token()
    before = tokens(engine)
    with connect(engine) as one, connect(engine, brought) as two:
        for client in (one, two):
            client.send("register *.*.*")
            client.recv()
        assert len(tokens(engine) - before) == 1
    wait_until(lambda: tokens(engine) <= before, "the token being revoked")
    assert "user=demo eauth=sharedsecret address=127.0.0.1 operation=logout outcome=ok" in engine.log


def test_a_token_ends_when_the_engine_stops(run_engine: RunEngine) -> None:
    """Clients are asked to reconnect, and none of their tokens is left."""
    engine = run_engine()
    before = tokens(engine)
    with connect(engine) as client:
        client.send("register *.*.*")
        client.recv()
        assert tokens(engine) != before
        stopping = threading.Thread(target=engine.stop)
        stopping.start()
        assert client.closed().code == 1012
        stopping.join()
    assert tokens(engine) <= before


def test_a_client_that_leaves_during_the_password_check_leaves_nothing(run_engine: RunEngine) -> None:
    """Neither a token nor a counted connection is left."""
    limits = {"connections": 1, "login_failures_per_minute": 1}
    engine = run_engine(
        {"limits": limits, "trusted_proxies": ["127.0.0.1/32"]}, constants={"core.access.throttle.DELAY_STEP": 3.0}
    )
    before = tokens(engine)
    for address in ("10.0.0.1", "10.0.0.2"):
        assert ask(engine, "?token=demo:wrong", X_Forwarded_For=address).status == 403
    # From now on logins of this name are slow.
    for reset in (False, True):
        head = "".join(f"{name}: {value}\r\n" for name, value in {**UPGRADE, "X-Forwarded-For": "10.0.0.3"}.items())
        with socket.create_connection(("127.0.0.1", engine.port), timeout=20) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", reset, 0))
            peer.sendall(f"GET /{PATH}?token=demo:demo HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
            wait_until(lambda peer=peer: is_read(peer), "the request being read")  # a reset drops unread bytes
    line = "user=demo eauth=sharedsecret address=10.0.0.3 operation=logout outcome=ok"
    wait_until(lambda: engine.log.count(line) == 2, "both tokens being revoked")
    assert tokens(engine) <= before
    with connect(engine, headers={"X-Forwarded-For": "10.0.0.4"}) as client:
        client.send("register *.*.*")
        assert said(client) == ("websocket", "register", "*.*.*")


def test_no_token_or_password_is_ever_logged(engine: Engine) -> None:
    """This holds at every log level and for every outcome."""
    before, token = engine.log.count(f"GET /{PATH}"), engine.token()
    canary, wrong = "c0ffee" * 10 + "0000", "demo:canary-password"
    for sent in (token, canary, wrong, "canary-nothing", "canary%ff"):
        for query, headers in (
            (f"?token={sent}", {}),
            (f"?Token={sent}", {"Origin": "https://evil.example.com"}),
            (f"?token={sent}", {"Upgrade": "h2c"}),
            (f"?token={sent}", {"Sec_WebSocket_Version": "1"}),
            ("", {"Authorization": f"Bearer {sent}"}),
            ("", {"Authorization": basic(sent)}),
        ):
            for method in ("GET", "DELETE"):
                ask(engine, query, method=method, **headers)
    with connect(engine, token) as client:
        client.send("register")
        client.recv()
        client.ws.sock.sendall(b"\xc1\x82\x00\x00\x00\x00{}")  # a broken frame
        assert client.closed().code == 1002
    wait_until(lambda: engine.log.count(f"GET /{PATH}") > before + 20, "the access log")
    for secret in (token, canary, "canary", "demo:demo", base64.b64encode(b"demo:").decode()[:6]):
        assert secret not in engine.log


# Unusual clients


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("register", "bad_message"),
        ("register jobs.create", "bad_message"),
        ("register a.b.c d.e.f", "bad_message"),
        ("register jobs.*." + "1" * 10_000, "too_large"),
        ("register ..", "bad_message"),
        ("deregister jobs.*.*", "not_found"),
        ("", "bad_message"),
        ('{"type": "subscribe"}', "bad_message"),
        ("\x00" * 100, "bad_message"),
        (b"register *.*.*", "bad_message"),
        (b"\xff\xfe", "bad_message"),
    ],
)
def test_a_bad_frame_is_an_error_event(engine: Engine, bus: Publisher, sent: str | bytes, code: str) -> None:
    """The connection stays open and keeps its registrations."""
    with connect(engine) as client:
        client.send("register events.*.*")
        client.recv()
        client.send(sent)
        fault = client.recv()
        assert (fault["Type"], fault["Action"], fault["Object"]["code"]) == ("websocket", "error", code)
        bus.send(("my/x", {}))
        assert said(client) == ("events", "x", "my/x")
    assert "Traceback" not in engine.log


def test_ten_thousand_registers(engine: Engine, bus: Publisher) -> None:
    """Those over the limit get an error, and no other client waits long."""
    with connect(engine) as client, engine.client("demo") as other:
        waits = []
        for number in range(10_000):
            client.ws.send(f"register events.*.my/{number}")
            if number % 1000 == 0:
                began = time.monotonic()
                assert other.ask("ping")
                waits.append(time.monotonic() - began)
        assert statistics.median(waits) < 5
        answers = [client.recv() for _ in range(10_000)]
        registered = [one["Key"] for one in answers if one["Action"] == "register"]
        assert registered == [f"events.*.my/{number}" for number in range(128)]
        assert {one["Object"]["code"] for one in answers[128:]} == {"too_many"}
        bus.send(("my/127", {}), ("my/128", {}), ("my/0", {}))
        assert [said(client)[2] for _ in range(2)] == ["my/127", "my/0"]


def test_a_frame_that_is_too_big_ends_the_connection(engine: Engine) -> None:
    """The code is 1009, as in all protocols."""
    with connect(engine) as client:
        client.send("register " + "x" * 300_000)
        assert client.closed().code == 1009


def test_the_end_of_a_token_ends_the_connection(run_engine: RunEngine) -> None:
    """It ends within a second, with the reason and 4401."""
    engine = run_engine(master={"token_expire": 3})
    with connect(engine) as client:
        fault = client.recv()
        assert (fault["Action"], fault["Object"]["code"]) == ("error", "token_expired")
        assert client.closed().code == 4401


# Clients of other projects


def test_websocket_client_as_its_documentation_prints_it(engine: Engine, bus: Publisher) -> None:
    """Digital Rebar's sample script uses WebSocketApp, which sends an Origin."""
    heard: list[dict[str, Any]] = []

    def on_open(app: Any) -> None:
        app.send("register events.*.*")

    def on_message(app: Any, message: str) -> None:
        heard.append(json.loads(message))
        if heard[-1]["Type"] == "websocket":
            bus.send(("my/x", {"n": 1}))
        else:
            app.close()

    app = websocket.WebSocketApp(f"{engine.url}{PATH}?token=demo:demo", on_open=on_open, on_message=on_message)
    thread = threading.Thread(target=app.run_forever, daemon=True)
    thread.start()
    thread.join(20)
    assert [(one["Type"], one["Key"], one["Object"]) for one in heard] == [
        ("websocket", "events.*.*", None),
        ("events", "my/x", {"n": 1}),
    ]


def test_websockets_as_its_documentation_prints_it(engine: Engine, bus: Publisher) -> None:
    """The synchronous client has its own pings and close."""
    with websockets_client.connect(f"{engine.url}{PATH}?Token={engine.token()}") as client:
        client.send("register minions.create,destroy.web.example.com")
        assert json.loads(client.recv(20))["Action"] == "register"
        client.ping().wait(20)
        bus.send(
            ("salt/minion/other/start", {"id": "other"}),
            ("salt/presence/change", {"new": ["web.example.com"], "lost": []}),
            ("salt/presence/change", {"new": [], "lost": ["other", "web.example.com"]}),
        )
        frame = json.loads(client.recv(20))
        assert (frame["Type"], frame["Action"], frame["Key"]) == ("minions", "destroy", "web.example.com")
