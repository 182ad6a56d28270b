"""What is followed: subscribe and unsubscribe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ApiError
from ..live.alljobs import AllJobsSubscription
from ..live.batchviews import BatchSubscription
from ..live.connection import Subscription
from ..live.filters import make
from ..live.pictures import JobSubscription, MinionsSubscription
from ..live.streams import EventSubscription
from .fleet import grains_wanted
from .jobs import visible
from .registry import Call, operation

ALL_JOBS = "*"
"""For ``jid``: whatever jobs there are and come."""


@operation("subscribe")
async def subscribe(call: Call) -> dict[str, Any]:
    """Follow events, jobs, the fleet or batches."""
    connection, limits = call.connection, call.services.settings.limits
    if len(connection.subscriptions) >= limits.subscriptions_per_connection:
        most = limits.subscriptions_per_connection
        raise ApiError("too_many", f"{most} subscriptions are open", {"limit": "subscriptions_per_connection"})
    kind = call.message["subscription"]
    if kind in ("job", "jobs"):
        recovered = None
        number = await _follow_jobs(call)
    elif kind == "minions":
        recovered = None
        number = _follow_minions(call)
    elif kind == "batch":
        recovered = None
        number = await _follow_batches(call)
    else:
        number, recovered = _follow_events(call)
    history = call.services.history
    return {"subscription": number, "epoch": history.epoch, "seq": history.seq, "recovered": recovered}


def _follow_events(call: Call) -> tuple[int, bool | None]:
    services, connection, session = call.services, call.connection, call.session
    filter_ = make(call.message, services.expressions.of(session.user, session.eauth))
    number = connection.next_number()
    subscription = EventSubscription(
        services.hub,
        connection,
        number,
        session,
        filter_,
        bundle=call.get("bundle", False),
        drop=call.get("overflow", "close") == "drop",
    )
    since = call.get("since")
    start, recovered = position(call, since)

    def begin() -> None:
        if since is not None and start is None:
            subscription.tell_gap("epoch", None, None)
        subscription.start(start)

    _keep(call, subscription, begin)
    return number, recovered


def _keep(call: Call, subscription: Subscription, begin: Callable[[], None]) -> None:
    """Keep a subscription and begin it behind the reply, unless connection or token ended while it was made."""
    connection = call.connection
    connection.add(subscription)

    def after_reply() -> None:
        if call.session.ended:
            connection.session_ended(call.session)
        elif connection.open:
            begin()

    call.after_reply.append(after_reply)


async def _follow_jobs(call: Call) -> int:
    services, connection, session = call.services, call.connection, call.session
    wanted, only = call.get("jid", ALL_JOBS), call.get("minions", ())
    without_return = call.get("without_return", False)
    if wanted == ALL_JOBS:
        number = connection.next_number()
        all_jobs = AllJobsSubscription(
            services.views, connection, number, session, only=only, without_return=without_return
        )
        _keep(call, all_jobs, all_jobs.start)
        return number
    jobs = [(await visible(call, jid))[0] for jid in ([wanted] if isinstance(wanted, str) else dict.fromkeys(wanted))]
    number = connection.next_number()
    subscription = JobSubscription(
        services.views,
        connection,
        number,
        session,
        jobs,
        only=only,
        without_return=without_return,
    )
    _keep(call, subscription, subscription.start)
    return number


def _follow_minions(call: Call) -> int:
    connection, session = call.connection, call.session
    number = connection.next_number()
    subscription = MinionsSubscription(
        call.services.views,
        connection,
        number,
        session,
        call.get("minions", ()),
        connected=call.get("connected", False),
        grains=grains_wanted(call),
    )
    _keep(call, subscription, subscription.start)
    return number


async def _follow_batches(call: Call) -> int:
    services, connection, session = call.services, call.connection, call.session
    batch, collection = None, call.get("collection", True)
    if "batch" in call.message:
        batch = await services.batches.visible(call.message["batch"], call.viewer)
    else:
        await services.batches.listed(call.viewer)  # those of other masters are learned of
    number = connection.next_number()
    subscription = BatchSubscription(services.batch_views, connection, number, session, batch, collection=collection)
    if batch is not None and subscription.collection:
        try:
            await services.batches.whole(batch)
        except ApiError:
            subscription.stop()
            raise
    _keep(call, subscription, subscription.start)
    if not connection.open:
        subscription.stop()
    return number


@operation("unsubscribe")
async def unsubscribe(call: Call) -> bool:
    """End a subscription of this connection."""
    if not call.connection.remove(call.message["subscription"]):
        raise ApiError("not_found", "there is no such subscription on this connection")
    return True


def position(call: Call, since: Mapping[str, Any] | None) -> tuple[int | None, bool | None]:
    """Return where a replay begins (None: at the head), and whether nothing will be missing."""
    if since is None:
        return None, None
    history = call.services.history
    if since["epoch"] != history.epoch or since["seq"] > history.seq:
        return None, False
    return since["seq"], history.is_whole_after(since["seq"])
