"""Subscriptions: subscribe and unsubscribe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from ..core.batches.subscriptions import BatchSubscription
from ..core.delivery.connection import Subscription
from ..core.events.history import RESTART
from ..core.subscriptions.events import EventSubscription
from ..core.subscriptions.filters import EventFilter, make
from ..core.subscriptions.job_subscription import JobSubscription
from ..core.subscriptions.minion_subscription import MinionSubscription
from ..errors import ApiError
from .call import Call, operation
from .jobs import visible_jobs
from .masters import masters_of_batches, masters_of_minions, masters_wanted
from .minions import grains_wanted

ALL_JOBS = "*"
"""The ``jid`` that means all present and future jobs."""

_Snapshot = JobSubscription | MinionSubscription | BatchSubscription
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
    result = {"subscription": number, "epoch": history.epoch, "seq": history.seq, "recovered": recovered}
    positions = call.services.hub.positions
    return result if positions is None else {**result, "since": positions.vector()}


async def _subscribe_events(call: Call) -> Subscribed:
    services, connection, session = call.services, call.connection, call.session
    filter_ = make(call.message, masters_wanted(call))
    since = call.get("since")
    start = position(call, since, filter_)
    subscription = EventSubscription(
        services.hub,
        connection,
        connection.next_number(),
        session,
        start.filter,
        bundle=call.get("bundle", False),
        drop=call.get("overflow", "close") == "drop",
    )
    if start.place is not None:
        try:
            subscription.reserve(start.place)
        except ApiError:
            subscription.stop()
            raise

    def start_subscription() -> None:
        if start.lost is not None:
            reasons = {lost["reason"] for lost in start.lost.values()} or {"epoch"}
            reason = next(name for name in ("epoch", RESTART, "history") if name in reasons)
            subscription.send_gap(reason, None, None, masters=start.lost or None)
        subscription.start(start.place)

    _add(call, subscription, start_subscription)
    return subscription, start.recovered


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


def _add_snapshot(call: Call, subscription: _Snapshot) -> Subscribed:
    """Add a subscription that starts with a snapshot, or with what changed since the client's position."""
    since = call.get("since")
    recovered = None if since is None else subscription.resume(since)
    _add(call, subscription, subscription.start)
    return subscription, recovered


async def _subscribe_jobs(call: Call) -> Subscribed:
    services, connection, session = call.services, call.connection, call.session
    wanted, only, masters = call.get("jid", ALL_JOBS), call.get("minions", ()), masters_wanted(call)
    jobs = None if wanted == ALL_JOBS else await visible_jobs(call, [wanted] if isinstance(wanted, str) else wanted)
    services.job_feed.kept.check(session.share, jobs or [])
    number = connection.next_number()
    subscription = JobSubscription(
        services.job_feed,
        connection,
        number,
        session,
        jobs,
        only=only,
        masters=masters,
        without_return=call.get("without_return", False),
        short_targets=call.get("short_targets", False),
    )
    return _add_snapshot(call, subscription)


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
        masters=masters_of_minions(call),
    )
    return _add_snapshot(call, subscription)


async def _subscribe_batches(call: Call) -> Subscribed:
    services, connection, session = call.services, call.connection, call.session
    batch, collection = None, call.get("collection", True)
    if "batch" in call.message:
        batch = await services.batches.lookup.visible(call.message["batch"], call.viewer)
    else:
        await services.batches.lookup.all_visible(call.viewer)  # discovers the batches of other masters
    number = connection.next_number()
    subscription = BatchSubscription(
        services.batches.feed,
        connection,
        number,
        session,
        batch,
        collection=collection,
        masters=masters_of_batches(call),
    )
    if batch is not None and subscription.collection:
        try:
            await services.batches.lookup.load(batch)
        except ApiError:
            subscription.stop()
            raise
    return _add_snapshot(call, subscription)


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


class Start(NamedTuple):
    """Where a stream of events starts."""

    place: int | None
    """The number after which the history is replayed; None for no replay."""
    filter: EventFilter
    """The wanted filter, without what the client has."""
    recovered: bool | None = None
    """Whether nothing is missing; None without a position."""
    lost: dict[str, dict[str, Any]] | None = None
    """Masters whose events may be missing, for the gap that is sent first; None for no such gap."""


def position(call: Call, since: Mapping[str, Any] | None, filter_: EventFilter) -> Start:
    """Return where a stream starts.

    :param since: ``{"epoch", "seq"}`` here, or such a position at each master
    """
    if since is None:
        return Start(None, filter_)
    history = call.services.history
    if "epoch" not in since or not isinstance(since["epoch"], str):
        resumed = call.services.resume(since, filter_)
        return Start(resumed.place, resumed.filter, resumed.is_whole, resumed.lost or None)
    if since["epoch"] != history.epoch or since["seq"] > history.seq:
        return Start(None, filter_, False, {})
    hub = call.services.hub
    return Start(since["seq"], filter_, history.is_whole_after(since["seq"], lambda gap: hub.concerns(gap, filter_)))
