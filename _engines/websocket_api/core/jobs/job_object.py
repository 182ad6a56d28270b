"""A job as clients get it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable
from typing import Any

from ..weighed import Weighed
from .job import Job
from .part import ENDED, Part, state_of


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
    # Called for each chunk of a large job: without a look at each part where all are visible.
    if minions is None:
        seen, states, running = job.parts, job.states, job.running_progress
    else:
        seen = {name: job.parts[name] for name in minions if name in job.parts}
        states = dict(Counter([part.state for part in seen.values()]))
        running = sum([part.progress for part in seen.values() if part.state not in ENDED])
    total, done = len(seen), sum([states.get(state, 0) for state in ENDED])
    if job.kind == "job":
        progress = round((100.0 * done + running) / total, 1) if total else (100.0 if job.ended else 0.0)
        # A viewer of some parts gets the state of those, unless it is unknown whether they still run.
        own = job.ended and job.fun is not None if minions is None else job.ended or job.certain
        state = state_of(states.keys()) if own else job.state
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
        "failed": states.get("failed", 0),
        "missing": states.get("missing", 0),
        "canceled": states.get("canceled", 0),
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
        value["minions"] = part_objects({name: seen[name] for name in wanted})
    return value


def part_objects(parts: dict[str, Part], *, without_return: bool = False) -> Weighed:
    """Return the parts of a job as a client gets them.

    :param without_return: leave out what the minions returned
    """
    objects = {name: part.to_dict() for name, part in parts.items()}
    if not without_return:
        return Weighed(objects, [part.values for part in parts.values()])
    for value in objects.values():
        del value["return"]
    return Weighed(objects, [part.values_without_return for part in parts.values()])
