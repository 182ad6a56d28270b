"""What subscriptions to jobs are sent: jobs with the parts that a viewer may see, in chunks."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ..access.visibility import Viewer, Visibility
from ..delivery import frames
from ..delivery.chunks import ITEM_BYTES, MAX_ITEMS, Chunk, cut
from ..delivery.positions import Revisions
from ..events.history import History
from ..jobs.job import Job
from ..jobs.job_object import job_object
from ..jobs.registry import JobRegistry
from .job_subscription import JobPart, JobSubscription

MAX_CHUNK_JOBS = 100
"""Jobs that are sent together."""
MAX_CHUNK_BYTES = 256 * 1024
"""Bytes of returns of jobs that are sent together; a single job may have more."""


class JobChunks:
    """Makes the messages about jobs that a subscription gets.

    :param revisions: numbers the changes
    """

    def __init__(self, history: History, jobs: JobRegistry, visibility: Visibility, revisions: Revisions) -> None:
        self._history = history
        self._jobs = jobs
        self._visibility = visibility
        self._revisions = revisions

    def jids(self, subscription: JobSubscription) -> list[str]:
        """Return the jobs of a subscription; all, newest first, if it names none."""
        if subscription.jids is not None:
            return subscription.jids
        return [job.jid for job in self._jobs.newest_first() if job.fun is not None]

    def snapshot(self, subscription: JobSubscription) -> Iterator[Chunk]:
        """Yield all jobs of a subscription in chunks, each with the state at the time it is requested."""
        viewer, jids = subscription.session.viewer, self.jids(subscription)
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

    def weigh(self, subscription: JobSubscription, parts: Collection[JobPart] | None) -> int:
        """Return the approximate bytes of parts; of all jobs for None."""
        found: Collection[JobPart] = [(jid, None) for jid in self.jids(subscription)] if parts is None else parts
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
            if viewed_at != self._revisions.newest:  # a viewer of some minions has each of them counted
                view = subscription.summary(visible_object(job, seen, parts=False))
                viewed_at = self._revisions.newest
            minions = subscription.objects({name: parts[name] for name in chunk if name in parts})
            yield frames.job(subscription.number, self._history.seq, view, minions)

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


def visible_object(job: Job, visible: frozenset[str] | bool, *, parts: bool | Container[str]) -> dict[str, Any]:
    """Return the object of a job of which these minions are visible, or all of it."""
    if isinstance(visible, bool):
        return job_object(job, parts=parts)
    return job_object(job, visible, hide_call=True, parts=parts)
