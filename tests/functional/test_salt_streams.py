"""salt-api's streams, of a running engine on a bus that the tests control."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")
websocket = pytest.importorskip("websocket")

import salt.config  # noqa: E402

from tests.client import Client, Closed  # noqa: E402
from tests.functional.running import Engine  # noqa: E402
from tests.goldens import files  # noqa: E402
from tests.sse import Stream  # noqa: E402
from tests.support.buses import Publisher, stamp  # noqa: E402
from tests.support.waiting import wait_until  # noqa: E402

pytestmark = [pytest.mark.both_lines]

RunEngine = Callable[..., Engine]
MIB = 1024 * 1024
LISTED = "https://app.example.com"
READY = "websocket client ready"
JID = "20261123120000000001"
PING_SECONDS = 0.5  # instead of 25
MAX_CONNECTIONS = 8  # instead of 10,000
WRONG = "0" * 64
FELL_BEHIND = 'closes_total{code="4410"}'  # in /metrics: clients that were closed because they read too slowly
ENDS_WITHIN = 1.0  # seconds in which everything that uses a token must end with it
SLACK_SECONDS = 20.0  # additional time on a loaded machine


class RunningEngine:
    """An engine and the bus that it reads.

    :param minions: minions with an accepted key
    """

    def __init__(self, engine: Engine, minions: tuple[str, ...] = ()) -> None:
        self.engine = engine
        opts = salt.config.master_config(str(engine.root / "master"))
        self._keys = Path(opts["pki_dir"]) / "minions"
        self._keys.mkdir(parents=True, exist_ok=True)
        self.bus = Publisher(Path(opts["sock_dir"]))
        self._marks = 0
        self._jobs = itertools.count(1)
        self.token = engine.token()
        self.own = f"http://127.0.0.1:{engine.port}"
        for name in minions:
            self.accept(name)
        self.mark()

    def stream(self, **options: Any) -> Stream:
        """Listen to `/events`, by default with the token in a header."""
        headers = options.pop("headers", {"X-Auth-Token": self.token})
        return Stream(self.engine.port, headers=headers, **options)

    def socket(self, path: str, token: str | None = None, **options: Any) -> Any:
        """Connect to one of salt-api's websockets."""
        path = f"/{path}/{self.token if token is None else token}"
        return websocket.create_connection(f"ws://127.0.0.1:{self.engine.port}{path}", timeout=20, **options)

    def mark(self) -> str:
        """Send an event after all others and return its tag."""
        self._marks += 1
        tag = f"mark/{self._marks}"
        self.bus.send((tag, {}))
        return tag

    def settle(self) -> None:
        """Wait until the engine has handled all events sent so far."""
        with self.stream() as stream:
            stream.until(self.mark())

    def jid(self) -> str:
        """Return a new job id, greater than all before."""
        return f"20261123130000{next(self._jobs):06}"

    def accept(self, name: str) -> None:
        """Give a minion an accepted key."""
        (self._keys / name).write_text("a public key")
        self.bus.send(("salt/key", {"id": name, "act": "accept", "result": True}))

    def delete(self, name: str) -> None:
        """Delete a minion's key."""
        (self._keys / name).unlink()
        self.bus.send(("salt/key", {"id": name, "act": "delete", "result": True}))

    def publish(self, *minions: str, jid: str = JID, fun: str = "test.ping") -> None:
        """Send the event that announces a job."""
        new = {"jid": jid, "fun": fun, "arg": [], "tgt": "*", "tgt_type": "glob", "user": "root", "missing": []}
        self.bus.send((f"salt/job/{jid}/new", {**new, "minions": list(minions), "_stamp": stamp(jid)}))

    def returns(self, minion: str, value: Any = True, retcode: int = 0, jid: str = JID) -> None:
        """Send a minion's return."""
        data = {"cmd": "_return", "id": minion, "jid": jid, "fun": "test.ping", "return": value, "retcode": retcode}
        self.bus.send((f"salt/job/{jid}/ret/{minion}", {**data, "success": retcode == 0}))


@pytest.fixture(scope="module")
def shared(run_engine: RunEngine) -> Iterator[RunningEngine]:
    """The engine of most of these tests."""
    engine = run_engine({"cors_origin": [LISTED], "limits": {"outbox_bytes": MIB}})
    running = RunningEngine(engine, ("web1", "web2"))
    with contextlib.closing(running.bus):
        yield running


@pytest.fixture
def running(shared: RunningEngine) -> RunningEngine:
    """That engine, which has sent all events of the test before, and lost its connections."""
    shared.settle()
    wait_until(lambda: shared.engine.is_unused, "the end of earlier connections")
    return shared


# /events


