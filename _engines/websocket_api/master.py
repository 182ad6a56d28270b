"""The Salt master as one object: everything that the rest of the engine needs from ``salt_master``.

``connect.py`` makes it from the real master. Unit tests give ``wiring.build`` a fake one, and need no Salt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .bus_line import Line
from .core.access.loop_time import LoopTime
from .core.access.sessions import SaltAuth
from .core.batches.reader import Store
from .core.sharing.log_writer import Log
from .fair_share import FairShare, RecentUsers
from .operations.batch_jobs import MarkedJobs
from .operations.services import About, Commands, MasterFunctions
from .tracing import Tracing

UserOfToken = Callable[[str], dict[str, str]]
"""Returns ``{"eauth", "username"}`` of a token, or ``{}`` for an unknown one."""


class Bus(Protocol):
    """The master's event bus (salt_master/bus.py)."""

    connected: bool
    """Whether events are received now."""

    async def read(
        self,
        on_event: Callable[[str, dict[str, Any]], None],
        on_lost: Callable[[], None],
        on_found: Callable[[], None],
        max_delay: Callable[[int], float],
    ) -> None:
        """Pass on every event, and reconnect when the bus is lost.

        :param max_delay: returns the seconds for which events may wait for others to share a read; gets the number of
            events of the last read
        """
        ...

    async def fire(self, tag: str, data: dict[str, Any]) -> None:
        """Send an event."""
        ...

    def hold(self) -> None:
        """Connect, but pass on nothing until :meth:`release` is called."""
        ...

    def release(self) -> None:
        """Pass on what was held, and what follows."""
        ...

    def adopt(self, line: Line) -> None:
        """Continue to read the connection of another process."""
        ...

    async def open_second(self) -> None:
        """Open a further connection, which the next call of :meth:`read` reads."""
        ...

    def close_second(self) -> None:
        """Close the further connection."""
        ...

    async def detach(self) -> Line | None:
        """Stop reading, and return the open connection."""
        ...


class Minions(Protocol):
    """The minions that the master knows (salt_master/minions.py)."""

    async def match(
        self,
        tgt: str | list[str],
        tgt_type: str,
        delimiter: str = ":",
        *,
        trusted: bool = False,
        below: Collection[str] = (),
    ) -> list[str]:
        """Return the minions that a target matches.

        :param trusted: skip the limits on users' targets: the target is the operator's own
        :param below: minions of masters below, which a target can match by their ids only
        """
        ...

    async def resources(self) -> dict[str, tuple[str, str]]:
        """Return the type and the minion of each resource that minions have registered, by id."""
        ...

    async def syndics(self) -> list[str]:
        """Return the minions that the master has marked as syndics."""
        ...

    async def keys(self) -> dict[str, str]:
        """Return the state of each minion's key."""
        ...

    async def grains(self, ids: list[str] | None) -> dict[str, dict[str, Any]]:
        """Return the grains of minions; of all for None."""
        ...


class EventLog(Log, Protocol):
    """The common log of several masters (salt_master/event_log_redis.py)."""

    def start(
        self,
        deliver: Callable[[str, Any, float], Awaitable[None]],
        begin: Callable[[str | None, int], None],
        on_fault: Callable[[str | None], None],
        on_end: Callable[[], None] = ...,
        on_own_end: Callable[[], None] = ...,
    ) -> None:
        """Write and read from now on.

        :param deliver: applies a chunk of another master, of an age in seconds, on the running loop
        :param begin: is called once on the loop, with epoch and last number of what the log has of the own master
        :param on_fault: is called in a thread with what is wrong, or None
        :param on_end: is called on the loop about once a second, when all that the log had is applied
        :param on_own_end: is called on the loop, when all that the log had of the own master is applied
        """
        ...

    def is_stale(self, master: str) -> bool:
        """Return whether a master's events may be missing now: its engine does not write, or the log fails."""
        ...

    def last_seen(self, master: str) -> float | None:
        """Return when a master last wrote, in seconds since the epoch; None if it writes or was never read."""
        ...

    async def stop(self, seconds: float) -> None:
        """Write what waits, for at most this time, and end."""
        ...

    def close(self) -> None:
        """End soon."""
        ...


class Disk(Protocol):
    """The file system of the master's caches (salt_master/disk.py)."""

    async def fault(self) -> str | None:
        """Return what is wrong with it, or None."""
        ...


class JobCache(MarkedJobs, Protocol):
    """The master's job cache (salt_master/job_cache.py)."""

    is_own: bool
    """Whether it has the jobs of this master only."""

    async def recent(self, limit: int) -> list[dict[str, Any]]:
        """Return the loads of the newest jobs."""
        ...


@dataclass(frozen=True)
class Master:
    """What the Salt master offers."""

    about: About
    """Which master it is."""
    event_log: EventLog | None
    """The log that this master shares with others (option ``history.share``)."""
    cluster_id: str | None
    """This master's id in its cluster; None if it is no member of one."""
    presence_seconds: float | None
    """Seconds between two lists of connected minions, where a master sends them regularly."""
    user: str
    """The account that the master runs as."""
    has_syndics: bool
    """Whether other masters are below this one (Salt's option ``order_masters``)."""
    syndic_seconds: float
    """Seconds that masters below have to name the minions of a job (Salt's option ``syndic_wait``)."""
    job_seconds: float
    """Seconds that a minion may take to answer ``find_job`` (Salt's option ``gather_job_timeout``)."""
    auth: SaltAuth
    """Salt's accounts and tokens."""
    commands: Callable[[UserOfToken], Commands]
    """Makes what sends commands. It needs the users of tokens, which only the engine's sessions know."""
    functions: MasterFunctions
    """Runners and wheels."""
    minions: Minions
    """Keys, grains and targets."""
    job_cache: JobCache
    """Jobs of the past."""
    batch_store: Store
    """Where batches are stored."""
    disk: Disk
    """The disk of tokens, jobs and batches."""
    bus: Bus
    """The event bus."""
    recent_users: RecentUsers
    """The users who used the master lately."""
    loop_time: LoopTime
    """The engine's computing time that each user takes. Threads that call Salt are charged too."""
    tracing: Tracing
    """Salt's tracing, if it is on."""
    fair_shares: Mapping[str, FairShare[Any]]
    """Threads and channels that users share, by name: for /metrics."""
    close: Callable[[], None]
    """Closes sockets and ends threads."""
