"""Subscriptions: subscribe and unsubscribe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..core.batches.subscriptions import BatchSubscription
from ..core.delivery.connection import Subscription
from ..core.subscriptions.events import EventSubscription
from ..core.subscriptions.filters import make
from ..core.subscriptions.jobs import JobSubscription
from ..core.subscriptions.minions import MinionSubscription
from ..errors import ApiError
from .call import Call, operation
from .jobs import visible_jobs
from .minions import grains_wanted

ALL_JOBS = "*"
"""The ``jid`` that means all present and future jobs."""

Subscribed = tuple[Subscription, bool | None]
"""A new subscription, and whether its replay is complete."""


@operation("subscribe")
async def subscribe(call: Call) -> dict[str, Any]:
    """Subscribe to events, jobs, minions or batches."""
    connection, limits = call.connection, call.services.settings.limits
    if len(connection.subscriptions) >= limits.subscriptions_per_connection:
        maximum = limits.subscriptions_per_connection
        raise ApiError("too_many", f"{maximum} subscriptions are open", {"limit": "subscriptions_per_connection"})
    call.session.holdings.check_limit("subscriptions", limits.subscriptions_per_user)
    subscription, recovered = await SUBSCRIBE[call.message["subscription"]](call)
    if not connection.open:
        subscription.stop()
    number, history = subscription.number, call.services.history
    return {"subscription": number, "epoch": history.epoch, "seq": history.seq, "recovered": recovered}


async def _subscribe_events(call: Call) -> Subscribed:
    services, connection, session = call.services, call.connection, call.session
    filter_ = make(call.message)
    since = call.get("since")
    start, recovered = position(call, since)
    subscription = EventSubscription(
        services.hub,
        connection,
        connection.next_number(),
        session,
        filter_,
        bundle=call.get("bundle", False),
        drop=call.get("overflow", "close") == "drop",
    )
    if start is not None:
        try:
            subscription.reserve(start)
        except ApiError:
            subscription.stop()
            raise

    def start_subscription() -> None:
        if since is not None and start is None:
            subscription.send_gap("epoch", None, None)
        subscription.start(start)

    _add(call, subscription, start_subscription)
    return subscription, recovered


def _add(call: Call, subscription: Subscription, start_subscription: Callable[[], None]) -> None:
    """Add a subscription, and start it after the reply, unless the connection or the token ended meanwhile.

    :param start_subscription: starts the subscription
    """
    connection = call.connection
    connection.add(subscription)

    def after_reply() -> None:
        if call.session.ended:
            connection.end_session(call.session)
        elif connection.open:
            start_subscription()

    call.after_reply.append(after_reply)


async def _subscribe_jobs(call: Call) -> Subscribed:
    services, connection, session = call.services, call.connection, call.session
    wanted, only = call.get("jid", ALL_JOBS), call.get("minions", ())
    without_return = call.get("without_return", False)
    jobs = None if wanted == ALL_JOBS else await visible_jobs(call, [wanted] if isinstance(wanted, str) else wanted)
    services.job_feed.kept.check(session.share, jobs or [])
    number = connection.next_number()
    subscription = JobSubscription(
        services.job_feed, connection, number, session, jobs, only=only, without_return=without_return
    )
    _add(call, subscription, subscription.start)
    return subscription, None


async def _subscribe_minions(call: Call) -> Subscribed:
    connection, session = call.connection, call.session
    subscription = MinionSubscription(
        call.services.minion_feed,
        connection,
        connection.next_number(),
        session,
        call.get("minions", ()),
        connected=call.get("connected", False),
        grains=grains_wanted(call),
    )
    _add(call, subscription, subscription.start)
    return subscription, None


async def _subscribe_batches(call: Call) -> Subscribed:
    services, connection, session = call.services, call.connection, call.session
    batch, collection = None, call.get("collection", True)
    if "batch" in call.message:
        batch = await services.batches.lookup.visible(call.message["batch"], call.viewer)
    else:
        await services.batches.lookup.all_visible(call.viewer)  # discovers the batches of other masters
    number = connection.next_number()
    subscription = BatchSubscription(services.batches.feed, connection, number, session, batch, collection=collection)
    if batch is not None and subscription.collection:
        try:
            await services.batches.lookup.load(batch)
        except ApiError:
            subscription.stop()
            raise
    _add(call, subscription, subscription.start)
    return subscription, None


SUBSCRIBE: dict[str, Callable[[Call], Awaitable[Subscribed]]] = {
    "event": _subscribe_events,
    "job": _subscribe_jobs,
    "jobs": _subscribe_jobs,
    "minions": _subscribe_minions,
    "batch": _subscribe_batches,
}


@operation("unsubscribe")
async def unsubscribe(call: Call) -> bool:
    """End a subscription of this connection."""
    if not call.connection.remove(call.message["subscription"]):
        raise ApiError("not_found", "there is no such subscription on this connection")
    return True


def position(call: Call, since: Mapping[str, Any] | None) -> tuple[int | None, bool | None]:
    """Return where a replay starts (None: no replay), and whether it is complete."""
    if since is None:
        return None, None
    history = call.services.history
    if since["epoch"] != history.epoch or since["seq"] > history.seq:
        return None, False
    return since["seq"], history.is_whole_after(since["seq"])
