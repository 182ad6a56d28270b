"""Trace contexts of clients, and the spans of requests, batches and deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from websocket_api.core.delivery.caller import Caller
from websocket_api.errors import ApiError
from websocket_api.tracing import NO_CONTEXT, SERVER, NoTracing, TraceContext, trace_context

from tests.unit.core.batches.support import settle
from tests.unit.operations.engine import ALL, Engine

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "parent", [PARENT, f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-x"]
)
def test_a_valid_trace_context_is_accepted(parent: str) -> None:
    """Later versions may add fields at the end."""
    assert trace_context(parent) == {"traceparent": parent}


@pytest.mark.parametrize(
    "parent",
    [
        None,
        17,
        ["a"],
        "",
        "x",
        PARENT.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-x",
        f"00-{TRACE}-{SPAN}",
        f"{PARENT},{PARENT}",
        f" {PARENT}",
        f"{PARENT}\n",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 1000}",
        f"cc-{TRACE}-{SPAN}-01-\n",
    ],
)
def test_an_invalid_trace_context_is_ignored(parent: Any) -> None:
    """Without an error, as W3C Trace Context demands; its tracestate then means nothing."""
    assert trace_context(parent, "vendor=1") == NO_CONTEXT


@pytest.mark.parametrize(
    ("state", "kept"),
    [("vendor=1,other=2", True), (None, False), ("", False), ("a" * 513, False), ("a=\n", False), ("a=é", False)],
)
def test_a_tracestate_is_passed_on_if_it_is_short_text(state: Any, kept: bool) -> None:
    """It belongs to other programs."""
    assert trace_context(PARENT, state) == ({"traceparent": PARENT} | ({"tracestate": state} if kept else {}))


class Recorder:
    """Records spans. The context of each has its number as the span's id."""

    enabled = True

    def __init__(self) -> None:
        self.spans: list[SimpleNamespace] = []
        self.open: list[SimpleNamespace] = []

    @contextmanager
    def span(self, name: str, parent: TraceContext, kind: str = SERVER, **attributes: Any) -> Iterator[Any]:
        span = SimpleNamespace(name=name, parent=dict(parent), kind=kind, attributes=attributes)
        span.context = {"traceparent": f"00-{TRACE}-{len(self.spans) + 1:016x}-01"}
        span.set_attribute = attributes.__setitem__
        self.spans.append(span)
        self.open.append(span)
        try:
            yield span
        finally:
            self.open.remove(span)

    def current(self) -> TraceContext:
        return self.open[-1].context if self.open else NO_CONTEXT

    def close(self) -> None:
        pass

    def named(self, name: str) -> SimpleNamespace:
        """Return the only span of this name."""
        (span,) = [one for one in self.spans if one.name == f"websocket_api.{name}"]
        return span


@pytest.fixture
def recorder() -> Recorder:
    """A recorder of spans."""
    return Recorder()


@pytest.fixture
def engine(recorder: Recorder) -> Engine:
    """An engine that traces."""
    return Engine(tracing=recorder, ann=ALL, bob=["test.echo"])


async def test_a_request_is_a_span_of_its_trace(engine: Engine, recorder: Recorder) -> None:
    """With the job's id, and with nothing of the arguments."""
    user = await engine.user()
    started = await user.ask("cmd", fun="test.echo", tgt="web1", arg=["a secret"], traceparent=PARENT)
    span = recorder.named("cmd")
    assert (span.parent, span.kind) == ({"traceparent": PARENT}, "SERVER")
    assert span.attributes == {"websocket_api.operation": "cmd", "salt.jid": started["jid"]}


@pytest.mark.parametrize("fields", [{}, {"traceparent": "x"}])
async def test_a_request_without_a_valid_context_starts_a_trace(
    engine: Engine, recorder: Recorder, fields: dict[str, str]
) -> None:
    """And is answered as any other."""
    user = await engine.user()
    assert await user.ask("ping", **fields)
    assert recorder.named("ping").parent == NO_CONTEXT


async def test_a_refused_request_has_its_code_in_the_span(engine: Engine, recorder: Recorder) -> None:
    """The message of an error may quote arguments, so it is left out."""
    user = await engine.user("bob")
    with pytest.raises(Exception, match="forbidden"):
        await user.ask("runner", fun="manage.up", arg=["a secret"])
    assert recorder.named("runner").attributes == {"websocket_api.operation": "runner", "error.type": "forbidden"}


async def test_an_http_request_brings_its_context_in_the_caller(engine: Engine, recorder: Recorder) -> None:
    """Its operations are spans of one trace."""
    caller = Caller("127.0.0.1")
    caller.trace = {"traceparent": PARENT, "tracestate": "vendor=1"}
    with pytest.raises(ApiError):
        await engine.dispatcher.call(caller, "whoami")
    assert recorder.named("whoami").parent == caller.trace


async def test_a_job_of_a_batch_is_a_span_of_the_request_that_created_the_batch(
    engine: Engine, recorder: Recorder
) -> None:
    """Also if it is published later."""
    user = await engine.user()
    await engine.services.batches.maintenance.tick()
    await user.ask("batch", batch=[{"fun": "test.ping", "tgt": "web1"}], traceparent=PARENT)
    engine.time.pass_(1)
    await settle()
    span = recorder.named("batch_job")
    assert span.parent == recorder.named("batch").context
    assert (span.kind, span.attributes["websocket_api.requests"]) == ("INTERNAL", 1)
    assert span.attributes["salt.jid"] == engine.commands.published[0]["jid"]


async def test_the_delivery_of_an_event_of_a_trace_is_one_span(engine: Engine, recorder: Recorder) -> None:
    """However many clients get it; Salt adds the context to its events."""
    for _ in range(3):
        user = await engine.user()
        await user.ask("subscribe", subscription="event", tag="myco/")
    engine.world.fire("myco/disk", free=17, traceparent=PARENT)
    engine.world.fire("myco/disk", free=17, traceparent="x")
    engine.world.fire("myco/disk", free=17, traceparent={"a": 1})
    span = recorder.named("deliver")
    assert (span.parent, span.kind) == ({"traceparent": PARENT}, "PRODUCER")
    assert span.attributes == {"websocket_api.seq": engine.services.history.seq - 2, "websocket_api.groups": 1}


async def test_without_tracing_the_context_is_accepted_and_unused() -> None:
    """A client need not know whether the master traces."""
    engine = Engine()
    user = await engine.user()
    assert await user.ask("cmd", fun="test.ping", tgt="web1", traceparent=PARENT)
    assert "traceparent" not in repr(engine.commands.published)
    tracing = NoTracing()
    with tracing.span("x", NO_CONTEXT, a=1) as span:
        span.set_attribute("b", 2)
    assert (tracing.current(), tracing.close()) == (NO_CONTEXT, None)
