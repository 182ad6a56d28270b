"""Batches: many requests to many minions, tracked as one (docs/batches.md). What they are, without what drives them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from ...fair_share import Share
from .ids import request_id
from .request import ENDED, FAILED, Call, Request, SentJob, iso

MOST_IN_JOB = 500
"""Minions in one job. The master looks at the key of each minion of a list, which takes it half a millisecond to one: a
list of 10,000 keeps one of its workers busy for longer than an answer is waited for (measured, 3008.3)."""
WHOLE = 10_000  # hundredths of a percent
RESULT_BYTES = 64 * 1024  # a larger return is kept in its job only, not once more in the batch


class Batch:
    """A batch. Every change goes through its methods, which keep the counts.

    :param user: whom it belongs to, with ``eauth``
    :param token: with which its requests are sent; forgotten at its end
    :param requests: None where only the head of a stored batch is known
    :param created: seconds since the epoch, as all times here
    :param timeout: seconds from the creation after which it ends; None: never
    :param concurrency: how many requests run at once; 0: all
    :param stop: send nothing more after the first error
    """

    def __init__(
        self,
        id_: int,
        user: str,
        eauth: str,
        calls: list[Call],
        requests: list[Request] | None,
        *,
        created: float,
        timeout: float | None = None,
        concurrency: int = 0,
        stop: bool = False,
        token: str | None = None,
        total: int = 0,
    ) -> None:
        self.id = id_
        self.user = user
        self.eauth = eauth
        self.token = token
        self.calls = calls
        self.requests = requests
        self.created = created
        self.timeout = timeout
        self.concurrency = concurrency
        self.stop = stop
        self.total = total if requests is None else len(requests)
        self.status = "pending"
        self.finished: float | None = None
        self.done = self.errors = self.canceled = self.running = 0
        self.jobs: dict[int, SentJob] = {}
        """Jobs with requests that have not ended, by number."""
        self.job_count = 0
        self.final: str | None = None
        """How it ends whatever its requests come to: canceled or timeout."""
        self.weight = 0
        """The sum of what running requests report, in hundredths of a percent: a sum of fractions would drift."""
        self._pending: deque[int] = deque()
        self.count()

    # What is to be known

    @property
    def share(self) -> Share:
        """For whom what is done for it counts."""
        return Share(self.user, self.eauth)

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.status in ENDED

    @property
    def progress(self) -> int:
        """Percent: ended requests, and the part that running ones report."""
        return (WHOLE * self._over + self.weight) // (100 * self.total) if self.total else 100

    @property
    def waiting(self) -> int:
        """How many requests have not been sent."""
        return self.total - self._over - self.running

    @property
    def _over(self) -> int:
        return self.done + self.errors + self.canceled

    def shown(self, *, ids: bool = False) -> dict[str, Any]:
        """Return the batch as clients see it.

        :param ids: with the ids of its requests
        """
        value: dict[str, Any] = {
            "id": self.id,
            "createdAt": iso(self.created),
            "finishedAt": iso(self.finished),
            "timeout": self.timeout,
            "concurrency": self.concurrency,
            "on_error": "stop" if self.stop else "continue",
            "status": self.status,
            "progress": self.progress,
            "totalCount": self.total,
            "doneCount": self.done,
            "finishCount": self.done,
            "errorCount": self.errors,
            "user": self.user,
        }
        if ids:
            value["requests"] = [request_id(self.id, place) for place in range(self.total)]
        return value

    def request_shown(self, place: int) -> dict[str, Any]:
        """Return one of its requests as clients see it."""
        request = self.at(place)
        return {
            "id": request_id(self.id, place),
            **self.calls[request.call].shown(),
            "__request": {"createdAt": iso(self.created), **request.shown()},
        }

    def weigh(self, place: int) -> int:
        """Return about how many bytes one of its requests has for a client, beside what every request has."""
        request = self.at(place)
        return self.calls[request.call].bytes + request.bytes

    def at(self, place: int) -> Request:
        """Return the request at a place; the batch must be known whole."""
        if self.requests is None:
            raise LookupError(f"the requests of batch {self.id} are not in memory")
        return self.requests[place]

    # Sending

    def next(self) -> list[int]:
        """Return the places of those who may go next as one job: equal calls, different minions, in order."""
        room = min(MOST_IN_JOB, self.concurrency - self.running if self.concurrency else MOST_IN_JOB)
        places: list[int] = []
        minions: set[str] = set()
        self._forget_sent()
        for place in self._pending:
            request = self.at(place)
            if request.status != "pending":
                continue
            same = not places or request.call == self.at(places[0]).call
            if len(places) >= room or not same or request.minion in minions:
                break
            places.append(place)
            minions.add(request.minion)
        return places

    def send(self, places: Iterable[int], now: float) -> SentJob:
        """Note that the first of those pending are about to be sent."""
        self.job_count += 1
        job = SentJob(self.job_count, -1, now)
        for place in places:
            request = self.at(place)
            request.status, request.job = "sent", job.number
            job.call = request.call
            job.places[request.minion] = place
        self._forget_sent()
        self.running += len(job.places)
        self.jobs[job.number] = job
        self.status = "dispatching"
        return job

    def _forget_sent(self) -> None:
        """Drop those at the head that are not pending any more."""
        while self._pending and self.at(self._pending[0]).status != "pending":
            self._pending.popleft()

    def unsend(self, job: SentJob) -> list[int]:
        """Take back what certainly was not sent; return the places."""
        places = sorted(job.places.values())
        for place in places:
            request = self.at(place)
            request.status, request.job = "pending", 0
        self.running -= len(places)
        self._pending.extendleft(reversed(places))
        self.jobs.pop(job.number, None)
        return places

    def told(self, job: SentJob, jid: str) -> list[int]:
        """Note the id that the master gave to a job; return the places."""
        job.jid = jid
        for place in job.places.values():
            self.at(place).jid = jid
        return list(job.places.values())

    # What becomes of requests

    def report(self, place: int, percent: float, message: str | None) -> bool:
        """Take a running request's progress; tell whether that is news."""
        request = self.at(place)
        if request.status != "sent" or (percent, message) == (request.progress, request.message):
            return False
        self.weight -= request.hundredths
        request.progress, request.message = percent, message
        self.weight += request.hundredths
        return True

    def end(
        self,
        place: int,
        status: str,
        now: float,
        *,
        result: Any = None,
        retcode: int | None = None,
        size: int = 0,
        late: bool = False,
    ) -> bool:
        """End a request; tell whether that is news. One that has ended stays so.

        :param size: bytes of the result, as it came
        :param late: it is a return of somebody who was given up: that counts after all
        """
        request = self.at(place)
        if request.status in ENDED:
            if not late or self.ended or request.status != "error":
                return False
            self.errors -= 1
        elif request.status == "sent":
            self.running -= 1
            self.weight -= request.hundredths
        self._count(status, 1)
        request.status, request.finished, request.retcode = status, now, retcode
        if size > RESULT_BYTES:
            result = {"jid": request.jid, "bytes": size, "message": "too large to be kept here: it is in the job"}
            size = 0
        request.result, request.size = result, size or -1
        request.progress = 100.0 if status == "resolved" else request.progress
        job = self.jobs.get(request.job)
        if job is not None:
            job.places.pop(request.minion, None)
            if not job.places:
                del self.jobs[request.job]
        return True

    def end_all(self, statuses: Iterable[str], status: str, now: float, fault: dict[str, Any]) -> list[int]:
        """End every request in one of these states; return the places.

        :param fault: ``{error, message}``, which stands in place of a result
        """
        wanted = frozenset(statuses)
        places = [place for place, request in enumerate(self.requests or ()) if request.status in wanted]
        for place in places:
            self.end(place, status, now, result=fault)
        if "pending" in wanted:
            self._pending.clear()  # not to be gone through at each change, nor kept for as long as the batch
        return places

    def look_whether_ended(self, now: float) -> bool:
        """End the batch if all its requests have; tell whether it ended just now."""
        if self.ended or self._over < self.total:
            return False
        self.status = self.final or ("error" if self.errors or self.canceled else "resolved")
        self.finished = now
        self.token = None
        return True

    def count(self) -> None:
        """Count everything anew, after the requests were read from the store."""
        if self.requests is None:
            return
        self.done = self.errors = self.canceled = self.running = 0
        self.weight = 0
        pending = [place for place, request in enumerate(self.requests) if request.status == "pending"]
        if not self.concurrency:
            # All go at once: those with equal calls side by side, so that they share a job.
            pending.sort(key=lambda place: self.at(place).call)
        self._pending = deque(pending)
        for request in self.requests:
            if request.status == "sent":
                self.running += 1
                self.weight += request.hundredths
            else:
                self._count(request.status, 1)

    def pieces(self, size: int) -> Iterator[range]:
        """Yield the places of all requests in pieces."""
        for start in range(0, self.total, size):
            yield range(start, min(self.total, start + size))

    def _count(self, status: str, by: int) -> None:
        if status == "resolved":
            self.done += by
        elif status in FAILED:
            self.errors += by
        elif status == "canceled":
            self.canceled += by
