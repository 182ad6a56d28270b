"""salt-api's protocol without a master: logins, tokens, webhooks, errors, and the files of a web app."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")

import salt.auth
import salt.config
import yaml

from tests.functional.running import Engine
from tests.support.sockets import is_read
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.both_lines]

RunEngine = Callable[..., Engine]
CREDENTIALS = {"username": "demo", "password": "demo"}
LISTED = "https://app.example.com"
SECRET = "not for everybody"


@pytest.fixture(scope="module")
def engine(run_engine: RunEngine, engine_root: Path) -> Engine:
    """An engine that serves a web app."""
    folder = engine_root / "app"
    (folder / "files").mkdir(parents=True)
    (folder / "secret.txt").write_text(SECRET)
    (folder / "index.html").write_text("<p>the app</p>")
    (folder / "files" / "motd.txt").write_text("hello")
    app = {"app": str(folder / "index.html"), "static": str(folder / "files")}
    return run_engine({"cors_origin": [LISTED], **app})


def ask(
    engine: Engine, method: str, path: str, value: Any = None, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send a request with a value as JSON, and return the answer and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=20)
    with contextlib.closing(connection):
        body = None if value is None else json.dumps(value)
        connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        return response, response.read()


def tokens(engine: Engine) -> set[str]:
    """The tokens in the master's store."""
    return set(salt.auth.LoadAuth(salt.config.master_config(str(engine.root / "master"))).list_tokens())


# Cookies


@pytest.mark.parametrize("path", ["/login", "/token"])
@pytest.mark.parametrize("stale", [True, False])
def test_an_old_cookie_does_not_prevent_a_login(engine: Engine, path: str, stale: bool) -> None:
    """A program that keeps cookies sends an old one without an Origin; here the password counts."""
    cookie = {"Cookie": f"session_id={'0' * 64 if stale else engine.token()}"}
    response, body = ask(engine, "POST", path, CREDENTIALS, cookie)
    assert response.status == 200, body


def test_an_old_cookie_is_ignored_where_lows_name_their_users(engine: Engine) -> None:
    """On `/run` it neither causes a refusal nor logs anybody in."""
    cookie = {"Cookie": f"session_id={engine.token()}"}
    low = {"client": "local", "fun": "test.ping", "tgt": "*"}
    assert ask(engine, "POST", "/run", low, cookie)[0].status == 401
    assert ask(engine, "POST", "/run", {**low, "client": "no_such"} | CREDENTIALS, cookie)[0].status == 400
    assert ask(engine, "POST", "/", low, cookie)[0].status == 403


@pytest.mark.parametrize(
    ("headers", "given"),
    [
        ({}, True),
        ({"Origin": "{own}"}, True),
        ({"Origin": LISTED}, True),
        ({"Referer": "{own}/app"}, True),
        ({"Origin": "https://evil.example.com"}, False),
        ({"Origin": "null"}, False),
        ({"Referer": "https://evil.example.com/"}, False),
        ({"Origin": "http://[x"}, False),
        ({"Referer": "http://[x/"}, False),
    ],
)
def test_a_foreign_page_cannot_log_a_browser_in(engine: Engine, headers: dict[str, str], given: bool) -> None:
    """It could use its own account, and the user would continue with that one. The page gets no cookie."""
    own = f"http://127.0.0.1:{engine.port}"
    response, _ = ask(engine, "POST", "/login", CREDENTIALS, {k: v.format(own=own) for k, v in headers.items()})
    assert response.status == 200
    assert response.getheader("X-Auth-Token")
    assert (response.getheader("Set-Cookie") is not None) is given


@pytest.fixture(scope="module")
def open_hooks(run_engine: RunEngine) -> Engine:
    """An engine that accepts webhooks without a login."""
    return run_engine({"webhook_disable_auth": True, "cors_origin": [LISTED]})


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),
        ({"Origin": "{own}"}, True),
        ({"Origin": LISTED}, True),
        ({"Origin": "https://evil.example.com"}, False),
        ({"Origin": "null"}, False),
        ({"Referer": "https://evil.example.com/"}, False),
    ],
)
def test_a_foreign_page_fires_no_hook_without_a_token(open_hooks: Engine, headers: dict[str, str], taken: bool) -> None:
    """It could make its visitors' browsers fire events inside the network. Without a bus the answer is 503."""
    own = f"http://127.0.0.1:{open_hooks.port}"
    filled = {name: text.format(own=own) for name, text in headers.items()}
    response, _ = ask(open_hooks, "POST", "/hook/x", {}, filled)
    assert (response.status != 403) is taken


# Behind a proxy that does TLS


@pytest.fixture(scope="module")
def behind_proxy(run_engine: RunEngine) -> Engine:
    """An engine that trusts a proxy on this host."""
    return run_engine({"trusted_proxies": ["127.0.0.1/32"]})


