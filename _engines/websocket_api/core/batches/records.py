"""The stored form of batches: a small record of the state, and the requests in chunks (salt_master/batch_store.py).

The record is written at every change, a chunk only if one of its requests changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from .batch import Batch
from .request import Call, Label, Request, SentJob

CHUNK = 500  # requests written together: about 100 KiB with usual returns
FORM = 1
"""Version of the stored form. A later form gets another number, so that masters of two releases skip each other's."""

UNKNOWN = {
    "error": "outcome_unknown",
    "message": "it was sent, and its outcome cannot be found out: it is not sent again",
}
"""Replaces a result."""

Row = list[Any]
Record = dict[str, Any]


def record(batch: Batch) -> Record:
    """Return the state of a batch, without calls and requests."""
    return {
        "form": FORM,
        "id": batch.id,
        "name": batch.label.name,
        "functions": list(batch.label.functions),
        "tgt": batch.label.tgt,
        "tgt_type": batch.label.tgt_type,
        "paused": batch.paused,
        "pause_request": batch.pause_request,
        "masters": list(batch.masters),
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
        "results": batch.result_bytes,
        "job_count": batch.job_count,
        "jobs": [[job.number, job.call, job.at, job.jid, job.foreign] for job in batch.jobs.values()],
    }


def calls(batch: Batch) -> list[dict[str, Any]]:
    """Return the calls, which are written once, when the batch is created."""
    # Not asdict(): it cannot follow arguments that are nested deeply.
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


def chunks_of(indexes: Iterable[int]) -> set[int]:
    """Return the chunks that hold these requests."""
    return {index // CHUNK for index in indexes}


def head(stored: Mapping[str, Any]) -> Batch:
    """Return a batch with its state only."""
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
        # Earlier releases did not store these.
        label=Label(
            stored.get("name"), tuple(stored.get("functions") or ()), stored.get("tgt"), stored.get("tgt_type")
        ),
    )
    update(batch, stored)
    return batch


def update(batch: Batch, stored: Mapping[str, Any]) -> None:
    """Apply the state that another master stored."""
    batch.token = stored["token"]
    batch.status, batch.finished, batch.final = stored["status"], stored["finished"], stored["final"]
    batch.done, batch.errors, batch.canceled = stored["done"], stored["errors"], stored["canceled"]
    batch.running, batch.weight, batch.job_count = stored["running"], round(stored["weight"] * 100), stored["job_count"]
    batch.paused, batch.pause_request = stored.get("paused", False), stored.get("pause_request")
    # An earlier release, or a master that knows no other one, writes no names.
    batch.masters = tuple(stored.get("masters") or batch.masters)
    batch.result_bytes = stored.get("results", 0)  # earlier releases did not count them
    batch.jobs = {row[0]: SentJob(row[0], row[1], row[2], row[3], foreign=row[4]) for row in stored["jobs"]}


def apply_rows(batch: Batch, number: int, rows: Iterable[Row]) -> list[int]:
    """Apply one chunk that another master stored; return the indexes of the requests that changed."""
    changed = []
    for index, row in enumerate(rows, number * CHUNK):
        request = Request(*row)
        if batch.requests is not None and batch.requests[index] != request:
            batch.requests[index] = request
            changed.append(index)
    return changed


def complete(batch: Batch, stored_calls: Sequence[Mapping[str, Any]], chunks: Sequence[Sequence[Row]]) -> bool:
    """Return whether the store had the whole batch: a disk or a cache may have lost a part."""
    return sum(map(len, chunks)) == batch.total and all(row[1] < len(stored_calls) for rows in chunks for row in rows)


def fill(batch: Batch, stored_calls: Iterable[Mapping[str, Any]], chunks: Iterable[Iterable[Row]]) -> None:
    """Add calls and requests to a batch that has its state only.

    A request may be stored as sent with a job that the record does not count yet. Then the record was never written,
    so the job was not published, because that comes after it: the request is still pending. A request whose job the
    record no longer has may have run.
    """
    batch.fills += 1
    batch.calls = [Call(**stored) for stored in stored_calls]
    batch.requests = [Request(*row) for rows in chunks for row in rows]
    for job in batch.jobs.values():
        job.indexes.clear()
    for index, request in enumerate(batch.requests):
        if request.status != "sent":
            continue
        if (sent := batch.jobs.get(request.job)) is not None:
            sent.indexes[request.minion] = index
            request.jid = request.jid or sent.jid
        elif request.job > batch.job_count:
            request.status, request.job = "pending", 0
        else:
            request.status, request.result = "error", dict(UNKNOWN)
    for number in [number for number, job in batch.jobs.items() if not job.indexes]:
        del batch.jobs[number]
    batch.recount()
