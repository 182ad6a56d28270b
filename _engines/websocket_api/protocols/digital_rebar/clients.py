"""All clients of Digital Rebar together, and what they are told that is no event of the bus: the end of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...core.access.sessions import Session
from ...core.access.visibility import Viewer
from ...core.delivery.connection import Connection
from ...core.jobs.job import Job
from ...core.jobs.registry import INTERNAL, JobRegistry
from ...core.subscriptions.fanout import Group
from ...core.subscriptions.hub import Hub
from ...core.subscriptions.snapshot_feeds import Views
from .frames import RebarCodec, Said, frame
from .subscription import RebarSubscription, Registered
from .translation import Translation

WATCHED_JOBS = 100  # of those that run, the newest: each may cost a question to minions every five seconds
OBJECT_BYTES = 1024 * 1024  # a larger job object is sent without returns, which an outbox might not hold


class RebarClients:
    """All clients of Digital Rebar together, and what they are told that is no event of the bus.

    :param most: filters that one client may have registered
    :param wall: seconds since the epoch
    """

    def __init__(self, *, hub: Hub, book: JobRegistry, views: Views, most: int, wall: Callable[[], float]) -> None:
        self.codec = RebarCodec()
        self._translation = Translation(book.get)
        self._most = most
        self._hub = hub
        self._wall = wall
        self._book = book
        self._views = views
        self._clients: dict[RebarSubscription, None] = {}
        self._running: dict[str, None] = {}
        """Jobs that were seen to run, the newest last."""
        self._ended: list[Job] = []
        """Jobs whose end is told as soon as the event that ended them is."""
        book.on_change(self._job_changed)
        book.on_end(self._job_ended)
        book.needed_by(lambda jid: any(job.jid == jid for job in self._ended))

    def follow(self, connection: Connection, session: Session) -> RebarSubscription:
        """Return the subscription of a client that has just come; it has not registered for anything yet.

        :raises ApiError: its user has too many patterns
        """
        client = RebarSubscription(
            self._hub,
            connection,
            session,
            self._translation,
            most=self._most,
            wall=self._wall,
            on_stop=self._stopped,
        )
        self._clients[client] = None
        connection.add(client)
        return client

    @property
    def has_clients(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._clients)

    def _stopped(self, client: RebarSubscription) -> None:
        self._clients.pop(client, None)

    def announce(
        self, type_: str, action: str, key: str, principal: str, object_for: Callable[[Viewer], Any | None]
    ) -> None:
        """Tell something that is no event of the bus to those who asked for it, behind what they were sent already.

        :param object_for: what a viewer may see of it; None where nothing may be seen
        """
        made: dict[Viewer, bytes | None] = {}
        for group, asked in self._groups().items():
            if not asked.fits(type_, action, key):
                continue
            viewer = group.viewer
            if viewer not in made:
                value = object_for(viewer)
                said = Said(type_, action, key, principal, value)
                made[viewer] = None if value is None else frame(said, self._wall()).text
            text = made[viewer]
            if text is not None:
                group.add(self._hub.history.seq, text)

    def followed_jobs(self) -> list[str]:
        """The running jobs whose end somebody waits for: only then is found out what became of silent minions."""
        groups = self._groups()
        for jid in [jid for jid in self._running if self._book.get(jid) is None]:
            del self._running[jid]
        newest = list(self._running)[-WATCHED_JOBS:] if groups else []
        # Whether a viewer sees a job may cost a look at each of its minions: it is found out once, whatever is asked.
        asked: dict[Viewer, dict[Registered, None]] = {}
        for group, registered in groups.items():
            asked.setdefault(group.viewer, {})[registered] = None
        return [jid for jid in newest if any(self._awaits(viewer, those, jid) for viewer, those in asked.items())]

    def _awaits(self, viewer: Viewer, asked: Iterable[Registered], jid: str) -> bool:
        job = self._book.get(jid)
        if job is None or not any(registered.fits("jobs", "save", jid) for registered in asked):
            return False
        return self._views.sees_job(job, viewer)

    def _groups(self) -> dict[Group, Registered]:
        return {client.group: client.filter for client in self._clients if client.group is not None}

    def _job_changed(self, job: Job, minions: tuple[str, ...]) -> None:
        if job.kind != "job" or job.ended or job.fun is None or job.fun in INTERNAL:
            self._running.pop(job.jid, None)
        else:
            self._running[job.jid] = None

    def _job_ended(self, job: Job) -> None:
        if job.kind != "job" or job.fun in INTERNAL or not self._clients:
            return
        if not self._ended:
            # The event that ended it is handed out first: this is called before, while pictures are drawn.
            self._hub.later(0.0, self._tell_ends)
        self._ended.append(job)

    def _tell_ends(self) -> None:
        ended, self._ended = self._ended, []
        for job in ended:
            owner = self._translation.owner(job.jid)
            self.announce("jobs", "save", job.jid, owner, partial(self._whole, job))

    def _whole(self, job: Job, viewer: Viewer) -> dict[str, Any] | None:
        view = self._views.job_view(job, viewer)
        if view is not None and sum(job.parts[name].size for name in view["minions"]) > OBJECT_BYTES:
            for part in view["minions"].values():
                del part["return"]  # each came in an update of its own
        return view
