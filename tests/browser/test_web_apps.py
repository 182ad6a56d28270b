"""A web application made for salt-api, served by the engine, in a real browser: it works unchanged."""

from __future__ import annotations

import contextlib
import http.server
import threading
from typing import Any, ClassVar

import pytest

from tests.browser.conftest import FIRST, SECOND
from tests.client import Client
from tests.integration.staging import Stage
from tests.sse import Stream
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

MINION, MINIONS = FIRST, {FIRST, SECOND}


@pytest.fixture
def app(page: Any) -> Any:
    """Open the app by the redirect from the root."""
    page.goto("/")
    page.wait_for_function("document.getElementById('state').textContent === 'ready'")
    return page


@pytest.fixture
def user(app: Any) -> Any:
    """Open the app and log in."""
    assert app.evaluate("logIn('demo', 'demo', 'sharedsecret')")["status"] == 200
    return app


def ask(page: Any, method: str, path: str, params: Any = None) -> dict[str, Any]:
    answer: dict[str, Any] = page.evaluate("([m, p, b]) => request(m, p, b)", [method, path, params])
    return answer


def test_a_browser_is_redirected_to_the_app_and_gets_its_files(app: Any) -> None:
    """The options have the names of rest_cherrypy; text files are requested as text."""
    assert app.url.endswith("/app")
    assert ask(app, "GET", "/static/motd.txt") == {"status": 200, "value": "hello from a file\n"}


@pytest.mark.parametrize(
    "path", ["/static/..%2fapp.html", "/static/%2e%2e/app.html", "/static//etc/passwd", "/static/"]
)
def test_nothing_outside_of_the_apps_files_is_served(app: Any, path: str) -> None:
    """This holds for paths of any form."""
    assert ask(app, "GET", path)["status"] == 404


def test_requests_before_the_login_and_wrong_passwords_are_refused(app: Any) -> None:
    """Such apps send an empty X-Auth-Token before the login."""
    assert ask(app, "GET", "/stats")["status"] == 401
    assert app.evaluate("logIn('demo', 'wrong', 'sharedsecret')")["status"] == 401


LOWS: list[tuple[dict[str, Any], Any]] = [
    (
        {"client": "local", "fun": "test.ping", "tgt": "*", "tgt_type": "glob"},
        lambda r: r == dict.fromkeys(MINIONS, True),
    ),
    ({"client": "local", "fun": "test.ping", "tgt": MINION, "tgt_type": "list"}, lambda r: r == {MINION: True}),
    (
        {"client": "local", "fun": "beacons.list", "kwarg": {"return_yaml": False}, "tgt": "*", "tgt_type": "glob"},
        lambda r: set(r) == MINIONS,
    ),
    (
        {"client": "local", "fun": "grains.items", "tgt": MINION, "tgt_type": "list"},
        lambda r: r[MINION]["id"] == MINION,
    ),
    (
        {"client": "local", "fun": "test.version", "full_return": True, "tgt": "*", "tgt_type": "compound"},
        lambda r: set(r[MINION]) == {"ret", "retcode", "jid"},
    ),
    (
        {"client": "local_async", "fun": "test.ping", "tgt": "*", "tgt_type": "glob"},
        lambda r: set(r["minions"]) == MINIONS,
    ),
    ({"client": "runner", "fun": "cache.grains", "tgt": "*"}, lambda r: set(r) == MINIONS),
    ({"client": "runner", "fun": "jobs.active"}, lambda r: isinstance(r, dict)),
    ({"client": "runner", "fun": "jobs.list_jobs", "search_function": "test.ping"}, lambda r: len(r) >= 1),
    ({"client": "runner", "fun": "manage.versions"}, lambda r: MINION in str(r)),
    ({"client": "wheel", "fun": "config.values"}, lambda r: "interface" in r["data"]["return"]),
    ({"client": "wheel", "fun": "key.finger", "match": "*"}, lambda r: MINION in r["data"]["return"]["minions"]),
    ({"client": "wheel", "fun": "key.list_all"}, lambda r: set(r["data"]["return"]["minions"]) >= MINIONS),
    ({"client": "wheel", "fun": "minions.connected"}, lambda r: r["data"]["success"] is True),
    ({"client": "wheel", "fun": "key.reject", "match": "nobody"}, lambda r: r["data"]["success"] is True),
]


