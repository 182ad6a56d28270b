"""Batches: many requests to many minions, tracked as one (docs/batches.md). This module has their state only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from ...fair_share import Share
from ...tracing import NO_CONTEXT, TraceContext
from .ids import request_id
from .request import ENDED, FAILED, Call, Label, Request, SentJob, iso

MAX_IN_JOB = 500
"""Minions in one job. The master checks the key of each minion in a list, which takes 0.5 to 1 ms. A list of 10,000
would block one of its workers for longer than the engine waits for an answer (measured on 3008.3)."""
FULL_PROGRESS = 10_000  # hundredths of a percent
RESULT_BYTES = 64 * 1024  # a larger return stays in its job, and is not stored in the batch too
TOO_LARGE = "too large to be kept here: it is in the job"
NO_ROOM = "the results of your batches take too much memory to keep this one here: it is in the job"


class Batch:
    """A batch. Every change goes through a method, because the methods keep the counts right.

    :param user: the owner, together with ``eauth``
    :param token: the token that sends the requests; cleared when the batch ends
    :param requests: None if only the head of a stored batch is loaded
    :param created: seconds since the epoch, like all times here
    :param timeout: seconds from creation to the forced end; None: no timeout
    :param concurrency: maximum of requests that run at the same time; 0: no maximum
    :param stop: whether to send nothing more after the first error
    :param label: its name, and what it runs
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
        label: Label | None = None,
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
        self.label = label or Label()
        self.masters: tuple[str, ...] = ()
        """The masters that have driven it, the last one last; empty where there is only one master."""
        self.paused = False
        self.pause_request: str | None = None
        """The newest pause request of another master that was handled (remote_pause.py)."""
        self.status = "pending"
        self.finished: float | None = None
        self.trace: TraceContext = NO_CONTEXT
        """The trace of the request that created it. It is not stored: after a takeover its jobs start new traces."""
        self.done = self.errors = self.canceled = self.running = 0
        self.jobs: dict[int, SentJob] = {}
        """Jobs with requests that have not ended, by number."""
        self.job_count = 0
        self.fills = 0
        """How often its requests were loaded from the store."""
        self.final: str | None = None
        """The final status if it does not depend on the requests: canceled or timeout."""
        self.weight = 0
        """Sum of the progress of running requests, in hundredths of a percent. A sum of floats would drift."""
        self.result_bytes = 0
        """Memory of the results that it keeps, or would keep if they were loaded."""
        self.result_room = 0
        """Memory that it has reserved for results (result_memory.py)."""
        self.is_full = False
        """Whether a result did not fit."""
        self._pending: deque[int] = deque()
        self.recount()

    @property
    def share(self) -> Share:
        """The user whose fair share pays for work on this batch."""
        return Share(self.user, self.eauth)

    @property
    def ended(self) -> bool:
        """Whether the batch has a final status."""
        return self.status in ENDED

    @property
    def master(self) -> str | None:
        """The master that drives it, or drove it to its end; None where there is only one."""
        return self.masters[-1] if self.masters else None

    def set_master(self, master: str) -> None:
        """Note the master that drives it from now on."""
        self.masters = (*(known for known in self.masters if known != master), master)

    def is_of(self, masters: frozenset[str]) -> bool:
        """Return whether one of these masters drives it or has driven it; true if none is named."""
        return not masters or not masters.isdisjoint(self.masters)

    @property
    def progress(self) -> int:
        """Percent: ended requests count fully, running ones with the progress that they report."""
        return (FULL_PROGRESS * self._ended_count + self.weight) // (100 * self.total) if self.total else 100

    @property
    def waiting(self) -> int:
        """The number of requests that were not sent."""
        return self.total - self._ended_count - self.running

    @property
    def _ended_count(self) -> int:
        return self.done + self.errors + self.canceled

    def as_dict(self, *, ids: bool = False) -> dict[str, Any]:
        """Return the batch as clients receive it.

        :param ids: whether to add the ids of its requests
        """
        value: dict[str, Any] = {
            "id": self.id,
            "name": self.label.name,
            "functions": list(self.label.functions),
            "tgt": self.label.tgt,
            "tgt_type": self.label.tgt_type,
            "created_at": iso(self.created),
            "finished_at": iso(self.finished),
            "timeout": self.timeout,
            "concurrency": self.concurrency,
            "on_error": "stop" if self.stop else "continue",
            "status": self.status,
            "paused": self.paused,
            "progress": self.progress,
            "total_count": self.total,
            "done_count": self.done,
            "error_count": self.errors,
            "user": self.user,
            **({"master": self.master} if self.master else {}),
        }
        if ids:
            value["requests"] = [request_id(self.id, index) for index in range(self.total)]
        return value

    def request_as_dict(self, index: int) -> dict[str, Any]:
        """Return one request as clients receive it."""
        request = self.at(index)
        return {
            "id": request_id(self.id, index),
            "minion": request.minion,
            **self.calls[request.call].as_dict(),
            "created_at": iso(self.created),
            **request.as_dict(),
        }

    def request_bytes(self, index: int) -> int:
        """Return the approximate size of a request for clients, without the fields that all requests have."""
        request = self.at(index)
        return self.calls[request.call].bytes + request.bytes

    def at(self, index: int) -> Request:
        """Return the request with this index.

        :raises LookupError: the requests are not loaded
        """
        if self.requests is None:
            raise LookupError(f"the requests of batch {self.id} are not in memory")
        return self.requests[index]

    def next(self) -> list[int]:
        """Return the indexes of the next requests for one job, in order: the same call on different minions.

        None while the batch is paused.
        """
        if self.paused:
            return []
        room = min(MAX_IN_JOB, self.concurrency - self.running if self.concurrency else MAX_IN_JOB)
        indexes: list[int] = []
        minions: set[str] = set()
        self._drop_sent()
        for index in self._pending:
            request = self.at(index)
            if request.status != "pending":
                continue
            same = not indexes or request.call == self.at(indexes[0]).call
            if len(indexes) >= room or not same or request.minion in minions:
                break
            indexes.append(index)
            minions.add(request.minion)
        return indexes

    def send(self, indexes: Iterable[int], now: float) -> SentJob:
        """Mark the first pending requests as sent in a new job."""
        self.job_count += 1
        job = SentJob(self.job_count, -1, now)
        for index in indexes:
            request = self.at(index)
            request.status, request.job = "sent", job.number
            job.call = request.call
            job.indexes[request.minion] = index
        self._drop_sent()
        self.running += len(job.indexes)
        self.jobs[job.number] = job
        self.status = "dispatching"
        return job

    def _drop_sent(self) -> None:
        """Remove requests that are no longer pending from the head of the queue."""
        while self._pending and self.at(self._pending[0]).status != "pending":
            self._pending.popleft()

    def unsend(self, job: SentJob) -> list[int]:
        """Make the requests of a job pending again, because it certainly was not published; return their indexes."""
        indexes = sorted(job.indexes.values())
        for index in indexes:
            request = self.at(index)
            request.status, request.job = "pending", 0
        self.running -= len(indexes)
        self._pending.extendleft(reversed(indexes))
        self.jobs.pop(job.number, None)
        return indexes

    def set_jid(self, job: SentJob, jid: str) -> list[int]:
        """Set the id that the master gave to a job; return the indexes of its requests."""
        job.jid = jid
        for index in job.indexes.values():
            self.at(index).jid = jid
        return list(job.indexes.values())

    def report(self, index: int, percent: float, message: str | None) -> bool:
        """Apply the progress of a running request; return whether it changed anything."""
        request = self.at(index)
        if request.status != "sent" or (percent, message) == (request.progress, request.message):
            return False
        self.weight -= request.progress_hundredths
        request.progress, request.message = percent, message
        self.weight += request.progress_hundredths
        return True

    def end(
        self,
        index: int,
        status: str,
        now: float,
        *,
        result: Any = None,
        retcode: int | None = None,
        size: int = 0,
        memory: int = 0,
        keep: bool = True,
        late: bool = False,
    ) -> bool:
        """End a request; return whether that changed anything. A request that has ended does not change.

        :param size: bytes of the result as received
        :param memory: bytes of memory that it takes
        :param keep: whether there is memory for it; else it stays in its job
        :param late: the minion was given up before: its return replaces the error
        """
        request = self.at(index)
        if request.status in ENDED:
            if not late or self.ended or request.status != "error":
                return False
            self.errors -= 1
        elif request.status == "sent":
            self.running -= 1
            self.weight -= request.progress_hundredths
        self._count(status)
        request.status, request.finished, request.retcode = status, now, retcode
        if size > RESULT_BYTES or not keep:
            why = TOO_LARGE if size > RESULT_BYTES else NO_ROOM
            result, size = {"jid": request.jid, "bytes": size, "message": why}, 0
        else:
            self.result_bytes += memory
        request.result, request.size = result, size or -1
        request.progress = 100.0 if status == "resolved" else request.progress
        job = self.jobs.get(request.job)
        if job is not None:
            job.indexes.pop(request.minion, None)
            if not job.indexes:
                del self.jobs[request.job]
        return True

    def end_all(self, statuses: Iterable[str], status: str, now: float, fault: dict[str, Any]) -> list[int]:
        """End every request that has one of these statuses; return their indexes.

        :param fault: ``{error, message}``, which replaces a result
        """
        wanted = frozenset(statuses)
        indexes = [index for index, request in enumerate(self.requests or ()) if request.status in wanted]
        for index in indexes:
            self.end(index, status, now, result=fault)
        if "pending" in wanted:
            self._pending.clear()  # next() would scan it at each change, and it would use memory until the end
        return indexes

    def set_paused(self, paused: bool, request: str | None = None) -> None:
        """Pause or resume.

        :param request: the pause request of another master that is handled
        """
        self.paused = paused and not self.ended
        self.pause_request = request or self.pause_request

    def finish_if_done(self, now: float) -> bool:
        """End the batch if all its requests have ended; return whether it ended just now."""
        if self.ended or self._ended_count < self.total:
            return False
        self.status = self.final or ("error" if self.errors or self.canceled else "resolved")
        self.finished = now
        self.paused = False
        self.token = None
        return True

    def recount(self) -> None:
        """Count everything again, after the requests were read from the store."""
        if self.requests is None:
            return
        self.done = self.errors = self.canceled = self.running = 0
        self.weight = 0
        pending = [index for index, request in enumerate(self.requests) if request.status == "pending"]
        if not self.concurrency:
            # All requests go out at once. Those with the same call are put side by side to share a job.
            pending.sort(key=lambda index: self.at(index).call)
        self._pending = deque(pending)
        for request in self.requests:
            if request.status == "sent":
                self.running += 1
                self.weight += request.progress_hundredths
            else:
                self._count(request.status)

    def _count(self, status: str) -> None:
        if status == "resolved":
            self.done += 1
        elif status in FAILED:
            self.errors += 1
        elif status == "canceled":
            self.canceled += 1