def test_the_stream_is_as_salt_api_s(running: RunningEngine) -> None:
    """First `retry: 400`, then tag, data and id of each event. With `event:` a browser's `onmessage` would miss it."""
    with running.stream() as stream:
        assert stream.status == 200
        assert stream.answered["content-type"] == "text/event-stream;charset=utf-8"
        assert stream.answered["cache-control"] == "no-cache"
        assert stream.answered["x-accel-buffering"] == "no"
        assert stream.answered["transfer-encoding"] == "chunked"
        assert not {"server", "content-length"} & set(stream.answered)
        running.bus.send(("my/tag", {"a": ["ä", 1, None]}))
        (sent,) = stream.until("my/tag")
        assert list(sent.fields) == ["tag", "data", "id"]
        assert (stream.retry, sent.fields["tag"]) == ([400], "my/tag")
        assert sent.data == {"tag": "my/tag", "data": {"a": ["ä", 1, None]}}
        assert re.fullmatch("[0-9a-z]+-[0-9]+", sent.id)


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "text/event-stream",
        "*/*",
        "text/*;q=0.5, application/json",
        "application/json",
        "image/png",
        "nonsense",
    ],
)
def test_accept_is_ignored(running: RunningEngine, accept: str | None) -> None:
    """rest_cherrypy ignores it too: pepper requests JSON, and gets the stream."""
    headers = {"X-Auth-Token": running.token, **({} if accept is None else {"Accept": accept})}
    with running.stream(headers=headers) as stream:
        assert (stream.status, stream.answered["content-type"]) == (200, "text/event-stream;charset=utf-8")


AWK = """
    BEGIN { RS=""; FS="\\n" }
    $1 ~ /^tag: salt\\/job\\/[0-9]+\\/new$/ { print $0; fflush() }
"""
"""Salt's documented script for /events, with a flush, because awk would buffer its output."""


@pytest.mark.parametrize("awk", [name for name in ("mawk", "gawk", "original-awk") if shutil.which(name)])
def test_salts_own_recipe_prints_events(running: RunningEngine, awk: str) -> None:
    """curl and awk print all events: each record begins with its tag and ends with an empty line."""
    command = f"curl -NsS -H 'X-Auth-Token: {running.token}' localhost:{running.engine.port}/events"
    command += f" --resolve localhost:{running.engine.port}:127.0.0.1 | {awk} '{AWK}'"
    before = connections(running.engine)
    process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        wait_until(lambda: connections(running.engine) > before, "curl's stream")
        jids = [running.jid() for _ in range(2)]
        running.publish("web1", jid=jids[0])
        running.returns("web1", jid=jids[0])
        running.bus.send(("my/tag", {"tag": f"tag: salt/job/{jids[0]}/new"}))
        running.publish("web1", jid=jids[1])
        running.bus.send(
            *[("my/filler", {"fill": "f" * 1000}) for _ in range(20)]
        )  # awk reads some kilobytes at a time
        for jid in jids:
            lines = [process.stdout.readline().decode() for _ in range(3)]
            tag = f"salt/job/{jid}/new"
            assert lines[0] == f"tag: {tag}\n"
            assert json.loads(lines[1].removeprefix("data: "))["tag"] == tag
            assert lines[2].startswith("id: ")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_peppers_stream_yields_events(running: RunningEngine) -> None:
    """pepper's own `req_stream` works as documented."""
    pepper = pytest.importorskip("pepper.libpepper")
    pytest.importorskip("requests")
    api = pepper.Pepper(running.own)
    api.login("demo", "demo", "sharedsecret")
    with contextlib.closing(api.req_stream("/events")) as response:
        assert response.status_code == 200
        lines = response.iter_lines(decode_unicode=True)
        assert [next(lines), next(lines)] == ["retry: 400", ""]
        for _ in range(3):  # each as it happens, however short it is
            tag = running.mark()
            record = [next(lines) for _ in range(4)]
            assert record[0] == f"tag: {tag}"
            assert json.loads(record[1].removeprefix("data: ")) == {"tag": tag, "data": {}}
            assert (record[2].partition(":")[0], record[3]) == ("id", "")


def test_a_client_of_http_1_0_gets_no_chunks(running: RunningEngine) -> None:
    """HTTP/1.0 has no chunks; the stream ends with its connection."""
    head = f"GET /events HTTP/1.0\r\nX-Auth-Token: {running.token}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.engine.port), timeout=20) as peer:
        peer.sendall(head.encode())
        got = b""
        while b"retry: 400\n\n" not in got:
            got += peer.recv(1 << 16)
    assert b"transfer-encoding" not in got.lower()
    assert got.endswith(b"\r\n\r\nretry: 400\n\n")


@pytest.mark.parametrize("query", ["token={token}", "salt_token=x", "x"])
def test_query_parameters_are_refused(running: RunningEngine, query: str) -> None:
    """They are refused with salt-api's explanation, with and without a valid token elsewhere, and never logged."""
    for headers in ({"X-Auth-Token": running.token}, {}):
        path = "/events?" + query.format(token=running.token)
        with running.stream(path=path, headers=headers) as stream:
            assert stream.status == 400
            assert "no query parameters" in stream.body()["message"]
    assert running.token not in running.engine.log


