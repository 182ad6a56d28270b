"""One trace from an HTTP request through the engine and the master to the minion, as a collector receives it."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("salt.utils.tracing", reason="Salt traces since 3008")
trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

from tests.client import Client  # noqa: E402
from tests.integration.conftest import CHECKOUT, SECRET, master_config, running  # noqa: E402
from tests.ports import free_port  # noqa: E402
from tests.support.waiting import is_open, wait_until  # noqa: E402

pytestmark = [pytest.mark.slow]

CALLER = "00f067aa0ba902b7"  # the span of the client's own program
FROM_REQUEST_TO_MINION = {
    ("salt-websocket-api", "websocket_api.cmd"),
    ("salt-websocket-api", "salt.req.send.publish"),
    ("salt-master", "salt.req.recv.publish"),
    ("salt-master", "salt.pub.send"),
    ("salt-minion-traced", "salt.minion.recv.test.echo"),
    ("salt-websocket-api", "websocket_api.deliver"),
}


class Span(NamedTuple):
    """One span, as a collector gets it."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    text: str


class Collector:
    """A collector of OpenTelemetry: it keeps what is sent by HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        spans = self.spans

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                for sent in trace_service.ExportTraceServiceRequest.FromString(body).resource_spans:
                    names = {one.key: one.value.string_value for one in sent.resource.attributes}
                    for scope in sent.scope_spans:
                        for one in scope.spans:
                            ids = one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex()
                            spans.append(Span(names["service.name"], one.name, *ids, str(one)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def of(self, trace: str) -> list[Span]:
        """Return the spans of a trace so far."""
        return [one for one in self.spans if one.trace == trace]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector on a free port."""
    with contextlib.closing(Collector()) as collector:
        yield collector


@pytest.fixture(scope="module")
def port(salt_factories: Any, file_root: Path, collector: Collector) -> Iterator[int]:
    """The port of an engine whose master and minion trace all that they do."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")  # milliseconds, instead of 5 s
        options = master_config(file_root, port)
        options["engines_dirs"] = [str(CHECKOUT / "_engines")]
        common = {"enabled": True, "exporter": "otlp-http", "endpoint": collector.url}
        options["tracing"] = {**common, "service_name": ""}
        master = salt_factories.salt_master_daemon("traced-master", overrides=options)
        with running(master):
            traced = {**common, "service_name": "salt-minion-traced"}
            minion = master.salt_minion_daemon("traced", overrides={"tracing": traced})
            with running(minion):
                wait_until(lambda: is_open(port), "the engine listening")
                yield port


def post(port: int, path: str, body: Any, **headers: str) -> Any:
    """Send JSON and return the answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode())
    for name, value in {"Content-Type": "application/json", "Accept": "application/json", **headers}.items():
        request.add_header(name.replace("_", "-"), value)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["return"]


def check(collector: Collector, trace: str) -> None:
    """Wait until the trace has all that belongs to it, and check the parents."""

    def names() -> set[tuple[str, str]]:
        return {("salt-master" if one.service == "salt" else one.service, one.name) for one in collector.of(trace)}

    try:
        wait_until(lambda: names() >= FROM_REQUEST_TO_MINION, "the trace", timeout=30)
    except AssertionError:
        raise AssertionError(f"missing: {FROM_REQUEST_TO_MINION - names()}; found: {sorted(names())}") from None
    spans = collector.of(trace)
    by_id = {one.id: one for one in spans}
    (request,) = [one for one in spans if one.name == "websocket_api.cmd"]
    assert request.parent == CALLER
    # Not `salt.minion.exec`: the process of a job ends before Salt sends its span (docs/salt-notes.md).
    ancestors = [next(one for one in spans if one.name == "salt.minion.recv.test.echo")]
    while (parent := by_id.get(ancestors[-1].parent)) is not None:
        ancestors.append(parent)
    assert ancestors[-1] == request, [one.name for one in ancestors]
    assert not [one for one in spans if one.service == "salt-websocket-api" and "a secret" in one.text]


def test_one_trace_goes_from_an_http_request_to_the_minion(port: int, collector: Collector) -> None:
    """The request continues the trace of its header, and the minion's part is below it."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    (login,) = post(port, "/login", {"username": "demo", "password": SECRET, "eauth": "sharedsecret"})
    low = {"client": "local", "tgt": "traced", "fun": "test.echo", "arg": ["a secret"]}
    headers = {"X_Auth_Token": login["token"], "traceparent": f"00-{trace}-{CALLER}-01"}
    assert post(port, "/", [low], **headers) == [{"traced": "a secret"}]
    check(collector, trace)


def test_one_trace_goes_from_a_message_to_the_minion(port: int, collector: Collector) -> None:
    """The message has the context as a field; an invalid one changes nothing for its sender."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    with contextlib.closing(Client(f"ws://127.0.0.1:{port}/")) as client:
        client.login("demo")
        for parent in (f"00-{trace}-{CALLER}-01", f"00-{trace}-{CALLER}"):
            job = client.ask("cmd", fun="test.echo", tgt="traced", arg=["a secret"], mode="sync", traceparent=parent)
            assert job["minions"]["traced"]["return"] == "a secret"
    check(collector, trace)
