"""Subscriptions to some jobs or to all of them, and the feed that sends them what changed.

The cost of a change depends on its size, not on the number of jobs. Subscriptions with the same viewer and format share
the bytes of a change.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ...fair_share import Share
from ..access.turns import Turns
from ..access.visibility import Viewer, Visibility
from ..delivery.chunks import Chunk, Shared, encode_change
from ..delivery.pacing import Pacer
from ..delivery.positions import Revisions
from ..delivery.snapshots import CHANGE_SECONDS
from ..events.history import Gap, History
from ..jobs.job import Job
from ..jobs.job_object_cache import CachedJobObject, JobObjectCache
from ..jobs.registry import JobRegistry
from ..timing import Clock, Later
from .job_chunks import JobChunks, visible_object
from .job_subscription import JobPart, JobSource, JobSubscription
from .kept_jobs import KeptJobs

MAX_WATCHED = 20
"""Unfinished jobs that are watched for those who follow all jobs: each costs the master a question to minions."""


class JobFeed(JobSource):
    """Followers of jobs, and what each of them may see.

    :param clock: seconds, monotonic
    :param revisions: numbers the changes
    :param max_bytes: the maximum memory of the jobs that one user follows by name; None for no limit
    """

    def __init__(
        self,
        *,
        history: History,
        jobs: JobRegistry,
        visibility: Visibility,
        later: Later,
        clock: Clock,
        turns: Turns,
        revisions: Revisions,
        max_bytes: int | None = None,
    ) -> None:
        self._jobs = jobs
        self._visibility = visibility
        self._all_followers: dict[JobSubscription, None] = {}
        """Subscriptions to all jobs."""
        self._followers: dict[str, dict[JobSubscription, None]] = {}
        """By jid."""
        super().__init__(history=history, revisions=revisions, later=later, turns=turns)
        self._clock = clock
        self._chunks = JobChunks(history, jobs, visibility, revisions)
        self.kept = KeptJobs(max_bytes)
        self._job_objects = JobObjectCache()
        self._changed: dict[str, set[str]] = {}
        """Minions whose part changed since the last frame, by jid, of followed jobs."""
        self._pacers: dict[str, Pacer] = {}
        self._all_changed: dict[str, set[str]] = {}
        self._all_pacer = Pacer(CHANGE_SECONDS, self._flush_all, later, clock)
        jobs.on_change(self._on_change)
        jobs.needed_by(lambda jid: jid in self._followers or jid in self._all_changed)

    def followers(self) -> Collection[JobSubscription]:
        """Return all subscriptions."""
        return {follower: None for job in (*self._followers.values(), self._all_followers) for follower in job}

    def number_of(self, subscription: JobSubscription, position: Mapping[str, Any]) -> int | None:
        """Return the number of a client's position; None if what changed since is not known."""
        number = super().number_of(subscription, position)
        if number is not None and subscription.jids is None:
            changed = {jid for jid, _ in self.after(subscription, number)}
            if any(self._jobs.get(jid) is None for jid in changed):
                return None  # the client has an old state of a job that was dropped
        known = [job for jid in subscription.jids or () if (job := self._jobs.get(jid)) is not None]
        if not all(map(self._jobs.is_followed, known)):
            return None  # its changes are noted only while it is followed
        return number

    def after(self, subscription: JobSubscription, number: int) -> Collection[JobPart]:
        """Return the parts that a subscription wants and that changed after a number."""
        found = self.log.after(number)
        if found is None:  # more changed since the reply to the client than the log keeps
            return [(jid, None) for jid in self._chunks.jids(subscription)]
        jids = None if subscription.jids is None else frozenset(subscription.jids)
        return found if jids is None else [part for part in found if part[0] in jids]

    def encode_parts(self, subscription: JobSubscription, parts: Collection[JobPart]) -> Iterator[bytes]:
        """Yield parts as all subscriptions of this view and form get them, in short steps."""
        changed: dict[str, set[str] | None] = {}
        for jid, minion in parts:
            names = changed.setdefault(jid, set())
            if minion is None or names is None:
                changed[jid] = None
            else:
                names.add(minion)
        chunks = self._chunks.changes(subscription, changed)
        return chain.from_iterable(subscription.connection.steps(*chunk) for chunk in chunks)

    def encode_all(self, subscription: JobSubscription) -> Iterator[bytes]:
        """Yield the snapshot as all subscriptions of this view and form get it, in short steps."""
        return chain.from_iterable(subscription.connection.steps(*chunk) for chunk in self.snapshot(subscription))

    def weigh(self, subscription: JobSubscription, parts: Collection[JobPart] | None) -> int:
        """Return the approximate bytes of parts; of all jobs for None."""
        return self._chunks.weigh(subscription, parts)

    def snapshot(self, subscription: JobSubscription) -> Iterator[Chunk]:
        """Yield all jobs of a subscription in chunks, each with the state at the time it is requested."""
        return self._chunks.snapshot(subscription)

    def followed_jobs(self) -> list[str]:
        """Return the jobs whose end is looked for: those that are followed, and the newest if all jobs are."""
        return [*self._followers, *(self._jobs.unfinished(MAX_WATCHED) if self._all_followers else ())]

    def view(self, job: Job, viewer: Viewer, *, parts: bool | Container[str] = True) -> dict[str, Any] | None:
        """Return the job object as the viewer may see it, or None if nothing of it is visible."""
        visible = self._visibility.sees_job(viewer, job)
        return None if visible is False else visible_object(job, visible, parts=parts)

    def cached_view(self, job: Job, viewer: Viewer) -> CachedJobObject | None:
        """Return :meth:`view` without minions. The object is shared, and must not be changed."""
        view = (viewer.key, viewer.permissions.expanded)
        return self._job_objects.get(job, view, lambda: self.view(job, viewer, parts=False))

    def sees_job(self, job: Job, viewer: Viewer) -> bool:
        """Return whether the viewer may see anything of a job."""
        return self._visibility.sees_job(viewer, job) is not False

    def sees_any(self, subscription: JobSubscription) -> bool:
        """Return whether any job of a subscription is visible. Forgotten jobs count as visible: nobody can tell."""
        jobs = [self._jobs.get(jid) for jid in subscription.jids or ()]
        viewer = subscription.session.viewer
        return subscription.jids is None or any(job is None or self.sees_job(job, viewer) for job in jobs)

    def follow(self, subscription: JobSubscription) -> None:
        """Send changes of its jobs to a subscription from now on."""
        if subscription.jids is None:
            self._all_followers[subscription] = None
        for jid in subscription.jids or ():
            followers, job = self._followers.setdefault(jid, {}), self._jobs.get(jid)
            if subscription not in followers:
                followers[subscription] = None
                self.kept.follow(subscription.session.share, jid, 0 if job is None else job.memory)

    def unfollow(self, subscription: JobSubscription) -> None:
        """Send nothing more to a subscription."""
        self._all_followers.pop(subscription, None)
        if not self._all_followers:
            self._all_changed.clear()
            self._unsent.pop(None, None)
        for jid in subscription.jids or ():
            followers = self._followers.get(jid)
            if followers is None or subscription not in followers:
                continue
            del followers[subscription]
            self.kept.unfollow(subscription.session.share, jid)
            if not followers:
                del self._followers[jid]
                self._pacers.pop(jid, None)
                self._changed.pop(jid, None)
                self._unsent.pop(jid, None)

    def send_gap(self, gap: Gap) -> None:
        """Report to all followers that the engine missed events."""
        for follower in self.followers():
            follower.send_gap(gap, self._history.oldest)

    def _on_change(self, job: Job, minions: tuple[str, ...]) -> None:
        changed, jid = minions or job.parts, job.jid
        first = self.revisions.newest + 1
        if self._jobs.is_followed(job) or jid in self._followers:
            for minion in minions:
                self.log.note((jid, minion))
            if not minions:
                self.log.note((jid, None))
        if self._all_followers and self._jobs.is_followed(job):
            self._unsent.setdefault(None, first)
            self._all_changed.setdefault(jid, set()).update(changed)
            self._all_pacer.request_flush()
        if jid not in self._followers:
            return
        for share in self.kept.grow(jid, job.memory):
            self._end(jid, share)
        if jid not in self._followers:
            return
        self._unsent.setdefault(jid, first)
        self._changed.setdefault(jid, set()).update(changed)
        pacer = self._pacers.get(jid)
        if pacer is None:
            pacer = self._pacers[jid] = Pacer(CHANGE_SECONDS, lambda: self._flush(jid), self._later, self._clock)
        pacer.request_flush()

    def _end(self, jid: str, share: Share) -> None:
        """End a user's subscriptions to a job, because what the user follows takes too much memory."""
        for subscription in [one for one in self._followers[jid] if one.session.share == share]:
            subscription.end(self.kept.refusal())

    def _flush(self, jid: str) -> None:
        changed = {jid: self._changed.pop(jid, set())}
        first = self._unsent.pop(jid, self.revisions.newest)
        self._send_changes(self._followers.get(jid, ()), changed, first)

    def _flush_all(self) -> None:
        changed, self._all_changed = self._all_changed, {}
        first = self._unsent.pop(None, self.revisions.newest)
        self._send_changes(self._all_followers, changed, first)

    def _send_changes(self, followers: Iterable[JobSubscription], changed: Mapping[str, set[str]], first: int) -> None:
        """Send changes to followers. Those that are still being sent chunks, or do not read, get them later.

        :param first: the number of the first of these changes
        """
        made: dict[tuple[object, ...], Shared[bytes]] = {}
        for subscription in list(followers):
            if subscription.must_wait():
                subscription.fall_behind(first - 1)
                continue
            key = (subscription.session.viewer, subscription.form)
            if key not in made:
                made[key] = encode_change(subscription.connection, self._chunks.changes(subscription, changed))
            subscription.send_change(made[key])
