"""Puts the parts of the engine together: the master's side, the live pictures, the operations."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import Any

from .contract.schemas import Schemas
from .core.access.in_flight import JobsInFlight
from .core.access.loop_time import LoopTime
from .core.access.sessions import Sessions
from .core.access.target_sets import TargetSets
from .core.access.throttle import LoginThrottle, Rate
from .core.access.turns import Turns
from .core.access.user_limits import UserLimits
from .core.access.visibility import Visibility
from .core.batches import build as build_batches
from .core.events.history import History
from .core.jobs.registry import JobRegistry
from .core.minions.answers import Answers
from .core.minions.registry import MinionRegistry
from .core.subscriptions.hub import Hub
from .core.subscriptions.job_watcher import JobWatcher
from .core.subscriptions.jobs import JobFeed
from .core.subscriptions.minions import MinionFeed
from .fair_share import Askers
from .operations import batches, commands, describe, events, jobs, session, subscriptions  # noqa: F401 - registers the operations
from .operations.batch_jobs import BatchJobs
from .operations.services import Services
from .protocols.digital_rebar.batches import RebarBatchEvents
from .protocols.digital_rebar.clients import RebarClients
from .salt_master.auth import Auth
from .salt_master.batch_store import BatchStore
from .salt_master.bus import Bus
from .salt_master.channels import Channels
from .salt_master.commands import Commands
from .salt_master.functions import MasterFunctions
from .salt_master.job_cache import JobCache
from .salt_master.minions import MinionStore
from .salt_master.pool import Pool
from .settings import Settings

DAY_SECONDS = 86_400
HOOKS_PER_SECOND = 10  # webhooks of one address that need no token: reactors run as the master's user
IN_FLIGHT_SECONDS = {"jobs_in_flight": 5.0, "runners_in_flight": 5.0, "batch_jobs_in_flight": 60.0}
"""For how long a job counts as in flight at most: a client waits for its next one no longer, a batch may."""


@dataclass
class Parts:
    """What the server looks after."""

    services: Services
    rebar: RebarClients
    bus: Bus
    targets: TargetSets
    minions: MinionStore
    store: JobCache
    channels: Channels
    pools: tuple[Pool, ...]

    def close(self) -> None:
        """Let go of sockets and threads."""
        self.bus.close()
        self.channels.close()
        for pool in self.pools:
            pool.close()


def build(settings: Settings, schemas: Schemas, opts: Any, version: str) -> Parts:
    """Return the parts, not yet working. Needs the running loop."""
    limits, later, clock, wall = settings.limits, asyncio.get_running_loop().call_later, time.monotonic, time.time
    # A wrong PAM password takes seconds: logins wait in threads of their own.
    askers, loop_time = Askers(clock), LoopTime(time.perf_counter)
    pool = Pool(limits.threads, "salt", askers=askers, charge=loop_time.charge)
    login_pool = Pool(limits.login_threads, "login")
    channels = Channels(opts, limits.channels, limits.master_seconds, askers)
    minions, store = MinionStore(opts, pool), JobCache(opts, pool)
    bus = Bus(opts)
    targets = TargetSets(lambda expression: minions.match(expression, "compound", trusted=True), clock)
    sessions = Sessions(Auth(opts, pool, login_pool), targets, wall)
    functions = MasterFunctions(opts, pool)
    commands_ = Commands(opts, channels, pool, functions, sessions.whose)
    history = History(
        uuid.uuid4().hex[:12],
        events=settings.history.events,
        size=settings.history.bytes,
        seconds=settings.history.seconds,
    )
    book, minions_seen = (
        JobRegistry(most=limits.jobs, clock=wall, syndics=bool(opts.get("order_masters"))),
        MinionRegistry(wall),
    )
    visibility = Visibility(book.get, opts.get("user", "root"))
    turns = Turns(later, clock)
    hub = Hub(
        turns=turns,
        limits=UserLimits(
            look_back_events_per_user=limits.look_back_events_per_user,
            patterns_per_user=limits.patterns_per_user,
        ),
        history=history,
        jobs=book,
        minions=minions_seen,
        visibility=visibility,
        later=later,
        clock=clock,
        wall=wall,
    )
    job_feed = JobFeed(history=history, jobs=book, visibility=visibility, later=later, clock=clock, turns=turns)
    minion_feed = MinionFeed(history=history, minions=minions_seen, later=later, clock=clock, turns=turns)
    rebar = RebarClients(hub=hub, jobs=book, job_feed=job_feed, most=limits.subscriptions_per_connection, wall=wall)
    watcher = JobWatcher(
        jobs=book,
        minions=minions_seen,
        watched=lambda: [*job_feed.followed_jobs(), *rebar.followed_jobs(), *batches_.returns.watched()],
        publish=lambda fun, arg, names: commands_.publish_as_master(fun, arg, {}, names),
        answer_seconds=opts.get("gather_job_timeout", 10),
        clock=clock,
    )
    in_flight = {
        limit: JobsInFlight(getattr(limits, limit), seconds=seconds, limit=limit, askers=askers, book=book, clock=clock)
        for limit, seconds in IN_FLIGHT_SECONDS.items()
    }
    batches_ = build_batches(
        store=BatchStore(opts, pool),
        salt=BatchJobs(commands_, store, watcher),
        jobs=book,
        sessions=sessions,
        history=history,
        in_flight=in_flight["batch_jobs_in_flight"],
        turns=turns,
        run=history.epoch,
        keep_seconds=settings.batch_keep * DAY_SECONDS,
        later=later,
        clock=clock,
        wall=wall,
    )
    rebar_batches = RebarBatchEvents(rebar=rebar, lookup=batches_.lookup, later=later, clock=clock, turns=turns)
    batches_.registry.on_change(rebar_batches.apply_change)
    services = Services(
        version=version,
        settings=settings,
        schemas=schemas,
        sessions=sessions,
        throttle=LoginThrottle(
            per_name=limits.login_failures_per_minute,
            per_address=limits.login_failures_per_address_per_minute,
            clock=clock,
            at_once=limits.login_threads,
        ),
        webhook_rate=Rate(HOOKS_PER_SECOND, clock),
        history=history,
        hub=hub,
        jobs=book,
        minions=minions_seen,
        job_feed=job_feed,
        minion_feed=minion_feed,
        visibility=visibility,
        job_watcher=watcher,
        batches=batches_,
        jobs_in_flight=in_flight["jobs_in_flight"],
        runners_in_flight=in_flight["runners_in_flight"],
        loop_time=loop_time,
        fair_shares={
            "threads": pool.shares,
            "login_threads": login_pool.shares,
            "channels": channels.publishes.shares,
            "wheel_channels": channels.wheels.shares,
            "long_list_channels": channels.long_lists.shares,
            **{name: one.turns.shares for name, one in in_flight.items()},
        },
        commands=commands_,
        answers=Answers(jobs=book, minions=minions_seen, clock=clock),
        functions=functions,
        job_cache=store,
        match=minions.match,
        fire=bus.fire,
        wall=wall,
        bus_connected=lambda: bus.connected,
    )
    return Parts(services, rebar, bus, targets, minions, store, channels, (pool, login_pool))
