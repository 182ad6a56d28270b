"""What operations work with: the live pictures, and the master behind four narrow interfaces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..contract.schemas import Schemas
from ..core.access.in_flight import JobsInFlight
from ..core.access.loop_time import LoopTime
from ..core.access.sessions import Sessions
from ..core.access.throttle import LoginThrottle, Rate
from ..core.access.visibility import Visibility
from ..core.batches import Batches
from ..core.delivery.codecs import Prepared
from ..core.events.history import History
from ..core.jobs.registry import JobRegistry
from ..core.minions.answers import Answers
from ..core.minions.registry import MinionRegistry
from ..core.subscriptions.hub import Hub
from ..core.subscriptions.job_watcher import JobWatcher
from ..core.subscriptions.jobs import JobFeed
from ..core.subscriptions.minions import MinionFeed
from ..fair_share import FairShare
from ..settings import Settings


class Commands(Protocol):
    """Runs things on the master; it authorizes each by the client's token (salt_master/commands.py)."""

    def check_arguments(self, arg: list[Any], kwarg: dict[str, Any]) -> None:
        """Raise ``bad_message`` for arguments that Salt cannot pass on as they are."""
        ...

    async def publish(
        self,
        token: str,
        user: str,
        fun: str,
        arg: list[Any],
        kwarg: dict[str, Any],
        tgt: Any,
        tgt_type: str,
        extra: dict[str, Any] | None = None,
        *,
        parse: bool = False,
    ) -> dict[str, Any]:
        """Start a job; return ``{jid, minions, missing}``."""
        ...

    async def read_for_runner(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments that Salt's own client sends to a runner for these."""
        ...

    async def runner(self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> dict[str, Any]:
        """Start a runner; return ``{jid, tag}``."""
        ...

    async def wheel(
        self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any], *, parse: bool = False
    ) -> dict[str, Any]:
        """Run a wheel; return ``{jid, tag, return, success}``."""
        ...

    async def publish_as_master(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any], minions: list[str]
    ) -> dict[str, Any]:
        """Stop or find a job with the master's own key; return ``{jid, minions}``."""
        ...


class MasterFunctions(Protocol):
    """What runners and wheels there are (salt_master/functions.py)."""

    async def names(self, client: str) -> list[str]:
        """Return the names of all functions; ``client`` is runner or wheel."""
        ...

    async def signature(self, client: str, fun: str) -> dict[str, Any] | None:
        """Return ``{args, defaults, varargs, keywords, doc}``."""
        ...


class JobCache(Protocol):
    """The master's job cache (salt_master/job_cache.py)."""

    async def job(self, jid: str) -> dict[str, Any] | None:
        """Return ``{kind, reported_by, load, returns}``."""
        ...


Match = Callable[..., Awaitable[list[str]]]
Fire = Callable[[str, dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Services:
    """Everything that an operation may use.

    ``match(tgt, tgt_type, delimiter=":")`` gives the minions that a target means, ``fire(tag, data)`` puts an event on
    the master's bus, ``wall()`` is the time in seconds since the epoch.
    """

    version: str
    settings: Settings
    schemas: Schemas
    sessions: Sessions
    throttle: LoginThrottle
    webhook_rate: Rate
    history: History
    hub: Hub
    jobs: JobRegistry
    minions: MinionRegistry
    job_feed: JobFeed
    minion_feed: MinionFeed
    visibility: Visibility
    job_watcher: JobWatcher
    batches: Batches
    jobs_in_flight: JobsInFlight
    runners_in_flight: JobsInFlight
    loop_time: LoopTime
    fair_shares: Mapping[str, FairShare[Any]]
    """What users have fair shares of, by name: for /metrics."""
    commands: Commands
    answers: Answers
    functions: MasterFunctions
    job_cache: JobCache
    match: Match
    fire: Fire
    wall: Callable[[], float]
    bus_connected: Callable[[], bool] = lambda: True
    """Whether the master's bus is heard: without it nobody could be told how a command went."""
    prepared: dict[str, Prepared] = field(default_factory=dict)
    """Results that stay the same while the engine runs, by operation."""
