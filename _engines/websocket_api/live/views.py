"""Live pictures of jobs and of the fleet: who follows which (live/pictures.py), and what each may see of it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

from . import frames
from .alljobs import AllJobs
from .fleet import Fleet, Grains
from .history import History, Hole
from .jobbook import JobBook
from .jobs import Job, shown
from .pacing import Later, Pacer, Turns
from .pictures import CHANGE_SECONDS, PIECE, JobSubscription, MinionsSubscription, Piece
from .visibility import Viewer, Visibility

Clock = Callable[[], float]


class Views:
    """Who follows which picture, and what they may see of it."""

    def __init__(
        self,
        *,
        history: History,
        book: JobBook,
        fleet: Fleet,
        visibility: Visibility,
        later: Later,
        clock: Callable[[], float],
    ) -> None:
        self._history = history
        self._book = book
        self._fleet = fleet
        self._visibility = visibility
        self._later = later
        self._clock = clock
        self.turns = Turns(later, clock)
        self.all_jobs = AllJobs(self, book, later, clock)
        """Who follows every job there is, and not some that it knows of."""
        self._jobs: dict[str, dict[JobSubscription, None]] = {}
        self._changed_parts: dict[str, set[str]] = {}
        self._pacers: dict[str, Pacer] = {}
        self._fleet_followers: dict[MinionsSubscription, None] = {}
        self._changed_minions: set[str] = set()
        self._fleet_pacer = Pacer(CHANGE_SECONDS, self._flush_fleet, later, clock)
        book.on_change(self._job_changed)
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
        for jid in subscription.jids:
            yield from ([piece] for piece in self.whole_job(jid, subscription))

    def whole_job(self, jid: str, subscription: JobSubscription) -> Iterator[frames.Message]:
        """Yield a job with all its minions, at most :data:`PIECE` in a frame; nothing where there is none to see."""
        whole = self.job_frame(jid, subscription)
        if whole is None or len(whole["minions"]) <= PIECE:
            yield from () if whole is None else (whole,)
            return
        for names in _pieces(list(whole["minions"])):
            piece = self.job_frame(jid, subscription, set(names))
            if piece is not None:
                yield piece

    def send_job(self, subscription: JobSubscription, jid: str, changed: set[str]) -> None:
        """Send a job with those of its minions that changed."""
        frame = self.job_frame(jid, subscription, changed)
        if frame is not None:
            subscription.connection.send(frame)

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
        viewer, grains = subscription.session.viewer, subscription.grains
        seen = subscription.told.union(self.fleet_view(viewer, grains=False))
        for names in _pieces([name for name in sorted(seen) if subscription.wants(name)]):
            piece = subscription.news(self.minions_view(viewer, names, grains))
            if piece is not None:
                yield [piece]

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
        made: dict[Any, bytes | None] = {}
        for subscription in list(self._jobs.get(jid, ())):
            if subscription.drawing:
                subscription.behind.update((jid, name) for name in changed)
                continue
            connection = subscription.connection
            key = (subscription.session.viewer, subscription.form)
            if key not in made:
                frame = self.job_frame(jid, subscription, changed)
                made[key] = None if frame is None else connection.frame(frame)
            encoded = made[key]
            if encoded is not None:
                connection.outbox.put(encoded)

    def job_frame(
        self, jid: str, subscription: JobSubscription, names: Container[str] | None = None
    ) -> frames.Message | None:
        """Return a job with these of its minions, or with all, as one subscription sees it; None where it may not."""
        job = self._book.get(jid)
        if job is None:
            return None
        view = self.job_view(job, subscription.session.viewer, parts=True if names is None else names)
        if view is None:
            return None
        view, parts = subscription.asked_for(view)
        return frames.job(subscription.number, self.seq, view, parts)

    def _minion_changed(self, minion: str) -> None:
        if self._fleet_followers:
            self._changed_minions.add(minion)
            self._fleet_pacer.poke()

    def _flush_fleet(self) -> None:
        changed, self._changed_minions = self._changed_minions, set()
        # A frame with the grains of thousands would hold up whoever reads it, and us: they come in pieces, as at first.
        for names in _pieces(list(changed)):
            self._send_minions(names)

    def _send_minions(self, changed: list[str]) -> None:
        views: dict[tuple[Viewer, Grains], dict[str, Any]] = {}
        for subscription in list(self._fleet_followers):
            if subscription.drawing:
                subscription.behind.update(("", name) for name in changed)
                continue
            key = (subscription.session.viewer, subscription.grains)
            if key not in views:
                viewer, grains = key
                views[key] = self.minions_view(viewer, changed, grains)
            news = subscription.news(views[key])
            if news is not None:
                subscription.connection.send(news)


def _pieces(names: list[str]) -> list[list[str]]:
    """Cut into pieces of :data:`PIECE`; nothing makes one empty piece."""
    return [names[start : start + PIECE] for start in range(0, len(names), PIECE)] or [[]]
