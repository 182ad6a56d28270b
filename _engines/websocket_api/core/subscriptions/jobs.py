"""Subscriptions to some jobs or to all of them, and the feed that sends them what changed.

The cost of a change depends on its size, not on the number of jobs. Subscriptions with the same viewer and format share
the bytes of a change.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ...errors import ApiError
from ...fair_share import Share
from ..access.session import Session
from ..access.turns import Turns
from ..access.visibility import Viewer, Visibility
from ..delivery import frames
from ..delivery.chunks import ITEM_BYTES, MAX_ITEMS, Chunk, Shared, cut, encode_change
from ..delivery.connection import Connection
from ..delivery.pacing import Pacer
from ..delivery.positions import Revisions
from ..delivery.snapshots import CHANGE_SECONDS, Feed, SnapshotSubscription
from ..events.history import Gap, History
from ..jobs.job import Job, Part
from ..jobs.job_object import job_object, part_objects
from ..jobs.job_object_cache import CachedJobObject, JobObjectCache
from ..jobs.registry import JobRegistry
from ..jobs.short_targets import with_short_target
from ..timing import Clock, Later
from .kept_jobs import KeptJobs

MAX_CHUNK_JOBS = 100
"""Jobs that are sent together."""
MAX_CHUNK_BYTES = 256 * 1024
"""Bytes of returns of jobs that are sent together; a single job may have more."""
MAX_WATCHED = 20
"""Unfinished jobs that are watched for those who follow all jobs: each costs the master a question to minions."""

JobPart = tuple[str, "str | None"]
"""A job and one of its minions; None for the whole job."""


class JobFeed(Feed[JobPart]):
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
            return [(jid, None) for jid in self._jids(subscription)]
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
        chunks = self.changes(subscription, changed)
        return chain.from_iterable(subscription.connection.steps(*chunk) for chunk in chunks)

    def encode_all(self, subscription: JobSubscription) -> Iterator[bytes]:
        """Yield the snapshot as all subscriptions of this view and form get it, in short steps."""
        return chain.from_iterable(subscription.connection.steps(*chunk) for chunk in self.snapshot(subscription))

    def weigh(self, subscription: JobSubscription, parts: Collection[JobPart] | None) -> int:
        """Return the approximate bytes of parts; of all jobs for None."""
        found: Collection[JobPart] = [(jid, None) for jid in self._jids(subscription)] if parts is None else parts
        whole = {jid for jid, minion in found if minion is None}
        weight = 0
        for jid in {jid for jid, _ in found}:
            if (job := self._jobs.get(jid)) is not None:
                weight += subscription.weigh_call(job) + ITEM_BYTES
                if jid in whole:
                    weight += ITEM_BYTES * len(job.parts) + (0 if subscription.without_return else job.size)
        for jid, minion in found:
            if minion is not None and jid not in whole and (job := self._jobs.get(jid)) is not None:
                weight += ITEM_BYTES + subscription.weigh(job.parts.get(minion))
        return weight

    def _jids(self, subscription: JobSubscription) -> list[str]:
        if subscription.jids is not None:
            return subscription.jids
        return [job.jid for job in self._jobs.newest_first() if job.fun is not None]

    def followed_jobs(self) -> list[str]:
        """Return the jobs whose end is looked for: those that are followed, and the newest if all jobs are."""
        return [*self._followers, *(self._jobs.unfinished(MAX_WATCHED) if self._all_followers else ())]

    def view(self, job: Job, viewer: Viewer, *, parts: bool | Container[str] = True) -> dict[str, Any] | None:
        """Return the job object as the viewer may see it, or None if nothing of it is visible."""
        visible = self._visibility.sees_job(viewer, job)
        return None if visible is False else self._view(job, visible, parts=parts)

    def cached_view(self, job: Job, viewer: Viewer) -> CachedJobObject | None:
        """Return :meth:`view` without minions. The object is shared, and must not be changed."""
        view = (viewer.key, viewer.permissions.expanded)
        return self._job_objects.get(job, view, lambda: self.view(job, viewer, parts=False))

    @staticmethod
    def _view(job: Job, visible: frozenset[str] | bool, *, parts: bool | Container[str]) -> dict[str, Any]:
        if isinstance(visible, bool):
            return job_object(job, parts=parts)
        return job_object(job, visible, hide_call=True, parts=parts)

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

    def snapshot(self, subscription: JobSubscription) -> Iterator[Chunk]:
        """Yield all jobs of a subscription in chunks, each with the state at the time it is requested."""
        viewer, jids = subscription.session.viewer, self._jids(subscription)
        messages = (message for jid in jids for message in self._messages(jid, subscription, viewer))
        yield from self._chunks(messages, subscription)

    def changes(self, subscription: JobSubscription, changed: Mapping[str, Container[str] | None]) -> Iterator[Chunk]:
        """Yield jobs in chunks, with those of their minions that changed.

        :param changed: names of minions, by jid; None for all
        """
        # The present viewer: subscriptions that share these chunks must not get what this one may see later.
        viewer = subscription.session.viewer
        found = (self._messages(jid, subscription, viewer, names) for jid, names in changed.items())
        yield from self._chunks(chain.from_iterable(found), subscription)

    def _messages(
        self, jid: str, subscription: JobSubscription, viewer: Viewer, names: Container[str] | None = None
    ) -> Iterator[frames.Message]:
        """Yield a job with the named minions, or with all, in as many messages as :func:`cut` needs.

        Nothing if none of it is visible. That is decided once: if the permissions change, all is sent again.
        """
        job = self._jobs.get(jid)
        if job is None or not subscription.has(job):
            return
        seen = self._visibility.sees_job(viewer, job)
        if seen is False:
            return
        wanted = subscription.wanted(job, None if seen is True else seen, names)
        parts = job.parts
        view: dict[str, Any] = {}
        viewed_at = -1
        for chunk in cut(wanted, lambda name: subscription.weigh(parts.get(name)), subscription.chunk_bytes):
            if self._jobs.get(jid) is not job:
                return  # forgotten, or read again from the job cache, since the last chunk
            if viewed_at != self.revisions.newest:  # a viewer of some minions has each of them counted
                view = subscription.summary(self._view(job, seen, parts=False))
                viewed_at = self.revisions.newest
            minions = subscription.objects({name: parts[name] for name in chunk if name in parts})
            yield frames.job(subscription.number, self.seq, view, minions)

    def _chunks(self, messages: Iterable[frames.Message], subscription: JobSubscription) -> Iterator[Chunk]:
        """Collect messages until they are enough for one chunk."""
        max_bytes = min(MAX_CHUNK_BYTES, subscription.chunk_bytes)
        chunk: list[frames.Message] = []
        items = size = 0
        for message in messages:
            more, weight = len(message["minions"]), self._weigh(message, subscription)
            full = len(chunk) == MAX_CHUNK_JOBS or items + more > MAX_ITEMS or size + weight > max_bytes
            if chunk and full:
                yield chunk
                chunk, items, size = [], 0, 0
            chunk.append(message)
            items, size = items + more, size + weight
        if chunk:
            yield chunk

    def _weigh(self, message: frames.Message, subscription: JobSubscription) -> int:
        """Return the approximate bytes of a message, as sent."""
        job = self._jobs.get(message["jid"])
        if job is None:
            return 0
        # The return of a runner or wheel is in the job object itself.
        own = job.size if job.kind != "job" and not subscription.without_return else 0
        return (
            own
            + subscription.weigh_call(job)
            + sum(ITEM_BYTES + subscription.weigh(job.parts.get(name)) for name in message["minions"])
        )

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
                made[key] = encode_change(subscription.connection, self.changes(subscription, changed))
            subscription.send_change(made[key])


class JobSubscription(SnapshotSubscription):
    """One client's subscription to jobs.

    :param jobs: None for all jobs, those that are known and those that start later
    :param masters: only jobs that these announced; empty for all
    :param without_return: leave out what the minions returned
    :param short_targets: send the beginning of long targets only
    """

    def __init__(
        self,
        feed: JobFeed,
        connection: Connection,
        number: int,
        session: Session,
        jobs: Iterable[Job] | None,
        *,
        only: Iterable[str] = (),
        masters: frozenset[str] = frozenset(),
        without_return: bool = False,
        short_targets: bool = False,
    ) -> None:
        super().__init__(feed, connection, number, session, only)
        self._feed = feed
        self.masters = masters
        self.without_return = without_return
        self.short_targets = short_targets
        self.jids = None if jobs is None else [job.jid for job in jobs]
        self._waits_for_client = False
        """Whether the client has not read what was sent before the changes that it misses."""
        self._missing_after: int | None = None
        """The client misses the changes after this number, apart from the chunks being sent; None if it misses none."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """The kind of the snapshot and its filters."""
        jids = None if self.jids is None else sorted(self.jids)
        shape = "job", jids, sorted(self.only), self.without_return, sorted(self.masters)
        # Positions that clients of earlier releases have, without this filter, stay valid over an update.
        return (*shape, "short_targets") if self.short_targets else shape

    def resume(self, position: Mapping[str, Any]) -> bool:
        """Prepare to send only what changed after a position; return False if that is not known."""
        resumes = super().resume(position)
        if resumes:
            self._feed.follow(self)
        return resumes

    def start(self) -> None:
        """Follow the jobs, and send the snapshot or what changed."""
        if self._resumes_after is not None:
            self._send_chunks(self._feed.steps_since(self, self._resumes_after))
            return
        self.read_permissions()
        self._feed.follow(self)
        self._send_chunks(self._feed.steps_since(self, None))

    def regroup(self) -> None:
        """Send a new snapshot, after the permissions changed; end if none of the jobs is visible any more."""
        self.read_permissions()
        if self._feed.sees_any(self):
            if not self.forget_position():
                self.send_snapshot(self._feed.snapshot(self))
            return
        self.end(ApiError("forbidden", "you may no longer see these jobs"))

    def end(self, error: ApiError) -> None:
        """End, and send the reason."""
        self.connection.remove(self.number)
        self.send_ended(error)

    @property
    def is_behind(self) -> bool:
        """Whether changes wait until the present chunks are sent. They take no memory: the feed's log has them."""
        return self._missing_after is not None

    def must_wait(self) -> bool:
        """Return whether changes must wait until the client has got what was sent before."""
        if self.is_sending or self._waits_for_client:
            return True
        outbox = self.connection.outbox
        if outbox.idle:
            return False
        # A client that does not read costs no more than this, and nothing is kept for it.
        self._waits_for_client = True
        outbox.when_reached(self._on_read)
        return True

    def _on_read(self) -> None:
        self._waits_for_client = False
        if not self._stopped and not self.is_sending:
            self.on_all_sent()

    def fall_behind(self, number: int) -> None:
        """Note that the client misses the changes after a number: they follow what is being sent."""
        self._missing_after = number if self._missing_after is None else min(number, self._missing_after)

    def on_all_sent(self) -> None:
        """Send what changed while the chunks were sent, in bytes that all clients which miss the same changes share."""
        number, self._missing_after = self._missing_after, None
        if number is None:
            return
        steps, reached = self._feed.steps_after(self, number)
        if reached < self._feed.revisions.newest:
            self._missing_after = reached  # the bytes are older than the last changes
        self._send_chunks(steps)

    def has(self, job: Job) -> bool:
        """Return whether one of the wanted masters announced a job."""
        return not self.masters or job.master in self.masters

    def wanted(self, job: Job, seen: Container[str] | None, names: Container[str] | None) -> list[str]:
        """Return those minions of a job that are visible, are named, and that this client subscribed to.

        :param seen: the visible minions; None for all
        :param names: None for all
        """
        narrow = [one for one in (seen, names, self.only or None) if one is not None]
        few = min((one for one in narrow if isinstance(one, Collection)), key=len, default=job.parts)
        is_few = len(few) < len(job.parts)
        found = [name for name in few if name in job.parts] if is_few else list(job.parts)
        for one in narrow:
            if not (is_few and one is few):
                found = [name for name in found if name in one]
        return found

    def summary(self, view: dict[str, Any]) -> dict[str, Any]:
        """Return a job object without minions as this client gets it."""
        if self.without_return:
            view.pop("return", None)
        return with_short_target(view) if self.short_targets else view

    def objects(self, parts: dict[str, Part]) -> dict[str, Any]:
        """Return parts of jobs as this client gets them."""
        return part_objects(parts, without_return=self.without_return)

    def weigh(self, part: Part | None) -> int:
        """Return the approximate bytes of a part that this client gets, in addition to ``ITEM_BYTES``."""
        if part is None:
            return 0
        return len(part.message or "") + (0 if self.without_return else part.size)

    def weigh_call(self, job: Job) -> int:
        """Return the approximate bytes of what was asked for that this client gets."""
        return job.call_size - (job.call_size_cut if self.short_targets else 0)

    @property
    def form(self) -> tuple[Any, ...]:
        """Subscriptions with the same form and viewer get the same bytes."""
        filters = self.only, self.masters, self.without_return, self.short_targets
        return self.number, *filters, self.connection.codec, self.connection.wrap

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._feed.unfollow(self)
