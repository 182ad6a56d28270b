"""Salt's tracing, of 3008 and newer: spans in the traces that Salt records from its command line to the minions.

The master's option ``tracing`` switches it on and names the collector. Salt's request channel passes the present span
on to the master with each load, and the master to the minions. So nothing is added to a load here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..tracing import SERVER, NoTracing, Span, TraceContext, Tracing, trace_context

SERVICE = "salt-websocket-api"
"""The name of the engine among traced services, unless the option ``tracing`` has a ``service_name``."""
FLUSH_SECONDS = 1.0
"""Maximum time to send the last spans: Salt kills an engine 5 s after SIGTERM."""


def connect_tracing(opts: dict[str, Any]) -> Tracing:
    """Return Salt's tracing; one that records nothing where it is off or absent.

    :param opts: the master's configuration
    """
    given = opts.get("tracing")
    if not isinstance(given, dict) or not given.get("enabled"):
        return NoTracing()
    try:
        import salt.utils.tracing as salt_tracing
    except ImportError:
        return NoTracing()
    # Salt derives a name only where the option is missing, but its default is an empty one.
    options = {**given, "service_name": given.get("service_name") or SERVICE}
    salt_tracing.configure({**opts, "tracing": options})
    return SaltTracing(salt_tracing) if salt_tracing.is_enabled() else NoTracing()


class SaltTracing:
    """Records spans with Salt's wrapper of OpenTelemetry.

    :param module: ``salt.utils.tracing``, configured
    """

    enabled = True

    def __init__(self, module: Any) -> None:
        self._module = module

    @contextmanager
    def span(self, name: str, parent: TraceContext, kind: str = SERVER, **attributes: str | int) -> Iterator[Span]:
        """Record the block as a span, without errors that it raises: their texts may quote arguments."""
        # An empty context is given, too: a task may have inherited the span of an unrelated request.
        context = self._module.extract(dict(parent) or {"traceparent": ""})
        recorded = self._module.start_span(name, kind=kind, attributes=attributes or None, context=context)
        # Not with `with`: OpenTelemetry would record the text and the traceback of an error.
        span: Span = recorded.__enter__()
        try:
            yield span
        finally:
            recorded.__exit__(None, None, None)

    def current(self) -> TraceContext:
        """Return the context of the present span, as the request channel passes it on."""
        carrier: dict[str, str] = {}
        self._module.inject(carrier)
        return trace_context(carrier.get("traceparent"), carrier.get("tracestate"))

    def close(self) -> None:
        """Send the last spans; a collector that does not answer delays the end by :data:`FLUSH_SECONDS` only."""
        flushing = threading.Thread(target=self._module.shutdown, name="tracing", daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)
