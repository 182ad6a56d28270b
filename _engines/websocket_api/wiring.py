"""Builds the parts of the engine and connects them. Unit tests call it too, with a fake master."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .contract.schemas import Schemas
from .core.access.in_flight import JobsInFlight
from .core.access.sessions import Sessions
from .core.access.target_sets import TargetSets
from .core.access.throttle import LoginThrottle, Rate
from .core.access.turns import Turns
from .core.access.user_limits import UserLimits
from .core.access.visibility import Visibility
from .core.batches import build as build_batches
from .core.delivery.positions import Revisions
from .core.events.history import History, Restored
from .core.events.origins import Origins
from .core.fleet import build as build_fleet
from .core.health import Health
from .core.jobs.gathering import Below
from .core.jobs.registry import JobRegistry
from .core.journal.journal import Journal
from .core.minions.answers import Answers
from .core.minions.registry import MinionRegistry
from .core.minions.syndics import Syndics
from .core.sharing.following import Following
from .core.sharing.notes import Notes
from .core.sharing.share import Share
from .core.subscriptions.hub import Hub
from .core.subscriptions.job_watcher import JobWatcher
from .core.subscriptions.jobs import JobFeed
from .core.subscriptions.minions import MinionFeed
from .core.subscriptions.viewer_index import ViewerIndex
from .master import EventLog, Master
from .operations import batches, commands, describe, events, jobs, session, subscriptions  # noqa: F401 - registers the operations
from .operations.batch_jobs import BatchJobs
from .operations.services import OtherMaster, Services
from .protocols.digital_rebar.batches import RebarBatchEvents
from .protocols.digital_rebar.clients import RebarClients
from .settings import Settings

DAY_SECONDS = 86_400
BUS_LOST = "the master's event bus is lost: no events arrive, commands are refused"
HOOKS_PER_SECOND = 10  # webhooks without a token from one address: reactors run as the master's user
IN_FLIGHT_SECONDS = {"jobs_in_flight": 5.0, "runners_in_flight": 5.0, "batch_jobs_in_flight": 60.0}
"""Seconds that a job counts as in flight at most. Clients do not wait longer for their next job; batches may."""


@dataclass(frozen=True)
class Clock:
    """Time, as the engine reads it."""

    monotonic: Callable[[], float]
    """Seconds that never go back."""
    wall: Callable[[], float]
    """Seconds since the epoch."""
    later: Callable[[float, Callable[[], None]], Any]
    """Calls a function once after a number of seconds."""
    cpu: Callable[[], float] | None = None
    """CPU seconds of this process; None if they are not known."""

    @classmethod
    def of_loop(cls) -> Clock:
        """Return the clock of the running event loop."""
        return cls(time.monotonic, time.time, asyncio.get_running_loop().call_later, time.process_time)


@dataclass(frozen=True)
class Parts:
    """What the server runs."""

    services: Services
    """What operations use."""
    master: Master
    """Salt's side."""
    targets: TargetSets
    """The minions that target expressions of auth lists match."""
    rebar: RebarClients
    """Clients of Digital Rebar's protocol."""
    share: Share | None
    """This master among those that share a log with it; None without one."""
    following: Following | None
    """Reads the events of the other masters."""
    notes: Notes | None
    """Shares with the other masters what is not an event."""