def cookie(running: RunningEngine, **headers: str) -> dict[str, str]:
    return {"Cookie": f"session_id={running.token}", **{name.replace("_", "-"): text for name, text in headers.items()}}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer {token}"}, 200),
        ({"X-Auth-Token": "", "Authorization": "Bearer {token}"}, 200),
        ({}, 401),
        ({"X-Auth-Token": WRONG}, 401),
        ({"X-Auth-Token": "../../../etc/passwd"}, 401),
        ({"X-Auth-Token": "x" * 5000}, 401),
        ({"Authorization": "Basic ZGVtbzpkZW1v"}, 401),
        # with a cookie: the headers that browsers send from our own pages, and from foreign ones
        ({"Cookie": "session_id={token}", "Origin": "{own}"}, 200),
        ({"Cookie": "session_id={token}", "Referer": "{own}/app"}, 200),
        ({"Cookie": "session_id={token}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Cookie": "session_id={token}", "Origin": LISTED}, 200),
        ({"Cookie": "session_id={token}", "Sec-Fetch-Site": "cross-site", "Origin": LISTED}, 200),
        ({"Cookie": "session_id={token}"}, 403),
        ({"Cookie": "session_id={token}", "Sec-Fetch-Site": "none"}, 403),
        ({"Cookie": "session_id={token}", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Cookie": "session_id={token}", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Cookie": "session_id={token}", "Origin": "https://evil.example.com"}, 403),
        ({"Cookie": "session_id={token}", "Referer": "https://evil.example.com/{own}"}, 403),
        ({"Cookie": "session_id={token}", "Origin": "null", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Cookie": f"session_id={WRONG}", "Origin": "{own}"}, 401),
    ],
)
def test_a_stream_needs_a_token_and_with_a_cookie_a_permitted_page(
    running: RunningEngine, headers: dict[str, str], status: int
) -> None:
    """With a cookie the request must come from our own pages, or from those of a listed origin."""
    filled = {name: text.format(token=running.token, own=running.own) for name, text in headers.items()}
    with running.stream(headers=filled) as stream:
        assert stream.status == status


def test_pages_of_listed_origins_may_read_the_stream(running: RunningEngine) -> None:
    """The answer has the CORS headers that browsers require."""
    with running.stream(headers=cookie(running, Origin=LISTED)) as stream:
        assert stream.answered["access-control-allow-origin"] == LISTED
        assert stream.answered["access-control-allow-credentials"] == "true"


def test_a_header_of_enormous_size_is_refused(running: RunningEngine) -> None:
    """Other clients do not notice."""
    with contextlib.suppress(Exception), running.stream(headers={"X-Auth-Token": "x" * 200_000}) as stream:
        assert stream.status in (400, 431)
    with running.stream() as stream:
        running.bus.send(("my/tag", {}))
        stream.until("my/tag")


def test_last_event_id_resumes(running: RunningEngine) -> None:
    """Events of the meantime are sent first, each once."""
    with running.stream() as stream:
        running.bus.send(("my/1", {}))
        stream.until("my/1")
    running.bus.send(("my/2", {}), ("my/3", {}))
    with running.stream(headers={"X-Auth-Token": running.token, "Last-Event-ID": stream.last_event_id}) as again:
        running.bus.send(("my/4", {}))
        sent = again.until("my/4")
    assert [one.data["tag"] for one in sent] == ["my/2", "my/3", "my/4"]
    assert again.comments == []
    assert len({one.id for one in sent}) == 3


@pytest.mark.parametrize(
    ("form", "gap"),
    [
        ("{epoch}-{future}", "epoch"),
        ("ffffffffffff-1", "epoch"),
        ("garbage", None),
        ("-1", None),
        ("{epoch}", None),
        ("{epoch}--1", None),
        ("{epoch}-99999999999999999999", None),
        ("x" * 3000, None),
    ],
)
def test_an_unknown_id_starts_live(running: RunningEngine, form: str, gap: str | None) -> None:
    """An id of another run or of the future gets a gap, in a comment that EventSource ignores; garbage gets no gap."""
    with running.stream() as stream:
        stream.until(running.mark())
        epoch, _, seq = stream.last_event_id.partition("-")
    wanted = form.format(epoch=epoch, future=int(seq) + 10_000)
    with running.stream(headers={"X-Auth-Token": running.token, "Last-Event-ID": wanted}) as again:
        mark = running.mark()
        assert [one.data["tag"] for one in again.until(mark)] == [mark]
    reasons = [json.loads(text.removeprefix("gap "))["reason"] for text in again.comments]
    assert reasons == ([gap] if gap else [])


def test_a_tag_cannot_forge_a_field(running: RunningEngine) -> None:
    """A line break in a tag is not sent as one; the data has the exact tag."""
    forged = 'my/x\ndata: {"tag": "forged", "data": {}}\rid: 1'
    with running.stream() as stream:
        running.bus.send((forged, {"a": "b\n\nc\r"}))
        (sent,) = stream.until(forged)
        assert sent.data == {"tag": forged, "data": {"a": "b\n\nc\r"}}
        assert (sent.fields["tag"], sent.id) == (re.sub("[\r\n]", " ", forged), stream.last_event_id)