@pytest.mark.parametrize("believed", [True, False])
@pytest.mark.parametrize(("proto", "secure"), [("https", True), ("http", False), (None, False)])
def test_a_cookie_is_for_tls_only_where_the_client_uses_it(
    engine: Engine, behind_proxy: Engine, proto: str | None, secure: bool, believed: bool
) -> None:
    """`X-Forwarded-Proto` of a trusted proxy counts, and pages must have the same scheme."""
    asked = behind_proxy if believed else engine
    headers = {} if proto is None else {"X-Forwarded-Proto": proto}
    response, _ = ask(asked, "POST", "/login", CREDENTIALS, headers)
    assert ("secure" in str(response.getheader("Set-Cookie")).lower()) is (secure and believed)
    for scheme in ("http", "https"):
        cookie = {"Cookie": f"session_id={asked.token()}", "Origin": f"{scheme}://127.0.0.1:{asked.port}"}
        response, _ = ask(asked, "POST", "/logout", None, {**headers, **cookie})
        assert response.status == (200 if (scheme == "https") is (secure and believed) else 403), scheme


# What is left behind


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/run", {"client": "local", "fun": "test.ping", "tgt": "*"}), ("/", {"client": "runner", "fun": "test.arg"})],
)
def test_a_client_that_leaves_its_low_leaves_no_token(run_engine: RunEngine, path: str, fields: dict[str, str]) -> None:
    """The token that was made for the low's own password is revoked."""
    engine = run_engine(
        {
            "clients": ["local", "runner"],
            "limits": {"login_failures_per_minute": 1},
            "trusted_proxies": ["127.0.0.1/32"],
        },
        constants={"core.access.throttle.DELAY_STEP": 1.5},
    )
    before = tokens(engine)
    for address in ("10.0.0.1", "10.0.0.2"):
        wrong = {**CREDENTIALS, "password": "wrong"}
        assert ask(engine, "POST", "/login", wrong, {"X-Forwarded-For": address})[0].status == 401
    # From now on logins with this name are slow.
    body = json.dumps({**fields, **CREDENTIALS})
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", engine.port), timeout=20) as peer:
        peer.sendall(head.encode() + body.encode())
        wait_until(lambda: is_read(peer), "the request being read")
    line = "user=demo eauth=sharedsecret address=127.0.0.1 operation=logout outcome=ok"
    wait_until(lambda: line in engine.log, "the token being revoked")
    assert tokens(engine) <= before


# What is refused


def test_keys_need_the_client_wheel(engine: Engine) -> None:
    """The error has Salt's text and status: on 401 web apps would forget a valid login."""
    token = {"X-Auth-Token": engine.token()}
    for method, value in (("GET", None), ("POST", {"mid": "new"})):
        response, body = ask(engine, method, "/keys", value, token)
        assert response.status == 400
        assert json.loads(body)["message"].startswith("Client disabled: 'wheel'.")


@pytest.fixture(scope="module")
def with_wheels(run_engine: RunEngine) -> Engine:
    """An engine with the client wheel enabled."""
    return run_engine({"clients": ["wheel"]})


@pytest.mark.parametrize("size", [0, -1, True, "x", "1e3", 2048.5, 8193, 10**9, [2048], {}])
def test_the_size_of_a_key_is_limited(with_wheels: Engine, size: Any) -> None:
    """A key of a million bits would keep a worker of the master busy forever."""
    token = {"X-Auth-Token": with_wheels.token()}
    response, body = ask(with_wheels, "POST", "/keys", {"mid": "new", "keysize": size}, token)
    assert response.status == 400
    assert json.loads(body)["details"][0]["path"] == "/keysize"


@pytest.mark.parametrize("path", ["/minions/%ff", "/hook/x?a=%ff", "/hook/%ff"])
def test_invalid_text_in_a_path_is_an_error_of_the_sender(engine: Engine, path: str) -> None:
    """The answer is not an error of the server."""
    method = "POST" if "hook" in path else "GET"
    response, body = ask(engine, method, path, None, {"X-Auth-Token": engine.token()})
    assert (response.status, json.loads(body)["error"]) == (400, "bad_message")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/run", "OPTIONS, POST"),
        ("GET", "/hook", "OPTIONS, POST"),
        ("PUT", "/login", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/jobs", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/stats", "GET, HEAD, OPTIONS"),
        ("POST", "/keys/minion", "GET, HEAD, OPTIONS"),
        ("PUT", "/batches/1", "DELETE, GET, HEAD, OPTIONS"),
        ("DELETE", "/batches/20260102030405000006", "GET, HEAD, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_an_unsupported_method_is_answered_with_the_supported_ones(
    engine: Engine, method: str, path: str, allowed: str
) -> None:
    """RFC 9110 section 15.5.6 requires it with a 405."""
    response, _ = ask(engine, method, path, headers={"X-Auth-Token": engine.token()})
    assert (response.status, response.getheader("Allow")) == (405, allowed)


# The files of a web app


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/some/view"])
def test_the_app_is_under_every_path_of_its_own(engine: Engine, path: str) -> None:
    """GET and HEAD serve it."""
    response, body = ask(engine, "GET", path)
    assert (response.status, body) == (200, b"<p>the app</p>")
    response, body = ask(engine, "HEAD", path)
    assert (response.status, body) == (200, b"")
    assert ask(engine, "POST", path)[0].status == 405


