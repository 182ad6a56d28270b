"""Runs the operation of a request, and keeps its accounts.

Accounts are what a request occupies while it runs and what it leaves behind: requests in flight of the caller and of
the user, the session that it holds, counters for ``/metrics``, and a line of the audit log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..core.access.memory import REQUESTS
from ..core.access.session import Session
from ..errors import ApiError, forget_frames
from ..fair_share import Share, on_behalf_of
from ..tracing import trace_context
from .audit import audit
from .call import OPERATIONS, Call, Operation

log = logging.getLogger(__name__)

STOPPING = "the engine is stopping: connect again"


async def run_request(call: Call, finish: Callable[[Any], Awaitable[Any]] | None = None) -> Any:
    """Run an admitted request and settle its accounts.

    :param finish: makes of the operation's result what is returned; without it, that is returned
    :raises ApiError: for the sender of the request
    """
    counters = call.services.hub.counters
    counters.requests[call.message["type"]] += 1
    try:
        result = await _traced(call)
        return result if finish is None else await finish(result)
    except ApiError as error:
        counters.errors[error.code] += 1
        if not _has_started(call):
            raise
        forget_frames(error)
        raise call.effect.complete(error) from None
    except asyncio.CancelledError:
        # Only the engine's end cancels. The client learns what it has started, or that it may try again.
        raise _stopping(call) from None
    finally:
        call.caller.commands -= 1


async def _traced(call: Call) -> Any:
    """Perform the request in a span of its own, if Salt traces."""
    tracing, name = call.services.tracing, call.message["type"]
    if not tracing.enabled:
        return await _perform(call)
    parent = trace_context(call.message.get("traceparent")) or call.caller.trace
    with tracing.span(f"websocket_api.{name}", parent, **{"websocket_api.operation": name}) as span:
        try:
            return await _perform(call)
        except ApiError as error:
            span.set_attribute("error.type", error.code)
            raise
        finally:
            if "jid" in call.audit_fields:
                span.set_attribute("salt.jid", call.audit_fields["jid"])


async def _perform(call: Call) -> Any:
    """Authenticate the request and run its operation on behalf of the user, with an audit line."""
    known, outcome = OPERATIONS[call.message["type"]], "internal"
    try:
        if known.public:
            result = await _charged(known, call, Share.unauthenticated(call.caller.address))
        else:
            session = call.current = await call.authenticate()
            session.holdings.check_limit("commands", call.services.settings.limits.commands_per_user)
            with _occupying(session, call.memory):
                result = await _charged(known, call, session.share)
        outcome = "ok"
        return result
    except ApiError as error:
        outcome = error.code
        raise
    except asyncio.CancelledError:
        outcome = "master_unavailable"  # as the sender is answered
        raise
    except Exception:
        # The sender learns that the fault is the engine's, and nothing of the inside; the log has the traceback.
        log.exception("the operation %s failed", known.name)
        raise ApiError("internal", "a fault of this server; its log says more") from None
    finally:
        if known.audited:
            audit(call.current, call.caller.address, known.name, outcome, call.audit_fields)


async def _charged(known: Operation, call: Call, share: Share) -> Any:
    """Run an operation on behalf of a user."""
    with on_behalf_of(share):
        return await call.services.loop_time.charged(share, known.handler(call))


@contextmanager
def _occupying(session: Session, memory: int) -> Iterator[None]:
    """Count a request of a user, and the memory that it takes, during a block.

    :raises ApiError: too_many, if that memory does not fit
    """
    used = session.holdings.memory
    used.reserve(REQUESTS, memory)
    session.hold("commands")  # a token of this message alone is checked like others while the request runs
    try:
        yield
    finally:
        session.release("commands")
        used.add(REQUESTS, -memory)


def _has_started(call: Call) -> bool:
    """Return whether a request has, or may have, started something. Jobs that only help to read do not count."""
    return call.effect.exists and OPERATIONS[call.message["type"]].audited


def _stopping(call: Call) -> ApiError:
    """Return the error of a request that the engine's end has canceled."""
    error = ApiError("master_unavailable", STOPPING)
    return call.effect.complete(error) if _has_started(call) else error