def test_a_minions_own_event_has_salts_wrapper(running: RunningEngine) -> None:
    """salt-api sends the event as on the bus, and its clients read the sender's data and id in the wrapper."""
    wrapped = {"id": "web1", "tag": "my/disk", "data": {"free": 1}, "cmd": "_minion_event", "pretag": None}
    wrapped["_stamp"] = "2026-11-23T12:00:00.000001"
    with running.stream() as stream, contextlib.closing(running.socket("all_events")) as ws:
        ws.send(READY)
        wait_for_first(running, ws)
        running.bus.send(("my/disk", wrapped))
        told = stream.until("my/disk")[-1].data
        assert told == next_of(ws, "my/disk")
    del wrapped["pretag"]
    assert told == {"tag": "my/disk", "data": wrapped}


def test_secrets_and_events_of_other_users_are_left_out(running: RunningEngine) -> None:
    """The stream shows only what the user may see, redacted, as in every protocol."""
    viewer = running.engine.token("viewer")
    paths = {name: {"X-Auth-Token": token} for name, token in (("demo", running.token), ("viewer", viewer))}
    with running.stream(headers=paths["demo"]) as demo, running.stream(headers=paths["viewer"]) as second:
        running.bus.send((f"salt/job/{JID}/error", {"kwargs": {"token": "c0ffee"}, "fun": "cmd.run"}))
        running.bus.send(("salt/minion/web1/start", {"id": "web1"}))
        told = demo.until("salt/minion/web1/start")
        assert [one.data["tag"] for one in second.until("salt/minion/web1/start")] == ["salt/minion/web1/start"]
    assert told[0].data["data"]["kwargs"] == {"token": "(redacted)"}


@pytest.fixture(scope="module")
def strict(run_engine: RunEngine) -> Engine:
    """An engine with low limits."""
    return run_engine({"limits": {"ping_seconds": PING_SECONDS, "connections": MAX_CONNECTIONS}})


def test_a_quiet_stream_shows_that_it_lives(strict: Engine) -> None:
    """It sends comments, each followed by an empty line, like every record."""
    with Stream(strict.port, headers={"X-Auth-Token": strict.token()}) as stream:
        began = time.monotonic()
        while len(stream.comments) < 2:
            assert time.monotonic() < began + 30
            with pytest.raises(TimeoutError):
                stream.read(timeout=PING_SECONDS)
        assert len(stream.comments) <= (time.monotonic() - began) / PING_SECONDS + 1
        assert set(stream.comments) == {""}
        assert stream.raw == b"retry: 400\n\n" + len(stream.comments) * b":\n\n"


def test_streams_are_counted_and_released(running: RunningEngine) -> None:
    """Each counts as a connection, until its client has left."""
    before = connections(running.engine)
    streams = [running.stream() for _ in range(5)]
    assert connections(running.engine) == before + 5
    for stream in streams:
        stream.socket.close()
    wait_until(lambda: connections(running.engine) == before, "the end of the streams")


def connections(engine: Engine) -> int:
    """Return how many connections the engine counts, without the one of this request."""
    with engine.client("demo") as client:
        found = re.search(r"^websocket_api_connections (\d+)", metrics(engine), re.MULTILINE)
        client.ask("ping")
    assert found is not None
    return int(found[1]) - 1


def metrics(engine: Engine) -> str:
    import http.client

    pytest.importorskip("prometheus_client")
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