def test_files_are_served(engine: Engine) -> None:
    """They come from the configured directory."""
    assert ask(engine, "GET", "/static/motd.txt")[1] == b"hello"
    assert ask(engine, "HEAD", "/static/motd.txt")[0].status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "%2e%2e%2fsecret.txt", "x/../../secret.txt"),
        *(
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "..\\secret.txt",
            "motd.txt/../../secret.txt",
            "..",
            ".",
            "",
            "%00",
            "motd.txt%00",
        ),
    ],
)
def test_nothing_outside_the_directory_is_served(engine: Engine, path: str) -> None:
    """Paths are sent unnormalized."""
    response, body = ask(engine, "GET", f"/static/{path}")
    assert response.status in (400, 404), body
    assert SECRET.encode() not in body
    assert b"root:" not in body


# Errors


def test_wrong_tokens_do_not_block_valid_ones(run_engine: RunEngine) -> None:
    """This also holds for a token that is new to the engine, from another master or from before its last start.

    A client that sends wrong ones must wait; logins with passwords from its address still work.
    """
    engine = run_engine({"limits": {"login_failures_per_minute": 3}})
    auth = salt.auth.LoadAuth(salt.config.master_config(str(engine.root / "master")))
    fresh = auth.mk_token({**CREDENTIALS, "eauth": "sharedsecret"})["token"]
    stale = ["e" * 64] * 4  # of a forgotten dashboard, which keeps asking
    sent = [*stale, *(f"{n:064x}" for n in range(2))]
    wrong = [ask(engine, "GET", "/stats", headers={"X-Auth-Token": token})[0].status for token in sent]
    assert wrong == [401, 401, 401, 429, 429, 429]
    assert ask(engine, "GET", "/stats", headers={"X-Auth-Token": fresh})[0].status == 200
    assert ask(engine, "POST", "/login", CREDENTIALS)[0].status == 200


def test_guessed_passwords_of_an_odd_user_name_block_no_token(run_engine: RunEngine) -> None:
    """No account can have the name that wrong tokens are counted under."""
    engine = run_engine({"limits": {"login_failures_per_minute": 3}})
    for name in ("token", "token", "token"):
        assert ask(engine, "POST", "/login", {"username": name, "password": "x"})[0].status == 401
    assert ask(engine, "GET", "/stats", headers={"X-Auth-Token": "0" * 64})[0].status == 401


@pytest.mark.parametrize(
    ("method", "path", "value", "status"),
    [
        ("GET", "/jobs/20200101000000000000", None, 404),
        ("GET", "/batches/0", None, 404),
        ("POST", "/", {"client": "zz", "fun": "x"}, 400),
        ("POST", "/", {"client": "local", "fun": "test.ping", "tgt": "*", "ret": "redis"}, 400),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "application/x-yaml"])
def test_errors_have_the_requested_type(
    engine: Engine, method: str, path: str, value: Any, status: int, kind: str
) -> None:
    """No cache keeps them."""
    response, body = ask(engine, method, path, value, {"X-Auth-Token": engine.token(), "Accept": kind})
    assert (response.status, response.getheader("Content-Type")) == (status, kind)
    assert "no-store" in str(response.getheader("Cache-Control"))
    told = yaml.safe_load(body) if "yaml" in kind else json.loads(body)
    assert set(told) == {"error", "message", "details"}


def test_an_error_before_the_login_has_the_requested_type_too(engine: Engine) -> None:
    """A client without a token gets it."""
    response, body = ask(engine, "GET", "/minions", headers={"Accept": "application/x-yaml"})
    assert response.status == 401
    assert yaml.safe_load(body)["error"] == "unauthenticated"


@pytest.mark.parametrize("id_", ["0", "9007199254740992", "99999999999999999", "1" * 21])
@pytest.mark.parametrize(
    ("method", "path", "what"),
    [("GET", "/batches", "batch"), ("DELETE", "/batches", "batch"), ("GET", "/requests", "request")],
)
def test_an_unknown_batch_number_is_not_found(engine: Engine, id_: str, method: str, path: str, what: str) -> None:
    """The number may have any size; each method answers alike."""
    response, body = ask(engine, method, f"{path}/{id_}", headers={"X-Auth-Token": engine.token()})
    assert (response.status, json.loads(body)["message"]) == (404, f"Can't find {what} id: {id_}")


@pytest.mark.parametrize("path", ["/jobs", "/batches"])
def test_a_job_cannot_be_deleted(engine: Engine, path: str) -> None:
    """Jobs and batches share their paths: 20 digits are a job, which is read-only."""
    response, _ = ask(engine, "DELETE", f"{path}/{'1' * 20}", headers={"X-Auth-Token": engine.token()})
    assert response.status == 405


def test_a_returner_is_refused_by_its_name(engine: Engine) -> None:
    """The status is 400: 401 asks for another login, which would not help."""
    low = {"client": "local_async", "fun": "test.ping", "tgt": "*", "ret": "redis"}
    response, body = ask(engine, "POST", "/", low, {"X-Auth-Token": engine.token()})
    assert (response.status, [one["path"] for one in json.loads(body)["details"]]) == (400, ["/ret"])
