"""Jobs in the format of Salt's runner ``jobs``, which salt-api's clients expect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...core.delivery.chunked_encoding import JSON_WRITER, encoded_chunks
from ...core.jobs.job_object_cache import CachedJobObject
from ...core.jobs.part import RETURNED

FORMAT = "salt-api"
"""The name of this format in the cache of job objects."""
JOBS_PER_CHUNK = 200
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def job_list(jobs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return jobs by jid, as ``jobs.list_jobs`` does."""
    return {job["jid"]: _summary(job) for job in jobs}


def job_list_steps(jobs: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield ``{"return": [job_list(jobs)]}`` as JSON, in chunks that take a short time each.

    The entry of a job is cached with its object until the job changes.
    """
    yield b'{"return":[{'
    separator = b""
    for start in range(0, len(jobs), JOBS_PER_CHUNK):
        entries = []
        for job in jobs[start : start + JOBS_PER_CHUNK]:
            entry = job.encoded.get(FORMAT) if isinstance(job, CachedJobObject) else None
            if entry is None:
                parts = []
                for part in encoded_chunks(job_list([job]), JSON_WRITER):
                    parts.append(part)
                    yield b""
                entry = b"".join(parts)[1:-1]
                if isinstance(job, CachedJobObject):
                    job.keep(FORMAT, entry)
            entries.append(entry)
        yield separator + b",".join(entries)
        separator = b","
    yield b"}]}"


def job_info(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job as ``jobs.list_job`` does; the return of a runner or wheel is under ``master``."""
    if job["kind"] == "job":
        minions = job["minions"]
        returned = {name: _result(minion) for name, minion in minions.items() if minion["state"] in RETURNED}
    else:
        minions = {}
        ended = job["state"] in ("complete", "failed")
        returned = {"master": {"return": job["return"], "success": bool(job["success"])}} if ended else {}
    return {"jid": job["jid"], **_summary(job), "Minions": sorted(minions), "Result": returned}


def _summary(job: Mapping[str, Any]) -> dict[str, Any]:
    prefix = "" if job["kind"] == "job" else f"{job['kind']}."
    return {
        "Function": f"{prefix}{job['fun'] or 'unknown-function'}",
        "Arguments": job["arg"] or [],
        "Target": job["tgt"] if job["tgt"] is not None else "unknown-target",
        "Target-type": job["tgt_type"] or "list",
        "User": job["user"] or "root",
        "StartTime": _start_time(job["jid"]),
    } | ({"Metadata": job["metadata"]} if job["metadata"] is not None else {})


def _result(minion: Mapping[str, Any]) -> dict[str, Any]:
    return {name: minion[name] for name in ("return", "retcode", "success")}


def _start_time(jid: str) -> str:
    """Return the time in a jid as Salt formats it: ``2014, Nov 03 07:33:12.975821``."""
    month = MONTHS[min(max(int(jid[4:6]), 1), 12) - 1]
    return f"{jid[:4]}, {month} {jid[6:8]} {jid[8:10]}:{jid[10:12]}:{jid[12:14]}.{jid[14:20]}"