def test_the_limit_of_connections_applies_to_streams(strict: Engine) -> None:
    """Above it a stream is refused with 429; one that ends makes room."""
    token = {"X-Auth-Token": strict.token()}
    wait_until(lambda: strict.is_unused, "the end of earlier connections")
    with contextlib.ExitStack() as stack:
        tokens = [token, {"X-Auth-Token": strict.token("viewer")}] * (MAX_CONNECTIONS // 2)  # half of them for each
        streams = [stack.enter_context(Stream(strict.port, headers=headers)) for headers in tokens]
        assert [stream.status for stream in streams] == [200] * MAX_CONNECTIONS
        with Stream(strict.port, headers=token) as refused:
            assert (refused.status, refused.body()["details"]) == (429, {"limit": "connections"})
        streams[0].socket.close()
        wait_until(lambda: _status(strict, token) == 200, "room for one more")


def _status(engine: Engine, headers: dict[str, str]) -> int:
    with Stream(engine.port, headers=headers) as stream:
        return stream.status


@pytest.mark.parametrize("kind", ["events", "all_events"])
def test_a_client_that_never_reads_does_not_affect_others(running: RunningEngine, kind: str) -> None:
    """Its stream ends when its outbox is full, and can be resumed. Others get everything, in order."""
    pytest.importorskip("prometheus_client")
    before, codes = running.engine.metric(FELL_BEHIND), []
    with running.stream() as reader, contextlib.ExitStack() as stack:
        if kind == "events":
            slow = stack.enter_context(running.stream(receive_buffer=4096))
        else:
            options = {"sockopt": [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]}
            lazy = stack.enter_context(contextlib.closing(running.socket("all_events", **options)))
            lazy.send(READY)
            wait_for_first(running, lazy)
        for first in range(0, 600, 30):
            numbers = range(first, first + 30)
            running.bus.send(*[(f"flood/{number}", {"fill": "f" * 10_000}) for number in numbers])
            tags = [one.data["tag"] for one in reader.until(f"flood/{numbers[-1]}")]
            assert [tag for tag in tags if tag.startswith("flood/")] == [f"flood/{number}" for number in numbers]
            # Read the close frame at once: tornado drops a client that does not read for five seconds after it.
            if kind == "all_events" and not codes and running.engine.metric(FELL_BEHIND) > before:
                codes.append(closed(lazy)[0])
        if kind == "events":
            got = [one.data["tag"] for one in slow.rest()]
            assert 0 < len(got) < 600
            headers = {"X-Auth-Token": running.token, "Last-Event-ID": slow.last_event_id}
            with running.stream(headers=headers) as again:
                got += [one.data["tag"] for one in again.until("flood/599")]
            assert [tag for tag in got if tag.startswith("flood/")] == [f"flood/{number}" for number in range(600)]
        else:
            assert codes == [4410]


def closed(ws: Any) -> tuple[int | None, str]:
    """Wait for the server's close frame and return its code and reason."""
    while True:
        try:
            opcode, data = ws.recv_data(control_frame=True)
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return None, ""
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big"), data[2:].decode()


# /all_events


def wait_for_first(running: RunningEngine, ws: Any) -> None:
    """Wait until the stream has started: until it sends a new event."""
    ws.settimeout(0.3)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        mark = running.mark()
        with contextlib.suppress(websocket.WebSocketTimeoutException):
            while json.loads(ws.recv())["tag"] != mark:
                pass
            ws.settimeout(20)
            return
    raise AssertionError("the stream did not begin")


def next_of(ws: Any, tag: str) -> dict[str, Any]:
    """Return the next event with this tag."""
    while True:
        message: dict[str, Any] = json.loads(ws.recv())
        if message["tag"] == tag:
            return message


def test_nothing_is_sent_before_the_client_is_ready(running: RunningEngine) -> None:
    """All other messages are ignored, text or binary, and so is a second ready message."""
    with contextlib.closing(running.socket("all_events")) as ws:
        for frame in ("", "{}", "websocket client ready ", '{"type": "ping"}', "x" * 100_000):
            ws.send(frame)
        ws.send_binary(READY.encode())
        running.bus.send(("my/early", {}))
        ws.ping("a")
        assert ws.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"a")
        ws.send(READY)
        wait_for_first(running, ws)
        ws.send(READY)
        ws.send("anything")
        running.bus.send(("my/tag", {"a": 1}))
        assert next_of(ws, "my/tag") == {"tag": "my/tag", "data": {"a": 1}}
        mark = running.mark()
        assert json.loads(ws.recv())["tag"] == mark  # not my/tag again


@pytest.mark.parametrize("path", ["all_events", "formatted_events"])
def test_ping_and_close_work_at_any_time(running: RunningEngine, path: str) -> None:
    """saltnado answers neither while it streams."""
    with contextlib.closing(running.socket(path)) as ws:
        for _ in range(2):
            ws.ping("now")
            while (got := ws.recv_data(control_frame=True))[0] != websocket.ABNF.OPCODE_PONG:
                pass
            assert got[1] == b"now"
            ws.send(READY)
        ws.send_close(1000, b"bye")
        assert closed(ws)[0] == 1000


@pytest.mark.parametrize("path", ["all_events", "formatted_events", "ws"])
@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        ("{token}", {}, 101),
        ("", {"X-Auth-Token": "{token}"}, 101),
        ("", {"Authorization": "Bearer {token}"}, 101),
        ("", {"Cookie": "session_id={token}"}, 403),
        ("", {"Cookie": "session_id={token}", "Origin": "{own}"}, 101),
        ("", {"Cookie": "session_id={token}", "Origin": LISTED}, 101),
        ("", {"Cookie": "session_id={token}", "Origin": "https://evil.example.com"}, 403),
        ("{token}", {"Origin": "https://evil.example.com"}, 403),
        ("{token}", {"Origin": LISTED}, 101),
        ("", {}, 401),
        (WRONG, {}, 401),
        (WRONG, {"X-Auth-Token": "{token}"}, 401),
        ("{token}x", {}, 401),
        ("..%2f..%2fetc%2fpasswd", {}, 401),
        ("%00", {}, 401),
        ("%ff", {}, 400),
        ("x" * 3000, {}, 401),
        ("{token}/more", {}, 404),
    ],
)
def test_a_websocket_needs_a_token_and_a_permitted_page(
    running: RunningEngine, path: str, token: str, headers: dict[str, str], status: int
) -> None:
    """The token is in the path, a header or the cookie. A browser's page must be ours or of a listed origin."""
    texts = {name: text.format(token=running.token, own=running.own) for name, text in headers.items()}
    origin = texts.pop("Origin", None)
    options = {"header": texts, "origin": origin, "suppress_origin": origin is None}
    try:
        running.socket(path, token.format(token=running.token), **options).close()
        found = 101
    except websocket.WebSocketBadStatusException as refused:
        found = refused.status_code
    assert found == status