def test_every_request_of_such_an_app_gets_the_expected_shape(user: Any) -> None:
    """Lists as strings, flat keyword arguments, wheels with their data."""
    for low, fits in LOWS:
        answer = ask(user, "POST", "/", low)
        assert answer["status"] == 200, (low, answer)
        (returned,) = answer["value"]["return"]
        assert fits(returned), (low, returned)
    job = ask(user, "POST", "/", LOWS[5][0])["value"]["return"][0]["jid"]
    wait_until(
        lambda: ask(user, "POST", "/", {"client": "runner", "fun": "jobs.list_job", "jid": job})["value"]["return"][0][
            "Result"
        ].get(MINION),
        "the job's return",
    )
    assert ask(user, "GET", "/stats")["status"] == 200


def test_the_event_stream_is_opened_with_the_cookie(user: Any, stage: Stage) -> None:
    """EventSource cannot send headers; each event is JSON with tag and data."""
    assert user.evaluate("listen()") is True
    with stage.client() as client:
        client.ask("event", tag="browser/test", body={"x": 1})
    user.wait_for_function("events.some((event) => event.tag === 'browser/test')")
    found = user.evaluate("events.find((event) => event.tag === 'browser/test')")
    assert found["data"]["x"] == 1


def test_a_page_without_a_referrer_gets_the_stream(user: Any) -> None:
    """The browser itself sends that the page has the same origin."""
    user.evaluate("document.head.insertAdjacentHTML('beforeend', '<meta name=referrer content=no-referrer>'); true")
    with user.expect_request("**/events") as request:
        assert user.evaluate("listen()") is True
    sent = request.value.all_headers()
    assert ("referer" in sent, "origin" in sent, sent["sec-fetch-site"]) == (False, False, "same-origin")


class Other(http.server.BaseHTTPRequestHandler):
    """Another server on the same host: another origin of the same site. It records the headers that it receives."""

    sent: ClassVar[dict[str, dict[str, str]]] = {}

    def do_GET(self) -> None:
        """Answer every request with an empty page."""
        self.sent[self.path] = dict(self.headers)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Log nothing."""


def test_another_page_of_the_same_host_gets_no_stream(user: Any, stage: Stage) -> None:
    """Its browser sends the cookie to every port; the request is refused because of its Origin."""
    Other.sent.clear()  # of a try before
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(http.server.HTTPServer(("127.0.0.1", 0), Other)) for _ in range(2)]
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        page, asked = (f"http://127.0.0.1:{server.server_port}" for server in servers)
        user.goto(page)
        user.evaluate(f"new EventSource('{asked}/events', {{withCredentials: true}}); true")
        sent = wait_until(lambda: Other.sent.get("/events"), "the browser's request")
    assert ("session_id=" in sent["Cookie"], sent["Origin"]) == (True, page)
    del sent["Host"]
    with Stream(stage.port, headers=sent) as stream:
        assert (stream.status, stream.body()["error"]) == (403, "forbidden")


def test_after_the_logout_the_stream_ends_and_requests_are_refused(user: Any) -> None:
    """The end of a session ends its streams."""
    assert user.evaluate("listen()") is True
    assert ask(user, "POST", "/logout", {})["status"] == 200
    assert ask(user, "GET", "/stats")["status"] == 401


def test_a_page_can_use_the_native_websocket_and_that_of_salt_api(user: Any, stage: Stage) -> None:
    """The cookie identifies the user, and the own Origin is allowed."""
    assert '"user":"demo"' in user.evaluate("socket('/ws', '{\"type\": \"whoami\"}')")
    with Client(stage.url) as client:
        token = client.login("demo")["token"]
        user.evaluate(
            f"""() => {{
                const end = () => {{ window.ended = true; }};
                window.ended = false;
                window.found = socket('/all_events/{token}', 'websocket client ready');
                window.found.then(end, end);
            }}"""
        )

        def ended() -> bool:
            # Until one comes: what is fired before the stream has begun is not for it.
            client.ask("event", tag="browser/fired", body={})
            return bool(user.evaluate("window.ended"))

        wait_until(ended, "an event at the page")
        assert '"tag"' in user.evaluate("window.found")
