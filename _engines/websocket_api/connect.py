"""Connects the engine to the Salt master that it runs in."""

from __future__ import annotations

import time
from typing import Any

from .core.access.loop_time import LoopTime
from .errors import CannotRun
from .fair_share import RecentUsers
from .master import EventLog, Master
from .operations.services import About
from .salt_master import cluster, requirements, salt_compat
from .salt_master.auth import Auth
from .salt_master.batch_store import BatchStore
from .salt_master.bus import Bus
from .salt_master.channels import Channels
from .salt_master.commands import Commands
from .salt_master.disk import Disk
from .salt_master.functions import MasterFunctions
from .salt_master.job_cache import JobCache
from .salt_master.minions import MinionStore
from .salt_master.pool import Pool
from .salt_master.tracing import connect_tracing
from .settings import Settings


def connect(opts: dict[str, Any], settings: Settings) -> Master:
    """Return the master that this process runs in. Nothing is sent yet.

    :param opts: the master's configuration
    """
    limits, recent_users, loop_time = settings.limits, RecentUsers(time.monotonic), LoopTime(time.perf_counter)
    pool = Pool(limits.threads, "salt", recent_users=recent_users, charge=loop_time.charge)
    # A wrong PAM password takes seconds: logins have threads of their own.
    login_pool = Pool(limits.login_threads, "login")
    channels = Channels(opts, limits.channels, limits.master_seconds, recent_users)
    event_log = _event_log(settings, str(opts["id"]))
    functions, bus, tracing = MasterFunctions(opts, pool), Bus(opts), connect_tracing(opts)

    def close() -> None:
        if event_log is not None:
            event_log.close()
        bus.close()
        channels.close()
        pool.close()
        login_pool.close()
        tracing.close()

    return Master(
        about=About(str(opts["id"]), salt_compat.SALT_VERSION, cluster.cluster_id(opts)),
        event_log=event_log,
        cluster_id=str(opts["id"]) if cluster.is_member(opts) else None,
        presence_seconds=cluster.presence_seconds(opts),
        user=opts.get("user", "root"),
        has_syndics=bool(opts.get("order_masters")),
        syndic_seconds=opts.get("syndic_wait", 5),
        job_seconds=opts.get("gather_job_timeout", 10),
        auth=Auth(opts, pool, login_pool),
        commands=lambda user_of: Commands(opts, channels, pool, functions, user_of),
        functions=functions,
        minions=MinionStore(opts, pool),
        job_cache=JobCache(opts, pool),
        batch_store=BatchStore(opts, pool),
        disk=Disk(opts, pool),
        bus=bus,
        recent_users=recent_users,
        loop_time=loop_time,
        tracing=tracing,
        fair_shares={
            "threads": pool.shares,
            "login_threads": login_pool.shares,
            "channels": channels.publishes.shares,
            "wheel_channels": channels.wheels.shares,
            "long_list_channels": channels.long_lists.shares,
        },
        close=close,
    )


def _event_log(settings: Settings, master: str) -> EventLog | None:
    """Return the log that this master shares with others, if there is one.

    :raises CannotRun: the package redis is missing, or the option is not a URL of Redis
    """
    if settings.history.share is None:
        return None
    try:
        from .salt_master.event_log_redis import RedisLog
    except ImportError:
        fix = f"install it where Salt runs ({requirements.install_command('redis')})"
        raise CannotRun(f"the option history.share needs the Python package redis, which is missing; {fix}") from None
    return RedisLog(settings.history.share, master, settings.history.seconds)