def test_paths_work_without_a_slash_too(running: RunningEngine) -> None:
    """`/all_events`, with a token in a header."""
    url = f"ws://127.0.0.1:{running.engine.port}/all_events"
    websocket.create_connection(url, header={"X-Auth-Token": running.token}, timeout=20).close()


def test_a_lost_bus_is_reported(run_engine: RunEngine) -> None:
    """`/events` gets a comment, and websockets an event of the engine: no event is lost silently."""
    running = RunningEngine(run_engine())
    with running.stream() as stream, contextlib.closing(running.socket("all_events")) as ws:
        ws.send(READY)
        wait_for_first(running, ws)
        running.bus.close()
        assert next_of(ws, "websocket_api/gap")["data"]["reason"] == "bus"
        began = time.monotonic()
        while not stream.comments and time.monotonic() < began + 30:
            with contextlib.suppress(TimeoutError):
                stream.read(timeout=1)
        assert json.loads(stream.comments[0].removeprefix("gap "))["reason"] == "bus"


# /ws/TOKEN


def answered(ws: Any) -> bool:
    """Return whether rest_cherrypy's answer to a message is next."""
    return bool(ws.recv() == "server received message")


def test_rest_cherrypys_websocket_is_served(running: RunningEngine) -> None:
    """It sends nothing before the client is ready, answers each message, and sends events in rest_cherrypy's form."""
    with contextlib.closing(running.socket("ws")) as ws:
        ws.send("something else")
        assert answered(ws)
        with running.stream() as stream:
            running.bus.send(("my/early", {}))
            stream.until(running.mark())  # the engine has read the early event
        ws.send_binary(READY.encode())
        assert answered(ws)
        frames = []
        ws.settimeout(0.3)
        while not frames:
            running.bus.send(("my/tag", {"a": "ä"}))
            with contextlib.suppress(websocket.WebSocketTimeoutException):
                frames.append(ws.recv())
        ws.settimeout(20)
        golden = files.load("rest_cherrypy")["rest_cherrypy's websocket"]["answer"]["frames"]["event"]
        assert golden["text"] == "data: <json>\n\n"
        text = frames[0].removeprefix("data: ").removesuffix("\n\n")
        assert frames[0] == f"data: {text}\n\n"
        assert json.loads(text) == {"tag": "my/tag", "data": {"a": "ä"}}
        ws.send(READY)
        while ws.recv() != "server received message":
            pass


@pytest.mark.parametrize("path", ["ws/{token}?format_events", "ws/?format_events=", "ws?format_events=1"])
def test_rest_cherrypys_websocket_formats_events(running: RunningEngine, path: str) -> None:
    """Minions are a list, jobs are by id, and each frame is a JSON object. The token may be in a header."""
    jid = running.jid()
    running.publish("web1", jid=jid)
    url = f"ws://127.0.0.1:{running.engine.port}/{path.format(token=running.token)}"
    with contextlib.closing(websocket.create_connection(url, header={"X-Auth-Token": running.token}, timeout=20)) as ws:
        ws.send(READY)
        assert answered(ws)
        texts = [ws.recv()]
        while jid not in texts[-1]:
            texts.append(ws.recv())
        frames = [json.loads(text) for text in texts]
        assert [text for text in texts if text.endswith("\n")] == []
        assert {(*frame,) for frame in frames} == {("minions",), ("jobs",)}
        assert [one["id"] for frame in frames for one in frame.get("minions", ())] == ["web1", "web2"]
        assert frames[-1]["jobs"][jid]["minions"] == {"web1": {"success": False}}


def test_ws_without_a_token_in_the_path_is_the_native_protocol(running: RunningEngine) -> None:
    """This also holds with a token in a header, which rest_cherrypy's clients may send."""
    url = f"ws://127.0.0.1:{running.engine.port}/ws"
    with contextlib.closing(websocket.create_connection(url, header={"X-Auth-Token": running.token}, timeout=20)) as ws:
        ws.send(READY)
        assert json.loads(ws.recv())["error"] == "bad_json"


# /formatted_events


class Formatted:
    """A client of the formatted events, which merges frames into its minions and jobs."""

    def __init__(self, running: RunningEngine, token: str | None = None) -> None:
        self.ws = running.socket("formatted_events", token)
        self.minions: dict[str, Any] = {}
        self.jobs: dict[str, Any] = {}
        self.frames: list[dict[str, Any]] = []

    def read(self) -> dict[str, Any]:
        text = self.ws.recv()
        assert text.endswith("\n\n")
        frame: dict[str, Any] = json.loads(text)
        self.frames.append(frame)
        assert set(frame) in ({"minions"}, {"jobs"})
        self.minions.update(frame.get("minions", {}))
        for jid, job in frame.get("jobs", {}).items():
            known = self.jobs.setdefault(jid, {"minions": {}})
            self.jobs[jid] = {**job, "minions": {**known["minions"], **job["minions"]}}
        return frame

    def until(self, condition: Callable[[Formatted], Any]) -> None:
        while not condition(self):
            self.read()


