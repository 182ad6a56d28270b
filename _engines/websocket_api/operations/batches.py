"""Batches: many requests to many minions, tracked as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..core.batches.batch import Batch
from ..core.batches.request import Call as BatchCall
from ..errors import ApiError
from ..fair_share import Share
from .batch_items import Plan, plan
from .call import Call, operation
from .commands import require_bus, require_client
from .masters import masters_of_batches

REQUEST_BYTES = 512  # of memory that a request takes without its arguments


@operation("batch", audited=True)
async def batch(call: Call) -> dict[str, Any]:
    """Create a batch and start it."""
    require_client(call, "local_async", "local")
    require_bus(call)
    services, session, timeout = call.services, call.session, call.get("timeout")
    planned = await plan(call)
    call.audit_fields["fun"] = sorted({one.fun for one in planned.calls})
    _check_running(call, planned)

    def make(id_: int) -> Batch:
        return Batch(
            id_,
            session.user,
            session.eauth,
            planned.calls,
            planned.requests,
            created=services.wall(),
            timeout=None if timeout == "infinity" else timeout,
            concurrency=call.get("concurrency", 0),
            stop=call.get("on_error", "continue") == "stop",
            token=session.token,
            label=planned.label(call.get("name")),
        )

    created = await services.batches.writer.create(make, len(planned.requests))
    call.audit_fields["batch"] = created.id
    call.effect.created(created.id)
    created.trace = services.tracing.current()
    services.batches.runner.start(created, session)
    return created.as_dict(ids=True)


@operation("get_batch")
async def get_batch(call: Call) -> dict[str, Any]:
    """Return a batch, or one request."""
    lookup = call.services.batches.lookup
    if "request" in call.message:
        found, index = await lookup.request(call.message["request"], call.viewer)
        with lookup.holding(found):
            await lookup.load(found)
            return found.request_as_dict(index)
    found = await lookup.visible(call.message["batch"], call.viewer)
    if not call.get("collection"):
        return found.as_dict(ids=True)
    with lookup.holding(found):
        await lookup.load(found)
        first = call.get("offset", 0)
        indexes = range(first, min(found.total, first + call.get("limit", 10_000)))
        requests: list[dict[str, Any]] = []

        def render() -> Iterator[None]:
            for index in indexes:
                requests.append(found.request_as_dict(index))
                yield

        await call.in_turns(render())
        return {**found.as_dict(), "requests": requests}


@operation("list_batches")
async def list_batches(call: Call) -> list[dict[str, Any]]:
    """Return batches, newest first."""
    masters = masters_of_batches(call)
    found = await call.services.batches.lookup.all_visible(call.viewer)
    wanted = [one for one in found if call.get("status", one.status) == one.status and one.is_of(masters)]
    shown: list[dict[str, Any]] = []

    def render() -> Iterator[None]:
        for one in wanted[: call.get("limit", 1000)]:
            shown.append(one.as_dict())
            yield

    await call.in_turns(render())
    return shown


@operation("cancel_batch", audited=True)
async def cancel_batch(call: Call) -> dict[str, Any] | None:
    """Cancel a batch, and forget it if wanted."""
    batches, forget = call.services.batches, call.get("forget", False)
    call.audit_fields["batch"] = call.message["batch"]
    require_client(call, "local_async", "local")
    found = await batches.lookup.visible(call.message["batch"], call.viewer)
    if found.ended and not forget:
        raise ApiError("conflict", "the batch has ended")
    await batches.canceler.cancel(found, forget=forget)
    return None if forget else found.as_dict()


@operation("pause_batch", audited=True)
async def pause_batch(call: Call) -> dict[str, Any]:
    """Send nothing more of a batch for now; what runs goes on to its end."""
    return await _set_paused(call, True)


@operation("resume_batch", audited=True)
async def resume_batch(call: Call) -> dict[str, Any]:
    """Continue a paused batch."""
    return await _set_paused(call, False)


async def _set_paused(call: Call, paused: bool) -> dict[str, Any]:
    batches = call.services.batches
    call.audit_fields["batch"] = call.message["batch"]
    require_client(call, "local_async", "local")
    found = await batches.lookup.visible(call.message["batch"], call.viewer)
    if found.ended or found.final is not None:
        raise ApiError("conflict", "the batch has ended, or is about to")
    await batches.pauser.set(found, paused)
    return found.as_dict()


def _weight(requests: int, calls: list[BatchCall]) -> int:
    """Return how many requests a batch counts for: large arguments use as much memory as many requests."""
    return requests + sum(one.memory for one in calls) // REQUEST_BYTES


def _check_running(call: Call, planned: Plan) -> None:
    """Check the maximum of requests that run at once; with several users, each has an equal part of it.

    :raises ApiError: too_many
    """
    maximum, own = 10 * call.services.settings.limits.batch_requests, call.session.share
    running: Counter[Share] = Counter()
    for one in call.services.batches.registry.known():
        if not one.ended:
            running[one.share] += _weight(one.total, one.calls)
    part = maximum // len(running.keys() | {own})
    # A user's first batch may have arguments of any size: messages have a maximum size.
    wanted = _weight(len(planned.requests), planned.calls if running[own] else [])
    if running[own] + wanted > part:
        sentence = f"{running[own]} requests of your batches are running, and the maximum is {part} now"
        raise ApiError("too_many", sentence, {"limit": "batch_requests"})
