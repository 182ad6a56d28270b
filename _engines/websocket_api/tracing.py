"""Traces across programs: trace contexts of clients, and the spans that Salt may record of their requests.

A trace context says which span of another program caused a request: https://www.w3.org/TR/trace-context/. The engine
never refuses a request because of it. An invalid one is ignored, as the standard demands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

TraceContext = Mapping[str, str]
"""``traceparent``, and ``tracestate`` where there is one; empty: none."""

NO_CONTEXT: TraceContext = {}
SERVER, INTERNAL, PRODUCER = "SERVER", "INTERNAL", "PRODUCER"
"""Kinds of spans, as OpenTelemetry names them: a request, own work, and messages to others."""
MAX_STATE = 512
"""Characters of a ``tracestate`` that are passed on; a longer one is dropped, as the standard allows."""
_PARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x20-\x7e]{0,200})?"
)
_STATE = re.compile(rf"[\x20-\x7e]{{1,{MAX_STATE}}}")


def trace_context(parent: Any, state: Any = None) -> TraceContext:
    """Return a client's trace context; empty if it is missing or invalid.

    :param parent: ``traceparent`` as received
    :param state: ``tracestate`` as received
    """
    found = _PARENT.fullmatch(parent) if isinstance(parent, str) else None
    if found is None or (found[1] == "00" and found[2]):
        return NO_CONTEXT
    if isinstance(state, str) and _STATE.fullmatch(state):
        return {"traceparent": parent, "tracestate": state}
    return {"traceparent": parent}


class Span(Protocol):
    """One recorded piece of work."""

    def set_attribute(self, key: str, value: str | int) -> None:
        """Record a fact. Never an argument, a return or a secret."""
        ...


class Tracing(Protocol):
    """Records spans (salt_master/tracing.py)."""

    enabled: bool
    """Whether spans are recorded."""

    def span(
        self, name: str, parent: TraceContext, kind: str = SERVER, **attributes: str | int
    ) -> AbstractContextManager[Span]:
        """Record the block as a span. What the block sends to the master belongs to it.

        :param parent: what caused it; empty: it starts a new trace
        """
        ...

    def current(self) -> TraceContext:
        """Return the context of the present span; empty outside of one."""
        ...

    def close(self) -> None:
        """Send what was recorded, and record nothing more."""
        ...


class _NoSpan:
    def set_attribute(self, key: str, value: str | int) -> None:
        pass


_NOTHING = nullcontext(_NoSpan())


class NoTracing:
    """Records nothing: tracing is off, or this Salt has none."""

    enabled = False

    def span(
        self, name: str, parent: TraceContext, kind: str = SERVER, **attributes: str | int
    ) -> AbstractContextManager[Span]:
        """Do nothing."""
        return _NOTHING

    def current(self) -> TraceContext:
        """Return no context."""
        return NO_CONTEXT

    def close(self) -> None:
        """Do nothing."""