@pytest.fixture
def formatted(running: RunningEngine) -> Iterator[Callable[..., Formatted]]:
    """Connect clients of the formatted events, and send that they are ready."""
    with contextlib.ExitStack() as stack:

        def connect(token: str | None = None) -> Formatted:
            client = Formatted(running, token)
            stack.callback(client.ws.close)
            client.ws.send(READY)
            return client

        yield connect


def test_formatted_events_start_with_a_snapshot(running: RunningEngine, formatted: Callable[..., Formatted]) -> None:
    """Minions, then jobs, in saltnado's format; later only changes."""
    jid = running.jid()
    running.publish("web1", "web2", jid=jid)
    running.returns("web1", {"a": 1}, jid=jid)
    running.settle()
    client = formatted()
    client.until(lambda client: jid in client.jobs)
    assert client.minions == {name: {"id": name, "grains": {}} for name in ("web1", "web2")}
    job = client.jobs[jid]
    assert {name: job[name] for name in ("jid", "fun", "tgt", "tgt_type", "state")} == {
        "jid": jid,
        "fun": "test.ping",
        "tgt": "*",
        "tgt_type": "glob",
        "state": "running",
    }
    assert job["start_time"].startswith("2026-11-2")
    assert job["minions"] == {
        "web1": {"return": {"a": 1}, "retcode": 0, "success": True},
        "web2": {"success": False},
    }
    running.returns("web2", "no", retcode=3, jid=jid)
    client.until(lambda client: client.jobs[jid]["state"] != "running")
    change = client.frames[-1]["jobs"]
    assert (set(change), set(change[jid]["minions"])) == ({jid}, {"web2"})
    assert change[jid]["minions"]["web2"] == {"return": "no", "retcode": 3, "success": False}
    assert client.jobs[jid]["state"] == "failed"


def test_new_jobs_are_sent_and_salts_helper_jobs_are_not(
    running: RunningEngine, formatted: Callable[..., Formatted]
) -> None:
    """Runners are not sent either, because saltnado sends only jobs on minions."""
    jids = [running.jid() for _ in range(4)]
    running.publish("web1", jid=jids[0])
    client = formatted()
    client.until(lambda client: jids[0] in client.jobs)
    running.publish("web1", jid=jids[1], fun="saltutil.find_job")
    called = {"fun": "runner.manage.up", "user": "demo", "jid": jids[2], "_stamp": stamp(jids[2])}
    running.bus.send((f"salt/run/{jids[2]}/new", called))
    running.publish("web1", jid=jids[3])
    client.until(lambda client: jids[3] in client.jobs)
    assert jids[1] not in client.jobs
    assert jids[2] not in client.jobs


def test_a_minion_that_leaves_is_sent_as_gone(running: RunningEngine, formatted: Callable[..., Formatted]) -> None:
    """Its key is deleted, or its connection is lost. It is still an object, because clients read its fields."""
    running.accept("fleeting")
    client = formatted()
    client.until(lambda client: "fleeting" in client.minions)
    gone = {"id": "fleeting", "grains": {}, "gone": True}
    running.bus.send(("salt/presence/change", {"new": [], "lost": ["fleeting"]}))
    client.until(lambda client: client.minions["fleeting"] == gone)
    running.bus.send(("salt/presence/change", {"new": ["fleeting"], "lost": []}))
    client.until(lambda client: client.minions["fleeting"] == {"id": "fleeting", "grains": {}})
    running.delete("fleeting")
    client.until(lambda client: client.minions["fleeting"] == gone)
    assert all(set(frame.get("minions", {"fleeting"})) == {"fleeting"} for frame in client.frames[-3:])


def test_formatted_events_are_cut_to_the_user(running: RunningEngine, formatted: Callable[..., Formatted]) -> None:
    """A user does not see jobs whose function this user may not run."""
    secret, seen = running.jid(), running.jid()
    client = formatted(running.engine.token("viewer"))
    for jid, fun in ((secret, "cmd.run"), (seen, "test.ping")):
        running.publish("web1", jid=jid, fun=fun)
        running.returns("web1", jid=jid)
    client.until(lambda client: client.jobs.get(seen, {}).get("state") == "complete")
    assert secret not in client.jobs


def test_the_size_of_a_change_does_not_depend_on_the_number_of_jobs(
    running: RunningEngine, formatted: Callable[..., Formatted]
) -> None:
    """saltnado sends all jobs with every change."""
    few = running.jid()
    running.publish("web1", "web2", jid=few)
    client = formatted()
    client.until(lambda client: few in client.jobs)
    running.returns("web1", jid=few)
    first = json.dumps(_change(client, few))
    for _ in range(1000):
        many = running.jid()
        running.publish("web1", "web2", jid=many)
    client.until(lambda client: many in client.jobs)
    client = formatted()
    client.until(lambda client: many in client.jobs and len(client.jobs) > 1000)
    running.returns("web1", jid=many)
    second = json.dumps(_change(client, many))
    assert abs(len(first) - len(second)) < 10


def _change(client: Formatted, jid: str) -> dict[str, Any]:
    client.until(lambda client: client.jobs[jid]["minions"]["web1"].get("return") is True)
    return client.frames[-1]


# Tokens, and the end


