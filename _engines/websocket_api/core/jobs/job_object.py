"""A job as clients get it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable
from typing import Any

from .job import ENDED, Job, state_of


def job_object(
    job: Job,
    minions: Iterable[str] | None = None,
    *,
    hide_call: bool = False,
    parts: bool | Container[str] = True,
) -> dict[str, Any]:
    """Return the job object as a client gets it.

    :param minions: only these minions exist for the client; None for all
    :param hide_call: leave out target and arguments, which may name other minions
    :param parts: whether to include the minions' parts, or those of which minions; the counts include all
    """
    seen = job.parts if minions is None else {name: job.parts[name] for name in minions if name in job.parts}
    # Called for each chunk of a large job: one pass, and a second only while some minions run.
    states, total = Counter(part.state for part in seen.values()), len(seen)
    done = sum(states[state] for state in ENDED)
    if job.kind == "job":
        running = sum(part.progress for part in seen.values() if part.state not in ENDED) if done < total else 0.0
        progress = round((100.0 * done + running) / total, 1) if total else (100.0 if job.ended else 0.0)
        # A viewer of some parts gets the state of those, unless it is unknown whether they still run.
        own = job.ended and job.fun is not None if minions is None else job.ended or job.certain
        state = state_of(states) if own else job.state
    else:
        progress = 100.0 if job.ended else 0.0
        state = job.state
    value: dict[str, Any] = {
        "kind": job.kind,
        "jid": job.jid,
        "fun": job.fun,
        "arg": None if hide_call else job.arg,
        "tgt": None if hide_call else job.tgt,
        "tgt_type": job.tgt_type,
        "user": job.user,
        "start_time": job.start_time,
        "end_time": job.end_time,
        "metadata": job.metadata,
        "state": state,
        "total": total,
        "done": done,
        "failed": states["failed"],
        "missing": states["missing"],
        "canceled": states["canceled"],
        "progress": progress,
    }
    if job.master is not None:
        value["master"] = job.master
    if job.kind != "job":
        value["return"], value["success"] = job.value, job.success
    if parts is not False:
        if isinstance(parts, Collection) and len(parts) < total:
            wanted = [name for name in parts if name in seen]
        else:
            wanted = [name for name in seen if parts is True or name in parts]
        value["minions"] = {name: seen[name].to_dict() for name in wanted}
    return value