def build(
    settings: Settings,
    schemas: Schemas,
    master: Master,
    clock: Clock,
    *,
    epoch: str | None = None,
    restored: Restored | None = None,
) -> Parts:
    """Return the connected parts. Nothing runs yet.

    :param epoch: the name of the numbering; without it a random one
    :param restored: what an earlier process kept of the history: its epoch and its numbers go on
    """
    run = uuid.uuid4().hex[:12]
    limits, later, monotonic, wall = settings.limits, clock.later, clock.monotonic, clock.wall
    health = Health()
    health.register("bus", vital=True, check=lambda: None if master.bus.connected else BUS_LOST)
    health.register("disk")
    health.register("tokens", check=lambda: master.auth.fault)
    own = master.about.id if master.event_log is not None else None
    clustered = master.cluster_id is not None
    shown_as = own if own is not None else master.cluster_id  # in events, jobs and batches; None without other masters
    syndics = Syndics() if master.has_syndics else None
    minion_registry = MinionRegistry(wall, syndics, master.presence_seconds, own, clustered=clustered)

    async def match(
        tgt: Any, tgt_type: str, delimiter: str = ":", *, trusted: bool = False, elsewhere: bool = False
    ) -> list[str]:
        # Nothing runs on minions of other masters: only lists and the expressions of permissions match them.
        below = [*minion_registry.below, *(minion_registry.elsewhere if trusted or elsewhere else ())]
        return await master.minions.match(tgt, tgt_type, delimiter, trusted=trusted, below=below)

    targets = TargetSets(lambda expression: match(expression, "compound", trusted=True), monotonic)
    sessions = Sessions(master.auth, targets, wall, limits.memory_per_user)
    sender = master.commands(sessions.user_of)
    history = History(
        restored.epoch if restored is not None else epoch or run,
        events=settings.history.events,
        size=settings.history.bytes,
        seconds=settings.history.seconds,
    )
    if restored is not None:
        history.restore(restored, wall())
    share = None
    if master.event_log is not None:
        share = Share(
            master.about.id, history, master.event_log, later, None if restored is None else restored.positions
        )
    below = Below(
        name_seconds=master.syndic_seconds,
        answer_seconds=master.job_seconds,
        is_syndic=minion_registry.is_syndic,
        is_direct=minion_registry.is_direct,
    )
    job_registry = JobRegistry(
        max_jobs=limits.jobs,
        clock=wall,
        below=below if master.has_syndics else None,
        master=shown_as,
        clustered=clustered,
        own_cache=master.job_cache.is_own,
    )
    journal = None
    if settings.history.store == "disk":
        journal = Journal(history=history, jobs=job_registry, health=health.register("journal"), later=later, wall=wall)
    visibility = Visibility(job_registry.get, master.user)
    turns = Turns(later, monotonic, clock.cpu)
    hub = Hub(
        turns=turns,
        limits=UserLimits(
            look_back_events_per_user=limits.look_back_events_per_user,
            patterns_per_user=limits.patterns_per_user,
        ),
        history=history,
        jobs=job_registry,
        minions=minion_registry,
        visibility=visibility,
        viewers=ViewerIndex(visibility, targets),
        later=later,
        clock=monotonic,
        wall=wall,
        tracing=master.tracing,
        origins=Origins(shown_as, clustered=clustered),
        positions=share,
    )
    notes = following = None
    if share is not None:
        notes = Notes(master.about.id, job_registry, minion_registry, monotonic, share.touch)
        share.writer.on_flush(notes.take)
        following = Following(share, hub, notes, monotonic)
    revisions = Revisions(run)
    job_feed = JobFeed(
        history=history,
        jobs=job_registry,
        visibility=visibility,
        later=later,
        clock=monotonic,
        turns=turns,
        revisions=revisions,
        max_bytes=limits.memory_per_user,
    )
    minion_feed = MinionFeed(
        history=history,
        minions=minion_registry,
        later=later,
        clock=monotonic,
        turns=turns,
        revisions=revisions,
    )
    rebar = RebarClients(
        hub=hub, jobs=job_registry, job_feed=job_feed, max_filters=limits.subscriptions_per_connection, wall=wall
    )
    job_watcher = JobWatcher(
        jobs=job_registry,
        minions=minion_registry,
        watched=lambda: [
            *job_feed.followed_jobs(),
            *rebar.followed_jobs(),
            *batches_.returns.watched(),
            *(notes.followed() if notes is not None else ()),
        ],
        publish=lambda fun, arg, names: sender.publish_as_master(fun, arg, {}, names),
        ask_elsewhere=notes.ask if notes is not None else lambda job: None,
        answer_seconds=master.job_seconds + (master.syndic_seconds if master.has_syndics else 0),
        clock=monotonic,
    )
    in_flight = {
        limit: JobsInFlight(
            getattr(limits, limit),
            seconds=seconds,
            limit=limit,
            recent_users=master.recent_users,
            jobs=job_registry,
            clock=monotonic,
            later=later,
        )
        for limit, seconds in IN_FLIGHT_SECONDS.items()
    }
    batches_ = build_batches(
        store=master.batch_store,
        salt=BatchJobs(sender, master.job_cache, job_watcher),
        jobs=job_registry,
        sessions=sessions,
        history=history,
        in_flight=in_flight["batch_jobs_in_flight"],
        turns=turns,
        revisions=revisions,
        run=run,
        keep_seconds=settings.batch_keep * DAY_SECONDS,
        master=master.about.id if master.batch_store.shared else shown_as,
        max_result_bytes=limits.memory_per_user,
        later=later,
        clock=monotonic,
        wall=wall,
        tracing=master.tracing,
        health=health.register("store"),
    )
    rebar_batches = RebarBatchEvents(rebar=rebar, lookup=batches_.lookup, later=later, clock=monotonic, turns=turns)
    batches_.registry.on_change(rebar_batches.apply_change)
    services = Services(
        settings=settings,
        schemas=schemas,
        sessions=sessions,
        throttle=LoginThrottle(
            per_name=limits.login_failures_per_minute,
            per_address=limits.login_failures_per_address_per_minute,
            clock=monotonic,
            at_once=limits.login_threads,
        ),
        webhook_rate=Rate(HOOKS_PER_SECOND, monotonic),
        history=history,
        journal=journal,
        hub=hub,
        jobs=job_registry,
        minions=minion_registry,
        job_feed=job_feed,
        minion_feed=minion_feed,
        visibility=visibility,
        job_watcher=job_watcher,
        batches=batches_,
        jobs_in_flight=in_flight["jobs_in_flight"],
        runners_in_flight=in_flight["runners_in_flight"],
        loop_time=master.loop_time,
        fair_shares={**master.fair_shares, **{name: places.turns.shares for name, places in in_flight.items()}},
        about=master.about,
        fleet=build_fleet(
            jobs=job_registry, minions=minion_registry, max_highstates=settings.metrics_highstates, wall=wall
        ),
        health=health,
        tracing=master.tracing,
        commands=sender,
        answers=Answers(jobs=job_registry, minions=minion_registry, clock=monotonic),
        functions=master.functions,
        job_cache=master.job_cache,
        match=match,
        fire=master.bus.fire,
        masters=lambda: _others(share, master.event_log),
        resume=(share or Share(master.about.id, history)).resume,
        wall=wall,
        bus_connected=lambda: master.bus.connected,
    )
    return Parts(services, master, targets, rebar, share, following, notes)


def _others(share: Share | None, log: EventLog | None) -> dict[str, OtherMaster]:
    """Return the other masters that share the stream."""
    if share is None or log is None:
        return {}
    others = [name for name in share.origins if name != share.own]
    return {name: OtherMaster(not log.is_stale(name), log.last_seen(name)) for name in others}