@pytest.fixture(scope="module")
def fleeting(run_engine: RunEngine) -> Engine:
    """An engine on a master whose tokens soon expire."""
    return run_engine(master={"token_expire": 8})


def login(engine: Engine) -> dict[str, Any]:
    with engine.client() as client:
        return client.login("demo")


def test_an_expired_token_ends_all_streams_within_a_second(fleeting: Engine) -> None:
    """Websockets close with 4401, before and after they are ready; `/events` sends the reason in a comment.

    A new request with the token gets 401, after which EventSource does not retry.
    """
    token = login(fleeting)
    headers = {"X-Auth-Token": token["token"]}
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(Stream(fleeting.port, headers=headers))
        sockets = []
        for path in ("all_events", "formatted_events"):
            url = f"ws://127.0.0.1:{fleeting.port}/{path}/{token['token']}"
            for ready in (True, False):
                ws = stack.enter_context(contextlib.closing(websocket.create_connection(url, timeout=20)))
                if ready:
                    ws.send(READY)
                sockets.append(ws)
        assert [closed(ws)[0] for ws in sockets] == [4401] * 4
        assert stream.rest() == []
        assert -0.1 < time.time() - token["expire"] < ENDS_WITHIN + SLACK_SECONDS
        assert json.loads(stream.comments[-2].removeprefix("ended "))["code"] == "token_expired"
    with Stream(fleeting.port, headers=headers) as stream:
        assert stream.status == 401


def test_a_logout_ends_the_stream(running: RunningEngine) -> None:
    """Everything that uses the token ends within a second."""
    token = running.engine.token()
    with running.stream(headers={"X-Auth-Token": token}) as stream, Client(running.engine.url) as client:
        client.ask("auth", token=token)
        client.ask("logout")
        stream.rest()


def test_tokens_are_never_logged(running: RunningEngine) -> None:
    """This holds for tokens anywhere in the path, for any outcome, and at every log level."""
    canary = "c0ffee-" * 6
    paths = (*(f"{name}/{canary}" for name in ("all_events", "formatted_events", "ws", "events")), f"ws/{canary}%ff")
    for path in (*paths, f"all_events/{canary}%ff", f"ws/{canary}?format_events"):
        for headers in ({}, {"X-Auth-Token": running.token}):
            with running.stream(path=f"/{path}", headers=headers) as stream:
                assert stream.status in (400, 401, 404)
        with contextlib.suppress(websocket.WebSocketBadStatusException):
            running.socket(path, "").close()
    for path in ("all_events", "formatted_events", "ws"):
        with contextlib.closing(running.socket(path)) as ws:
            ws.send(READY)
        with running.stream(path=f"/{path}/{running.token}", headers={}) as stream:
            assert stream.status == 404  # no websocket
    assert canary not in running.engine.log
    assert running.token not in running.engine.log


def test_streams_end_with_the_engine(run_engine: RunEngine) -> None:
    """The end asks clients to reconnect: 1012 for websockets, `retry` for server-sent events."""
    engine = run_engine()
    token = engine.token()
    url = f"ws://127.0.0.1:{engine.port}/all_events/{token}"
    with (
        Stream(engine.port, headers={"X-Auth-Token": token}) as stream,
        contextlib.closing(websocket.create_connection(url, timeout=20)) as ws,
    ):
        engine.stop()
        assert closed(ws)[0] == 1012
        stream.rest()
        assert stream.retry == [400, 2000]
        assert stream.comments[-1].startswith("1012 ")


def test_streams_work_over_tls(run_engine: RunEngine, write_certificate: Callable[..., int], engine_root: Path) -> None:
    """wss and https work alike."""
    crt, key = engine_root / "streams.crt", engine_root / "streams.key"
    write_certificate(crt, key)
    engine = run_engine({"ssl_crt": str(crt), "ssl_key": str(key)})
    opts = salt.config.master_config(str(engine.root / "master"))
    token = engine.token()
    url = f"wss://127.0.0.1:{engine.port}/all_events/{token}"
    with (
        contextlib.closing(Publisher(Path(opts["sock_dir"]))) as bus,
        Stream(engine.port, headers={"X-Auth-Token": token}, tls=True) as stream,
        contextlib.closing(websocket.create_connection(url, timeout=20, sslopt={"cert_reqs": 0})) as ws,
    ):
        ws.send(READY)
        bus.send(("first", {}))
        stream.until("first")
        fill = {"fill": "x" * 200_000}
        deadline = time.monotonic() + 20
        ws.settimeout(0.5)
        while time.monotonic() < deadline:
            bus.send(("my/tag", fill))
            with contextlib.suppress(websocket.WebSocketTimeoutException):
                assert next_of(ws, "my/tag")["data"] == fill
                break
        assert stream.until("my/tag")[-1].data["data"] == fill


def test_closed_is_what_a_client_sees(running: RunningEngine) -> None:
    """The native client sees the same close on these paths as on its own."""
    with Client(f"{running.engine.url}all_events/{running.token}") as client:
        client.ws.send_close(1001, b"")
        with pytest.raises(Closed) as seen:
            client.recv()
        assert seen.value.code == 1001
