"""The memory of jobs that subscriptions keep: a job that is followed is not dropped, however many jobs there are."""

from __future__ import annotations

from collections import Counter

from ...errors import ApiError
from ...fair_share import Share
from ..access.memory import LIMIT
from ..jobs.job import Job


class KeptJobs:
    """The jobs that each user follows, and their memory. A single job may have any size.

    :param max_bytes: the maximum for one user; None for no limit
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._followers: dict[str, Counter[Share]] = {}
        """The number of subscriptions of each user, by jid."""
        self._weights: dict[str, int] = {}
        """The last known memory of each followed job."""
        self._jobs: Counter[Share] = Counter()
        self._bytes: Counter[Share] = Counter()

    def bytes(self, share: Share) -> int:
        """Return the memory of the jobs that a user follows."""
        return self._bytes[share]

    def check(self, share: Share, jobs: list[Job]) -> None:
        """Check that a user may follow more jobs.

        :raises ApiError: too_many
        """
        new = {job.jid: job.memory for job in jobs if share not in self._followers.get(job.jid, ())}
        if new and self._exceeds(self._jobs[share] + len(new), self._bytes[share] + sum(new.values())):
            raise self.refusal()

    def follow(self, share: Share, jid: str, memory: int) -> None:
        """Count a job for one more subscription of a user."""
        followers = self._followers.setdefault(jid, Counter())
        weight = self._weights.setdefault(jid, memory)
        followers[share] += 1
        if followers[share] == 1:
            self._jobs[share] += 1
            self._bytes[share] += weight

    def unfollow(self, share: Share, jid: str) -> None:
        """Undo one :meth:`follow`."""
        followers = self._followers[jid]
        followers[share] -= 1
        if followers[share]:
            return
        del followers[share]
        self._jobs[share] -= 1
        self._bytes[share] -= self._weights[jid]
        if not self._jobs[share]:
            del self._jobs[share], self._bytes[share]
        if not followers:
            del self._followers[jid], self._weights[jid]

    def grow(self, jid: str, memory: int) -> list[Share]:
        """Note the memory of a followed job; return the users that may not follow so much."""
        more = memory - self._weights[jid]
        self._weights[jid] = memory
        found = []
        for share in self._followers[jid]:
            self._bytes[share] += more
            if more > 0 and self._exceeds(self._jobs[share], self._bytes[share]):
                found.append(share)
        return found

    def refusal(self) -> ApiError:
        """Return the error of a user that may not follow so much."""
        sentence = f"the jobs that you follow take more than {self._max_bytes} bytes of memory; follow fewer at once"
        return ApiError("too_many", sentence, {"limit": LIMIT})

    def _exceeds(self, jobs: int, number: int) -> bool:
        return self._max_bytes is not None and jobs > 1 and number > self._max_bytes
