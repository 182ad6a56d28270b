"""The hub without a master or network: events by function call, a clock that tests move, and recorded frames."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from websocket_api.core.access.permissions import Permissions
from websocket_api.core.access.session import Session
from websocket_api.core.access.turns import Turns
from websocket_api.core.access.user_limits import UserLimits
from websocket_api.core.access.visibility import Viewer, Visibility
from websocket_api.core.delivery.connection import Connection
from websocket_api.core.delivery.outbox import Outbox
from websocket_api.core.delivery.positions import Revisions
from websocket_api.core.events.history import History
from websocket_api.core.events.origins import Origins
from websocket_api.core.events.tags import topic
from websocket_api.core.jobs.gathering import Below
from websocket_api.core.jobs.registry import ANNOUNCING, JobRegistry
from websocket_api.core.minions.registry import MinionRegistry
from websocket_api.core.minions.syndics import Syndics
from websocket_api.core.subscriptions import filters
from websocket_api.core.subscriptions.hub import Hub
from websocket_api.core.subscriptions.jobs import JobFeed
from websocket_api.core.subscriptions.minions import MinionFeed
from websocket_api.core.subscriptions.viewer_index import ViewerIndex
from websocket_api.jids import start_time
from websocket_api.protocols.digital_rebar.clients import RebarClients

JID = "20261123120000000001"
LIST_SECONDS = 60.0  # between two presence lists of a master
NAME_SECONDS, ANSWER_SECONDS = 5.0, 10.0  # Salt's defaults of syndic_wait and gather_job_timeout


def filter_of(message: Mapping[str, Any]) -> filters.Filter:
    """Return the filter of a message."""
    return filters.make(message)


class Time:
    """A clock that tests move, and that makes delayed calls when their time comes."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._calls, (self.now + seconds, next(self._order), call))

    def pass_(self, seconds: float) -> None:
        end = self.now + seconds
        while self._calls and self._calls[0][0] <= end:
            self.now, _, call = heapq.heappop(self._calls)
            call()
        self.now = end


def ticks(world: World, seconds: float) -> None:
    """Advance the clock at every reading: work takes time."""

    class Busy(type(world.time)):  # type: ignore[misc]
        def __call__(self) -> float:
            self.now += seconds
            return float(self.now)

    world.time.__class__ = Busy


