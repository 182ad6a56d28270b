"""Batches as they are stored: a small record of the state, and the requests in chunks (salt_master/batch_store.py).

The record is written at every change, a chunk only when one of its requests changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from .batch import Batch
from .request import Call, Request, SentJob

CHUNK = 500  # requests written together: with usual returns about 100 KiB
FORM = 1
"""Of the records. A later form gets another number, so that masters of two releases do not misread each other."""

UNKNOWN = {
    "error": "outcome_unknown",
    "message": "it was sent, and nobody can tell what came of it: it is not sent again",
}
"""In place of a result."""

Row = list[Any]
Record = dict[str, Any]


def record(batch: Batch) -> Record:
    """Return the state of a batch, all but its calls and requests."""
    return {
        "form": FORM,
        "id": batch.id,
        "user": batch.user,
        "eauth": batch.eauth,
        "token": batch.token,
        "created": batch.created,
        "timeout": batch.timeout,
        "concurrency": batch.concurrency,
        "stop": batch.stop,
        "total": batch.total,
        "status": batch.status,
        "finished": batch.finished,
        "final": batch.final,
        "done": batch.done,
        "errors": batch.errors,
        "canceled": batch.canceled,
        "running": batch.running,
        "weight": batch.weight / 100,
        "job_count": batch.job_count,
        "jobs": [[job.number, job.call, job.at, job.jid, job.foreign] for job in batch.jobs.values()],
    }


def calls(batch: Batch) -> list[dict[str, Any]]:
    """Return what is written once, when the batch is made."""
    # Not asdict(): arguments may be nested deeper than it can follow.
    values = ({one.name: getattr(call, one.name) for one in fields(Call)} for call in batch.calls)
    return [{name: value for name, value in one.items() if value is not None} for one in values]


def chunk(batch: Batch, number: int) -> list[Row]:
    """Return one chunk of the requests."""
    return [
        [
            *(request.minion, request.call, request.status, request.progress, request.result),
            *(request.retcode, request.message, request.finished, request.job, request.jid),
        ]
        for request in (batch.requests or [])[number * CHUNK : (number + 1) * CHUNK]
    ]


def chunks_of(places: Iterable[int]) -> set[int]:
    """Return the chunks that these requests are in."""
    return {place // CHUNK for place in places}


def head(stored: Mapping[str, Any]) -> Batch:
    """Return a batch of which only the state is known."""
    batch = Batch(
        stored["id"],
        stored["user"],
        stored["eauth"],
        [],
        None,
        created=stored["created"],
        timeout=stored["timeout"],
        concurrency=stored["concurrency"],
        stop=stored["stop"],
        total=stored["total"],
    )
    update(batch, stored)
    return batch


def update(batch: Batch, stored: Mapping[str, Any]) -> None:
    """Take the state that another master has stored."""
    batch.token = stored["token"]
    batch.status, batch.finished, batch.final = stored["status"], stored["finished"], stored["final"]
    batch.done, batch.errors, batch.canceled = stored["done"], stored["errors"], stored["canceled"]
    batch.running, batch.weight, batch.job_count = stored["running"], round(stored["weight"] * 100), stored["job_count"]
    batch.jobs = {row[0]: SentJob(row[0], row[1], row[2], row[3], foreign=row[4]) for row in stored["jobs"]}


def take_rows(batch: Batch, number: int, rows: Iterable[Row]) -> list[int]:
    """Take one chunk that another master has stored; return the places of the requests that changed."""
    changed = []
    for place, row in enumerate(rows, number * CHUNK):
        request = Request(*row)
        if batch.requests is not None and batch.requests[place] != request:
            batch.requests[place] = request
            changed.append(place)
    return changed


def complete(batch: Batch, stored_calls: Sequence[Mapping[str, Any]], chunks: Sequence[Sequence[Row]]) -> bool:
    """Tell whether all of a batch was in the store: a disk or a cache may have lost some of it."""
    return sum(map(len, chunks)) == batch.total and all(row[1] < len(stored_calls) for rows in chunks for row in rows)


def fill(batch: Batch, stored_calls: Iterable[Mapping[str, Any]], chunks: Iterable[Iterable[Row]]) -> None:
    """Give a batch of which only the state is known its calls and requests.

    A request that is stored as sent with a job of which the record does not know yet: the record was never written, so
    it was not published, for that is done after it. It is pending still. With one of which the record knows no more it
    may have run.
    """
    batch.calls = [Call(**stored) for stored in stored_calls]
    batch.requests = [Request(*row) for rows in chunks for row in rows]
    for job in batch.jobs.values():
        job.places.clear()
    for place, request in enumerate(batch.requests):
        if request.status != "sent":
            continue
        if (sent := batch.jobs.get(request.job)) is not None:
            sent.places[request.minion] = place
            request.jid = request.jid or sent.jid
        elif request.job > batch.job_count:
            request.status, request.job = "pending", 0
        else:
            request.status, request.result = "error", dict(UNKNOWN)
    for number in [number for number, job in batch.jobs.items() if not job.places]:
        del batch.jobs[number]
    batch.count()
