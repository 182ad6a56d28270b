"""What operations use: the parts of the core, and the master behind narrow interfaces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ..contract.schemas import Schemas
from ..core.access.in_flight import JobsInFlight
from ..core.access.loop_time import LoopTime
from ..core.access.sessions import Sessions
from ..core.access.throttle import LoginThrottle, Rate
from ..core.access.visibility import Visibility
from ..core.batches import Batches
from ..core.delivery.codecs import Prepared
from ..core.delivery.snapshots import Feed
from ..core.events.history import History
from ..core.fleet import Fleet
from ..core.health import Health
from ..core.jobs.registry import JobRegistry
from ..core.journal.journal import Journal
from ..core.minions.answers import Answers
from ..core.minions.registry import MinionRegistry
from ..core.subscriptions.after import Resume
from ..core.subscriptions.filters import EventFilter
from ..core.subscriptions.hub import Hub
from ..core.subscriptions.job_watcher import JobWatcher
from ..core.subscriptions.jobs import JobFeed
from ..core.subscriptions.minions import MinionFeed
from ..fair_share import FairShare
from ..settings import Settings
from ..tracing import Tracing


@dataclass(frozen=True)
class About:
    """Which master this is, for users who have several."""

    id: str
    """Salt's option ``id``."""
    salt: str
    """The version of Salt."""
    cluster: str | None
    """Salt's option ``cluster_id``; None if it is no member of a cluster."""


class Commands(Protocol):
    """Sends commands to the master, which authorizes each one by the client's token (salt_master/commands.py)."""

    def check_arguments(self, arg: list[Any], kwarg: dict[str, Any]) -> None:
        """Raise ``bad_message`` for arguments that Salt would change."""
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
        """Return the arguments as Salt's own client would send them to a runner."""
        ...

    async def runner(self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> dict[str, Any]:
        """Start a runner; return ``{jid, tag}``."""
        ...

    async def wheel(
        self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any], *, parse: bool = False
    ) -> dict[str, Any]:
        """Run a wheel function; return ``{jid, tag, return, success}``."""
        ...

    async def publish_as_master(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any], minions: list[str]
    ) -> dict[str, Any]:
        """Find or stop a job with the master's own key; return ``{jid, minions}``."""
        ...


class MasterFunctions(Protocol):
    """The runners and wheel functions of the master (salt_master/functions.py)."""

    async def names(self, client: str) -> list[str]:
        """Return the names of all functions.

        :param client: runner or wheel
        """
        ...

    async def signature(self, client: str, fun: str) -> dict[str, Any] | None:
        """Return ``{args, defaults, varargs, keywords, doc}``, or None for an unknown function."""
        ...


class JobCache(Protocol):
    """The master's job cache (salt_master/job_cache.py)."""

    async def job(self, jid: str) -> dict[str, Any] | None:
        """Return ``{kind, reported_by, load, returns}``, or None for an unknown job."""
        ...

    async def search(
        self, matches: Callable[[Mapping[str, Any]], bool], since: str | None, before: str | None, limit: int
    ) -> list[str]:
        """Return the jids of the newest jobs with such a load, newest first."""
        ...


class OtherMaster(NamedTuple):
    """Another master that shares the stream."""

    works: bool
    """Whether its newest events arrive here."""
    seen: float | None
    """When it last wrote, in seconds since the epoch; None if it writes."""


Match = Callable[..., Awaitable[list[str]]]
"""``await match(tgt, tgt_type, delimiter=":")`` returns the ids of the minions that a target matches.

With ``elsewhere=True`` also those that only other masters have, matched by their ids.
"""
Fire = Callable[[str, dict[str, Any]], Awaitable[None]]
"""``await fire(tag, data)`` sends an event on the master's bus."""


@dataclass(frozen=True)
class Services:
    """Everything that an operation may use."""

    settings: Settings
    """The engine's options."""
    schemas: Schemas
    """Checks messages."""
    sessions: Sessions
    """The sessions of users who are logged in."""
    throttle: LoginThrottle
    """Limits failed logins."""
    webhook_rate: Rate
    """Limits webhooks without a token."""
    history: History
    """The newest events, from which clients resume."""
    journal: Journal | None
    """Keeps the history over a restart; None with ``history.store: memory``."""
    hub: Hub
    """Passes each event on to the subscriptions that want it."""
    jobs: JobRegistry
    """The jobs in memory."""
    minions: MinionRegistry
    """The minions that the master knows."""
    job_feed: JobFeed
    """Shows jobs to users, and sends their changes to subscriptions."""
    minion_feed: MinionFeed
    """Shows minions to users, and sends their changes to subscriptions."""
    visibility: Visibility
    """Decides what a user sees."""
    job_watcher: JobWatcher
    """Finds out when jobs end."""
    batches: Batches
    """All parts of batches."""
    jobs_in_flight: JobsInFlight
    """Slots for jobs that were just started."""
    runners_in_flight: JobsInFlight
    """Slots for runners that were just started."""
    loop_time: LoopTime
    """Charges users for the time that their requests take of the event loop."""
    fair_shares: Mapping[str, FairShare[Any]]
    """What users share, by name: for /metrics."""
    about: About
    """Which master this is."""
    fleet: Fleet
    """Counts of minions, jobs and highstates: for /metrics."""
    health: Health
    """What the engine depends on, and what of it fails."""
    tracing: Tracing
    """Records spans of requests, if Salt traces."""
    commands: Commands
    """Runs things on the master."""
    answers: Answers
    """What minions answered about their functions."""
    functions: MasterFunctions
    """Runners and wheels."""
    job_cache: JobCache
    """The master's job cache."""
    match: Match
    """Returns the minions that a target matches."""
    fire: Fire
    """Sends an event on the master's bus."""
    masters: Callable[[], Mapping[str, OtherMaster]]
    """Returns the other masters that share the stream."""
    resume: Callable[[Mapping[str, Mapping[str, Any]], EventFilter], Resume]
    """Returns where a client's stream continues after positions at several masters."""
    wall: Callable[[], float]
    """Returns the time in seconds since the epoch."""
    bus_connected: Callable[[], bool]
    """Tells whether events are received. Without them the result of a command is unknown."""
    prepared: dict[str, Prepared] = field(default_factory=dict)
    """Results that never change while the engine runs, by operation."""

    @property
    def feeds(self) -> dict[str, Feed[Any]]:
        """The sources of snapshots."""
        return {"jobs": self.job_feed, "minions": self.minion_feed, "batches": self.batches.feed}

    @property
    def version(self) -> str:
        """The release of the engine and of the schemas."""
        return self.schemas.version