class Socket:
    """A transport that records writes; ``stuck`` simulates a client that does not read.

    ``lags`` simulates one that does not read either, but for which the kernel still accepts bytes.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.stuck = self.lags = False

    def busy(self) -> bool:
        return self.stuck

    def unsent(self) -> bool:
        return self.lags

    def write(self, data: bytes) -> None:
        self.written.append(data)


class Known:
    """Target sets with fixed content."""

    def __init__(self, **sets: set[str]) -> None:
        self.sets = sets

    @property
    def version(self) -> int:
        """A number that changes with the sets, however tests change them."""
        return hash(tuple((expression, frozenset(names)) for expression, names in self.sets.items()))

    def matches(self, expression: str, minion: str) -> bool:
        return minion in self.sets.get(expression, ())

    def minions(self, expression: str) -> frozenset[str]:
        return frozenset(self.sets.get(expression, ()))

    def mark(self, expression: str) -> str:
        return " ".join(sorted(self.sets.get(expression, ())))


class Client:
    """One connection, and what it received."""

    def __init__(self, *, max_bytes: int = 1 << 20, max_frames: int = 1000) -> None:
        self.socket = Socket()
        self.closed_with: list[tuple[int, str]] = []
        self.outbox = Outbox(
            self.socket,
            max_bytes=max_bytes,
            max_frames=max_frames,
            on_overflow=lambda: self.closed_with.append((4410, "overflow")),
        )
        self.connection = Connection(
            "127.0.0.1", self.outbox, bytes, lambda code, reason: self.closed_with.append((code, reason))
        )

    @property
    def got(self) -> list[dict[str, Any]]:
        """Return every message so far, and forget them."""
        text = b"".join(self.socket.written).decode()
        self.socket.written.clear()
        decoder, messages, place = json.JSONDecoder(), [], 0
        while place < len(text):
            message, place = decoder.raw_decode(text, place)
            messages.append(message)
        return messages


class World:
    """The core between the bus and the clients."""

    def __init__(
        self,
        time: Time | None = None,
        limits: UserLimits | None = None,
        *,
        syndics: bool = False,
        cluster_id: str | None = None,
        max_jobs: int = 100,
        **history: Any,
    ) -> None:
        """Make the parts.

        :param syndics: whether there are masters below
        :param cluster_id: this master's id in its cluster
        :param max_jobs: jobs that are kept
        """
        self.time = time or Time()
        self.targets = Known()
        self.history = History("epoch1", **{"events": 1000, "size": 1 << 20, "seconds": 300, **history})
        self.minions = MinionRegistry(self.time, Syndics() if syndics else None, LIST_SECONDS)
        below = Below(NAME_SECONDS, ANSWER_SECONDS, self.minions.is_syndic, self.minions.is_direct)
        self.jobs = JobRegistry(max_jobs=max_jobs, clock=self.time, below=below if syndics else None)
        self.visibility = Visibility(self.jobs.get, "root")
        self.turns = Turns(self.time.later, self.time)
        self.limits = limits or UserLimits()
        common = {"history": self.history, "later": self.time.later, "clock": self.time, "turns": self.turns}
        feeds = {"revisions": Revisions("changes1")}
        jobs = {**common, "jobs": self.jobs, "visibility": self.visibility}
        delivery = {"viewers": ViewerIndex(self.visibility, self.targets), "origins": Origins(cluster_id)}
        self.hub = Hub(**jobs, **delivery, minions=self.minions, wall=self.time, limits=self.limits)
        self.job_feed = JobFeed(**jobs, **feeds)
        self.minion_feed = MinionFeed(**common, **feeds, minions=self.minions)
        self.rebar = RebarClients(hub=self.hub, jobs=self.jobs, job_feed=self.job_feed, max_filters=5, wall=self.time)

    @classmethod
    def of(cls, parts: Any, time: Time) -> World:
        """Return the world of an engine that ``wiring.build`` made.

        :param parts: what it returned
        """
        services, world = parts.services, cls.__new__(cls)
        world.time = time
        world.targets = Known()
        world.history = services.history
        world.jobs = services.jobs
        world.minions = services.minions
        world.visibility = services.visibility
        world.hub = services.hub
        world.limits, world.turns = services.hub.limits, services.hub.turns
        world.job_feed, world.minion_feed = services.job_feed, services.minion_feed
        world.rebar = parts.rebar
        return world

    def session(self, *auth_list: Any, user: str = "ann", eauth: str = "pam") -> Session:
        """Return a session of a user with this auth list."""
        info = {"token": "a" * 64, "name": user, "eauth": eauth, "start": 0.0, "expire": self.time.now + 1000}
        return Session(info, Viewer(user, eauth, Permissions(list(auth_list), self.targets)))

    def fire(self, tag: str, /, **data: Any) -> None:
        """Put an event on the bus; an announcement of a job has the time of its jid as its stamp, as in Salt."""
        about = topic(tag, data)
        made = start_time(about.jid) if about.jid and about.kind in ANNOUNCING else None
        self.hub.publish(tag, data if made is None else {"_stamp": made, **data})

    def publish(self, *minions: str, fun: str = "test.ping", arg: tuple[Any, ...] = (), user: str = "root") -> str:
        """Put a job on the bus."""
        new = {"tgt": "*", "tgt_type": "glob", "missing": [], "jid": JID}
        self.fire(f"salt/job/{JID}/new", fun=fun, arg=list(arg), minions=list(minions), user=user, **new)
        return JID

    def answer(self, minion: str, value: Any = True, retcode: int = 0, **more: Any) -> None:
        """Put a minion's return on the bus."""
        data = {"cmd": "_return", "id": minion, "jid": JID, "fun": "test.ping", "return": value, "retcode": retcode}
        self.fire(f"salt/job/{JID}/ret/{minion}", **{**data, "success": retcode == 0, **more})
