"""What the minions return, matched to a batch's requests by job and minion."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from ...errors import ApiError
from ..jobs.job import RETURNED, Job, Part
from ..jobs.registry import JobRegistry
from .batch import Batch
from .records import UNKNOWN
from .request import SentJob

MISSING = {
    "error": "missing",
    "message": "the minion did not answer, or it says that it does not run the job, and sent no return",
}
NO_KEY = {"error": "no_minions", "message": "this master has no key of the minion"}
CANCELED = {"error": "canceled", "message": "the job was canceled"}

Changed = Callable[[Batch, Collection[int]], None]


class Returns:
    """Follows the jobs of batches.

    :param stored: reads a job from the job cache
    :param changed: called with the requests that changed
    :param spawn: runs something beside
    """

    def __init__(
        self,
        *,
        jobs: JobRegistry,
        wall: Callable[[], float],
        stored: Callable[[str], Awaitable[Job | None]],
        changed: Changed,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._jobs = jobs
        self._wall = wall
        self._stored = stored
        self._tell = changed
        self._spawn = spawn
        self._followed: dict[str, tuple[Batch, SentJob]] = {}
        jobs.on_change(self._changed)
        jobs.needed_by(self._awaits)

    def watched(self) -> list[str]:
        """Return the jobs that have not ended.

        Those of a canceled batch too: the master may not be able to stop them, and then they end by themselves.
        """
        return [jid for jid, (_, sent) in self._followed.items() if sent.places]

    def follow(self, batch: Batch, sent: SentJob, job: Job) -> None:
        """Take what has come of a job so far, and what comes of it from now on."""
        self._followed[job.jid] = batch, sent
        for minion in [minion for minion in sent.places if minion not in job.parts]:
            job.expect((), [minion])
        self._changed(job, tuple(sent.places))

    def _awaits(self, jid: str) -> bool:
        followed = self._followed.get(jid)
        return followed is not None and bool(followed[1].places)

    def forget(self, batch: Batch) -> None:
        """Follow a batch's jobs no more."""
        for jid in [jid for jid, (of, _) in self._followed.items() if of is batch]:
            del self._followed[jid]

    def _changed(self, job: Job, minions: tuple[str, ...]) -> None:
        followed = self._followed.get(job.jid)
        if followed is None:
            return
        batch, sent = followed
        places, silent = [], []
        for minion in minions:
            part, place = job.parts.get(minion), sent.places.get(minion)
            late = place is None
            place = sent.late.get(minion) if place is None else place
            if part is None or place is None:
                continue
            if part.state == "missing" and not late:
                silent.append(minion)
            elif self._take(batch, place, part, late):
                places.append(place)
        if silent:
            self._spawn(self._silent(batch, sent, job, silent))
        if places:
            self._tell(batch, places)

    def _take(self, batch: Batch, place: int, part: Part, late: bool) -> bool:
        if part.state in RETURNED:
            status = "resolved" if part.state == "returned" else "error"
            now, value, size = self._wall(), part.value, part.size
            return batch.end(place, status, now, result=value, retcode=part.retcode, size=size, late=late)
        if part.state == "canceled":
            return batch.end(place, "canceled", self._wall(), result=CANCELED)
        return batch.report(place, part.progress, part.message)

    async def _silent(self, batch: Batch, sent: SentJob, job: Job, minions: list[str]) -> None:
        """End the requests of minions that say nothing, unless their returns are in the job cache.

        That is where they are if they came while the engine was away, or the bus was.
        """
        unread = False
        try:
            stored = await self._stored(job.jid)
        except ApiError:
            stored, unread = None, True
        if stored is not None:
            self._jobs.add_returns(job, {name: stored.parts[name] for name in minions if name in stored.parts})
        places = []
        for minion in minions:
            place = sent.places.get(minion)
            if place is None:
                continue
            if batch.final == "canceled":
                # It was to be stopped, and does not run.
                status, fault = "canceled", CANCELED
            else:
                status, fault = "error", UNKNOWN if sent.foreign or unread else MISSING
                sent.late[minion] = place
            if batch.end(place, status, self._wall(), result=fault):
                places.append(place)
        if places:
            self._tell(batch, places)
