"""Batches: many requests to many minions, tracked as one."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..core.batches.batch import Batch
from ..errors import ApiError
from ..fair_share import Share
from .batch_items import Plan, plan
from .call import Call, operation
from .commands import need_bus, need_client


@operation("batch", audited=True)
async def batch(call: Call) -> dict[str, Any]:
    """Make a batch."""
    need_client(call, "local_async", "local")
    need_bus(call)
    services, session, timeout = call.services, call.session, call.get("timeout")
    planned = await plan(call)
    call.noted["fun"] = sorted({one.fun for one in planned.calls})
    _bound(call, planned)

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
        )

    made = await services.batch_writer.create(make, len(planned.requests))
    call.noted["batch"] = made.id
    services.batch_runner.start(made, session)
    return made.shown(ids=True)


@operation("get_batch")
async def get_batch(call: Call) -> dict[str, Any]:
    """Return a batch, or a request."""
    book = call.services.batches
    if "request" in call.message:
        found, place = await book.request(call.message["request"], call.viewer)
        with book.holding(found):
            await book.whole(found)
            return found.request_shown(place)
    found = await book.visible(call.message["batch"], call.viewer)
    if not call.get("collection"):
        return found.shown(ids=True)
    with book.holding(found):
        await book.whole(found)
        first = call.get("offset", 0)
        places = range(first, min(found.total, first + call.get("limit", 10_000)))
        return {**found.shown(), "requests": [found.request_shown(place) for place in places]}


@operation("list_batches")
async def list_batches(call: Call) -> list[dict[str, Any]]:
    """Return batches, newest first."""
    found = await call.services.batches.listed(call.viewer)
    wanted = [one for one in found if call.get("status", one.status) == one.status]
    return [one.shown() for one in wanted[: call.get("limit", 1000)]]


@operation("cancel_batch", audited=True)
async def cancel_batch(call: Call) -> dict[str, Any] | None:
    """Stop a batch, and forget it where that is wanted."""
    services, forget = call.services, call.get("forget", False)
    call.noted["batch"] = call.message["batch"]
    need_client(call, "local_async", "local")
    found = await services.batches.visible(call.message["batch"], call.viewer)
    if found.ended and not forget:
        raise ApiError("conflict", "the batch has ended")
    await services.batch_writer.orders.cancel(found, forget=forget)
    return None if forget else found.shown()


def _bound(call: Call, planned: Plan) -> None:
    """Refuse what is too much: all requests that are under way, of several users the part of each.

    :raises ApiError: too_many
    """
    most, wanted, own = 10 * call.services.settings.limits.batch_requests, len(planned.requests), call.session.share
    running: Counter[Share] = Counter()
    for one in call.services.batches.known():
        if not one.ended:
            running[one.share] += one.total
    part = most // len(running.keys() | {own})
    if running[own] + wanted > part:
        sentence = f"{running[own]} requests of your batches are under way, and at most {part} may be now"
        raise ApiError("too_many", sentence, {"limit": "batch_requests"})
