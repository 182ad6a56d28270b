"""All clients of Digital Rebar, and notices that are not events of the bus: the end of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...core.access.session import Session
from ...core.access.visibility import Viewer
from ...core.delivery.connection import Connection
from ...core.jobs.job import Job
from ...core.jobs.registry import JobRegistry
from ...core.jobs.store import INTERNAL
from ...core.subscriptions.fanout import Group
from ...core.subscriptions.hub import Hub
from ...core.subscriptions.jobs import JobFeed
from .frames import Notice, RebarCodec, frame
from .subscription import RebarSubscription, Registered
from .translation import Translation

MAX_WATCHED = 100
"""Newest running jobs whose end is looked for: each may cost a question to minions every five seconds."""
MAX_OBJECT_BYTES = 1024 * 1024
"""A larger job object is sent without returns: it might not fit into the outbox."""


class RebarClients:
    """All clients of Digital Rebar, and notices that are not events of the bus.

    :param max_filters: filters that one client may register
    :param wall: seconds since the epoch
    """

    def __init__(
        self, *, hub: Hub, jobs: JobRegistry, job_feed: JobFeed, max_filters: int, wall: Callable[[], float]
    ) -> None:
        self.codec = RebarCodec()
        self._translation = Translation(jobs.get)
        self._max_filters = max_filters
        self._hub = hub
        self._wall = wall
        self._jobs = jobs
        self._job_feed = job_feed
        self._clients: dict[RebarSubscription, None] = {}
        self._running: dict[str, None] = {}
        """Running jobs, the newest last."""
        self._ended: list[Job] = []
        """Jobs that have ended; the notice follows the event that ended them."""
        jobs.on_change(self._on_job_changed)
        jobs.on_end(self._on_job_ended)
        jobs.needed_by(lambda jid: any(job.jid == jid for job in self._ended))

    def follow(self, connection: Connection, session: Session) -> RebarSubscription:
        """Return the subscription of a new client, without a filter yet.

        :raises ApiError: its user has too many patterns
        """
        client = RebarSubscription(
            self._hub,
            connection,
            session,
            self._translation,
            max_filters=self._max_filters,
            wall=self._wall,
            on_stop=self._remove,
        )
        self._clients[client] = None
        connection.add(client)
        return client

    @property
    def has_clients(self) -> bool:
        """Whether any client is connected."""
        return bool(self._clients)

    def _remove(self, client: RebarSubscription) -> None:
        self._clients.pop(client, None)

    def announce(
        self, type_: str, action: str, key: str, principal: str, object_for: Callable[[Viewer], Any | None]
    ) -> None:
        """Send a notice to the clients whose filters match it, after what was sent already.

        :param object_for: returns what a viewer may see of the object, None for nothing
        """
        made: dict[Viewer, bytes | None] = {}
        for group, registered in self._groups().items():
            if not registered.fits(type_, action, key):
                continue
            viewer = group.viewer
            if viewer not in made:
                value = object_for(viewer)
                notice = Notice(type_, action, key, principal, value)
                made[viewer] = None if value is None else frame(notice, self._wall()).text
            text = made[viewer]
            if text is not None:
                group.append(self._hub.history.seq, text)

    def followed_jobs(self) -> list[str]:
        """Return the running jobs whose end a client waits for: only for these are silent minions asked."""
        groups = self._groups()
        for jid in [jid for jid in self._running if self._jobs.get(jid) is None]:
            del self._running[jid]
        newest = list(self._running)[-MAX_WATCHED:] if groups else []
        # To decide whether a viewer sees a job may walk all its minions: once per viewer, not per filter.
        filters: dict[Viewer, dict[Registered, None]] = {}
        for group, registered in groups.items():
            filters.setdefault(group.viewer, {})[registered] = None
        return [jid for jid in newest if any(self._awaits(viewer, those, jid) for viewer, those in filters.items())]

    def _awaits(self, viewer: Viewer, filters: Iterable[Registered], jid: str) -> bool:
        job = self._jobs.get(jid)
        if job is None or not any(registered.fits("jobs", "save", jid) for registered in filters):
            return False
        return self._job_feed.sees_job(job, viewer)

    def _groups(self) -> dict[Group, Registered]:
        return {client.group: client.filter for client in self._clients if client.group is not None}

    def _on_job_changed(self, job: Job, minions: tuple[str, ...]) -> None:
        if job.kind != "job" or job.ended or job.fun is None or job.fun in INTERNAL:
            self._running.pop(job.jid, None)
        else:
            self._running[job.jid] = None

    def _on_job_ended(self, job: Job) -> None:
        if job.kind != "job" or job.fun in INTERNAL or not self._clients:
            return
        if not self._ended:
            # The event that ended it must be delivered first: this is called before, when the event is applied.
            self._hub.later(0.0, self._announce_ends)
        self._ended.append(job)

    def _announce_ends(self) -> None:
        ended, self._ended = self._ended, []
        for job in ended:
            owner = self._translation.owner(job.jid)
            self.announce("jobs", "save", job.jid, owner, partial(self._job_object, job))

    def _job_object(self, job: Job, viewer: Viewer) -> dict[str, Any] | None:
        view = self._job_feed.view(job, viewer)
        if view is not None and sum(job.parts[name].size for name in view["minions"]) > MAX_OBJECT_BYTES:
            for part in view["minions"].values():
                del part["return"]  # each was sent in an update of its own
        return view
