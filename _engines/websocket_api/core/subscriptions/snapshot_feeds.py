"""Feeds of job and minion snapshots: who follows which, and what each may see (snapshots.py has the subscriptions)."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

from ..access.turns import Turns
from ..access.visibility import Viewer, Visibility
from ..delivery import frames
from ..delivery.chunks import Piece, Shared, change, cut
from ..delivery.pacing import Pacer
from ..events.history import History, Hole
from ..jobs.job import Job, shown
from ..jobs.registry import JobRegistry
from ..minions.registry import Grains, MinionRegistry
from ..timing import Later
from .all_jobs import AllJobs
from .snapshots import CHANGE_SECONDS, JobSubscription, MinionsSubscription

Clock = Callable[[], float]


class Views:
    """Who follows which picture, and what they may see of it."""

    def __init__(
        self,
        *,
        history: History,
        book: JobRegistry,
        fleet: MinionRegistry,
        visibility: Visibility,
        later: Later,
        clock: Callable[[], float],
        turns: Turns,
    ) -> None:
        self._history = history
        self._book = book
        self._fleet = fleet
        self._visibility = visibility
        self._later = later
        self._clock = clock
        self.turns = turns
        self.all_jobs = AllJobs(self, book, later, clock)
        """Who follows every job there is, and not some that it knows of."""
        self._jobs: dict[str, dict[JobSubscription, None]] = {}
        self._changed_parts: dict[str, set[str]] = {}
        self._pacers: dict[str, Pacer] = {}
        self._fleet_followers: dict[MinionsSubscription, None] = {}
        self._changed_minions: set[str] = set()
        self._fleet_pacer = Pacer(CHANGE_SECONDS, self._flush_fleet, later, clock)
        book.on_change(self._job_changed)
        book.needed_by(lambda jid: jid in self._jobs)
        fleet.on_change(self._minion_changed)

    @property
    def seq(self) -> int:
        """The number up to which the pictures are drawn."""
        return self._history.seq

    def followed_jobs(self) -> list[str]:
        """The jobs that somebody watches."""
        return [*self._jobs, *self.all_jobs.watched()]

    def job_view(self, job: Job, viewer: Viewer, *, parts: bool | Container[str] = True) -> dict[str, Any] | None:
        """Return the job object as the viewer may see it, or None."""
        seen = self._visibility.sees_job(viewer, job)
        if seen is False:
            return None
        return shown(job, parts=parts) if seen is True else shown(job, seen, hide_call=True, parts=parts)

    def sees_job(self, job: Job, viewer: Viewer) -> bool:
        """Tell whether the viewer may see anything of a job."""
        return self._visibility.sees_job(viewer, job) is not False

    def fleet_view(self, viewer: Viewer, only: Iterable[str] | None = None, *, grains: Grains = True) -> dict[str, Any]:
        """Return the minions that the viewer may see, by id."""
        known = self._fleet.all()
        names = sorted(known) if only is None else [name for name in only if name in known]
        views = ((name, self._minion_view(viewer, name, grains)) for name in names)
        return {name: view for name, view in views if view is not None}

    def sees_any(self, subscription: JobSubscription) -> bool:
        """Tell whether something of its jobs may be seen; of one that was forgotten nobody can say."""
        jobs = [self._book.get(jid) for jid in subscription.jids]
        viewer = subscription.session.viewer
        return any(job is None or self._visibility.sees_job(viewer, job) is not False for job in jobs)

    def draw_jobs(self, subscription: JobSubscription) -> Iterator[Piece]:
        """Yield its jobs whole, in pieces, each as it is when it is asked for."""
        viewer = subscription.session.viewer
        for jid in subscription.jids:
            yield from ([piece] for piece in self.job_frames(jid, subscription, viewer))

    def draw_changed(self, subscription: JobSubscription, changed: Mapping[str, Container[str]]) -> Iterator[Piece]:
        """Yield jobs, by jid, with those of their minions that changed, in pieces."""
        viewer = subscription.session.viewer  # of now: who shares it must not get what this one may see later
        for jid, names in changed.items():
            yield from ([piece] for piece in self.job_frames(jid, subscription, viewer, names))

    def job_frames(
        self, jid: str, subscription: JobSubscription, viewer: Viewer, names: Container[str] | None = None
    ) -> Iterator[frames.Message]:
        """Yield a job with these of its minions, or with all, as many to a frame as :func:`cut` lets be.

        Nothing where there is none to see.
        """
        job, whole = self._book.get(jid), self._job_frame(jid, subscription, viewer, names)
        if job is None or whole is None:
            return
        seen, parts = list(whole["minions"]), job.parts
        for piece in cut(seen, lambda name: subscription.weigh(parts.get(name)), subscription.piece_bytes):
            frame = (
                whole if len(piece) == len(seen) else self._job_frame(jid, subscription, viewer, dict.fromkeys(piece))
            )
            if frame is not None:
                yield frame

    def follow_jobs(self, subscription: JobSubscription) -> None:
        """Send changes of its jobs to a subscription."""
        for jid in subscription.jids:
            self._jobs.setdefault(jid, {})[subscription] = None

    def leave_jobs(self, subscription: JobSubscription) -> None:
        """Send it nothing more."""
        for jid in subscription.jids:
            followers = self._jobs.get(jid)
            if followers is None:
                continue
            followers.pop(subscription, None)
            if not followers:
                del self._jobs[jid]
                self._pacers.pop(jid, None)
                self._changed_parts.pop(jid, None)

    def follow_fleet(self, subscription: MinionsSubscription) -> None:
        """Send changes of the fleet to a subscription."""
        self._fleet_followers[subscription] = None

    def leave_fleet(self, subscription: MinionsSubscription) -> None:
        """Send it nothing more."""
        self._fleet_followers.pop(subscription, None)

    def broke(self, hole: Hole) -> None:
        """Tell all followers that the bus was not heard for a while: a picture may be behind what really is."""
        jobs: dict[JobSubscription, None] = {follower: None for job in self._jobs.values() for follower in job}
        for follower in (*jobs, *self.all_jobs.followers, *self._fleet_followers):
            oldest = self._history.oldest
            gap = frames.gap(follower.number, hole.reason, count=None, first=hole.seq, last=hole.seq, oldest=oldest)
            follower.connection.send(gap)

    def draw_fleet(self, subscription: MinionsSubscription) -> Iterator[Piece]:
        """Yield the fleet whole, in pieces, each as it is when it is asked for; null for what is not to be seen now."""
        # Whether each may be seen is found out piece by piece: to look at thousands at once would hold others up.
        return self.draw_minions(subscription, sorted(subscription.told.union(self._fleet.all())))

    def draw_minions(self, subscription: MinionsSubscription, names: Iterable[str]) -> Iterator[Piece]:
        """Yield those of these minions that are asked for, in pieces; null for what is not to be seen now.

        A piece may be empty: others have their turn after it all the same.
        """
        viewer, wanted = subscription.session.viewer, filter(subscription.wants, names)
        for views in self._minions_views(wanted, viewer, subscription.grains, subscription.piece_bytes):
            news = subscription.news(views)
            yield [] if news is None else [news]

    def minions_view(self, viewer: Viewer, names: Iterable[str], grains: Grains = True) -> dict[str, Any]:
        """Return these minions as the viewer may see them, with None for those that may not be seen."""
        return {name: self._minion_view(viewer, name, grains) for name in names}

    def _minion_view(self, viewer: Viewer, name: str, grains: Grains) -> dict[str, Any] | None:
        minion = self._fleet.get(name)
        permissions = viewer.permissions
        key = permissions.may_call("wheel", "key.list_all")
        # Nobody can run anything on who has no accepted key: such names, which strangers choose, are keys only.
        if minion is None or not (key or (minion.key == "accepted" and permissions.may_run("test.ping", (), name))):
            return None
        may_read = permissions.may_run("grains.items", (), name)
        return minion.shown(key=key, grains=grains if may_read else False)

    def _job_changed(self, job: Job, minions: tuple[str, ...]) -> None:
        if job.jid not in self._jobs:
            return
        self._changed_parts.setdefault(job.jid, set()).update(minions or job.parts)
        pacer = self._pacers.get(job.jid)
        if pacer is None:
            jid = job.jid
            pacer = self._pacers[jid] = Pacer(CHANGE_SECONDS, lambda: self._flush_job(jid), self._later, self._clock)
        pacer.poke()

    def _flush_job(self, jid: str) -> None:
        changed = self._changed_parts.pop(jid, set())
        made: dict[Any, Shared[bytes]] = {}
        for subscription in list(self._jobs.get(jid, ())):
            if subscription.drawing:
                subscription.behind.update((jid, name) for name in changed)
                continue
            key = (subscription.session.viewer, subscription.form)
            if key not in made:
                made[key] = change(subscription.connection, self.draw_changed(subscription, {jid: changed}))
            subscription.tell(made[key])

    def _job_frame(
        self, jid: str, subscription: JobSubscription, viewer: Viewer, names: Container[str] | None = None
    ) -> frames.Message | None:
        """Return a job with these of its minions, or with all, as a viewer sees it; None where it may not."""
        job = self._book.get(jid)
        if job is None:
            return None
        view = self.job_view(job, viewer, parts=True if names is None else names)
        if view is None:
            return None
        view, parts = subscription.asked_for(view)
        return frames.job(subscription.number, self.seq, view, parts)

    def _minion_changed(self, minion: str) -> None:
        if self._fleet_followers:
            self._changed_minions.add(minion)
            self._fleet_pacer.poke()

    def _flush_fleet(self) -> None:
        changed, self._changed_minions = sorted(self._changed_minions), set()
        views: dict[tuple[Viewer, Grains], Shared[dict[str, Any]]] = {}
        for subscription in list(self._fleet_followers):
            if subscription.drawing:
                subscription.behind.update(("", name) for name in changed)
                continue
            viewer, grains = key = (subscription.session.viewer, subscription.grains)
            if key not in views:
                views[key] = Shared(self._minions_views(changed, viewer, grains, subscription.piece_bytes))
            subscription.show(views[key])

    def _minions_views(
        self, names: Iterable[str], viewer: Viewer, grains: Grains, most: int
    ) -> Iterator[dict[str, Any]]:
        """Yield minions in pieces: a frame with the grains of thousands would hold up whoever reads it, and us."""

        def weigh(name: str) -> int:
            minion = self._fleet.get(name) if grains is True else None
            return 0 if minion is None else minion.grains_bytes

        for piece in cut(names, weigh, most):
            yield self.minions_view(viewer, piece, grains)
