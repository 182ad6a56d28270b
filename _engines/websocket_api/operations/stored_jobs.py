"""Jobs as the master's job cache has them, which the engine does not know from the bus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.events.encoding import encode, footprint
from ..core.events.function import function_of
from ..core.events.redaction import PEM_MARK, redact, redact_private_keys
from ..core.jobs.call import call_of
from ..core.jobs.job import Job
from ..core.jobs.part import RETURNED, memory_of
from ..jids import start_time
from .services import Services


async def find(services: Services, jid: str) -> Job | None:
    """Return a job from memory, else from the master's job cache."""
    job = services.jobs.get(jid)
    if job is not None and job.fun is not None and not job.restored:
        return job
    stored = await services.job_cache.job(jid)
    if stored is None:
        if job is None or job.fun is None:
            return None
        job.restored = False
        return job
    job = from_store(jid, stored)
    apply_cancels(job, services.jobs.newest_first())
    return services.jobs.add_cached(job)


async def read_missed(services: Services, limit: int) -> None:
    """Read from the job cache how jobs have gone on while the bus was lost; without it they would seem to run.

    :param limit: maximum number of jobs
    :raises ApiError: ``master_unavailable``
    """
    for jid in services.jobs.unfinished(limit):
        stored = await services.job_cache.job(jid)
        job = services.jobs.get(jid)
        if stored is not None and job is not None:
            services.jobs.add_missed(job, from_store(jid, stored))


def apply_cancels(job: Job, others: Iterable[Job]) -> None:
    """Mark the parts of a cached job that were canceled: Salt stores that only as the answers to the cancel.

    :param job: not in the registry yet
    :param others: jobs, the cancels among them
    """
    for cancel in others if job.waiting else ():
        if cancel.cancels == job.jid:
            # The answer is a sentence if the minion signaled the job, and empty if it did not run it.
            stopped = [name for name, part in cancel.parts.items() if part.state in RETURNED and part.value]
            job.give_up(stopped, "canceled", 0.0)
            job.end_time = None  # the job cache does not have it
            job.certain = not job.waiting


def from_store(jid: str, stored: Mapping[str, Any]) -> Job:
    """Return a job from its record in the job cache, without the secrets that the record contains."""
    load, returns = redact(dict(stored["load"])), stored["returns"]
    fun = function_of(load) or ""
    kind = stored["kind"]
    called = kind != "job"
    if called or stored["reported_by"] is not None:
        load["arg"] = redact({"fun_args": load.get("arg")})["fun_args"]
        returns = {name: _without_call_secrets(data) for name, data in returns.items()}
    if PEM_MARK in encode([load.get("arg"), returns]):
        load["arg"], returns = redact_private_keys(load.get("arg")), redact_private_keys(returns)
    job = Job(
        jid,
        kind=kind,
        fun=fun.removeprefix(f"{kind}.") if called else fun,
        arg=call_of(load)[1],
        tgt=load.get("tgt"),
        tgt_type=load.get("tgt_type"),
        user=load.get("user"),
        start_time=load.get("start_time") or start_time(jid),
        metadata=load.get("metadata"),
        reported_by=stored["reported_by"],
    )
    job.weigh_call(encode([job.arg, job.tgt, job.metadata]))
    if called:
        for data in returns.values():
            job.value, job.success, job.ended = data.get("return"), bool(data.get("success", True)), True
            encoded = encode(job.value)
            job.size += len(encoded)
            job.memory += footprint(encoded)
        return job
    for minion, data in returns.items():
        encoded = encode(data)
        job.apply_return(minion, data, len(encoded), 0.0, memory_of(data, encoded))
        job.end_time = None  # the job cache does not have it
    job.expect(load.get("minions") or ())
    # Minions that did not return may still run it; the record cannot tell.
    job.certain = not job.waiting
    return job


def _without_call_secrets(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Hide arguments in a return that is the event of a runner or wheel of another master with the same job cache."""
    value = data.get("return")
    if not isinstance(value, dict) or "fun_args" not in value:
        return data
    return {**data, "return": redact(value)}
