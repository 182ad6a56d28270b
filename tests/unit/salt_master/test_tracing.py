"""Salt's tracing, of 3008 and newer, with spans that are kept in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from websocket_api.salt_master import tracing
from websocket_api.tracing import NO_CONTEXT, NoTracing

pytestmark = [pytest.mark.with_salt]

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
ON = {"tracing": {"enabled": True, "exporter": "none", "service_name": ""}}


@pytest.fixture
def spans() -> Iterator[Any]:
    """Spans that were recorded since the start of the test; Salt's tracing is off before and after it."""
    salt_tracing = pytest.importorskip("salt.utils.tracing")
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    salt_tracing.configure(ON)
    salt_tracing._provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter.get_finished_spans
    salt_tracing.shutdown()
    salt_tracing._cached_opts = None


def test_a_span_continues_the_trace_of_its_parent(spans: Any) -> None:
    """What is sent to the master within the block gets the span as its parent."""
    traced = tracing.connect_tracing(ON)
    with traced.span("outer", PARENT, number=1) as span:
        span.set_attribute("more", "x")
        current = traced.current()
    (found,) = spans()
    assert (format(found.context.trace_id, "032x"), format(found.parent.span_id, "016x")) == (TRACE, SPAN)
    assert (found.name, found.kind.name, dict(found.attributes)) == ("outer", "SERVER", {"number": 1, "more": "x"})
    assert current == {"traceparent": f"00-{TRACE}-{found.context.span_id:016x}-01"}
    assert traced.current() == NO_CONTEXT


def test_a_span_without_parent_starts_a_trace(spans: Any) -> None:
    """Even within another span: a task may have been started by an unrelated request."""
    traced = tracing.connect_tracing(ON)
    with traced.span("outer", PARENT), traced.span("inner", NO_CONTEXT, "INTERNAL"):
        pass
    inner, outer = spans()
    assert (inner.parent, inner.kind.name) == (None, "INTERNAL")
    assert inner.context.trace_id != outer.context.trace_id


def test_a_span_records_no_error_text(spans: Any) -> None:
    """It may quote arguments, and a traceback names places in the code."""
    traced = tracing.connect_tracing(ON)
    with pytest.raises(ValueError, match="a secret"), traced.span("failed", PARENT):
        raise ValueError("a secret")
    (found,) = spans()
    assert (found.events, "secret" in found.to_json()) == ((), False)


def test_an_unsampled_trace_is_not_recorded(spans: Any) -> None:
    """The caller decides: Salt's sampler follows the flag of the context."""
    traced = tracing.connect_tracing(ON)
    with traced.span("quiet", {"traceparent": f"00-{TRACE}-{SPAN}-00"}) as span:
        span.set_attribute("a", 1)
    assert spans() == ()


def test_the_engine_is_a_service_of_its_own(spans: Any) -> None:
    """Unless the option names another one; Salt's own default is an empty name."""
    import salt.utils.tracing as salt_tracing

    tracing.connect_tracing(ON)
    assert salt_tracing._cached_opts["service_name"] == "salt-websocket-api"
    tracing.connect_tracing({"tracing": {**ON["tracing"], "service_name": "mine"}})
    assert salt_tracing._cached_opts["service_name"] == "mine"


@pytest.mark.parametrize("opts", [{}, {"tracing": None}, {"tracing": {}}, {"tracing": {"enabled": False}}])
def test_without_the_option_nothing_is_recorded(opts: dict[str, Any]) -> None:
    """The default."""
    assert isinstance(tracing.connect_tracing(opts), NoTracing)


def test_a_salt_without_tracing_ignores_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """As 3007 does."""
    monkeypatch.setitem(__import__("sys").modules, "salt.utils.tracing", None)
    assert isinstance(tracing.connect_tracing(ON), NoTracing)
