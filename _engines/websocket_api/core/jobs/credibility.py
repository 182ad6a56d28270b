"""Which events about a job are believed: a minion can make the master fire any event (docs/security.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...jids import is_made_at
from ..events.event import Event
from .gathering import Gathering
from .job import Job

ANNOUNCED_SECONDS = 120.0
"""Maximum seconds between a jid and its announcement: a slow master, or another clock behind a syndic."""


def may_announce(job: Job | None, jid: str, stamp: str) -> bool:
    """Return whether an event may announce a job.

    A minion learns jids, and can make the master fire any event (docs/security.md). So it could describe a job that
    was dropped, or that started before this engine, as it likes. The master announces a job when it makes the jid.
    An announced job cannot be changed by another announcement.

    :param job: the job, if it is known
    """
    return (job is not None and job.fun is not None) or is_made_at(jid, stamp, ANNOUNCED_SECONDS)


def may_return(
    job: Job | None, minion: str, data: Mapping[str, Any], event: Event, gathering: Gathering | None, *, clustered: bool
) -> bool:
    """Return whether a minion returned by itself or through a syndic, for a job that targets it.

    :param job: the job, if it is known
    :param gathering: of the masters below; None if there are none
    :param clustered: whether the masters are one cluster
    """
    if data.get("id") != minion:
        return False
    if data.get("cmd") == "_return":
        if job is None or not is_of_its_master(job, event, clustered=clustered):
            return job is None
        return job.fun is None or minion in job.parts or minion in job.passing
    return job is not None and gathering is not None and gathering.is_passed_on(job, minion, data)


def is_of_its_master(job: Job, event: Event, *, clustered: bool) -> bool:
    """Return whether an event is of the master of its job, or of its cluster.

    A minion answers the master that sent the job, also if it is connected to others (Salt's ``minion.py``). A
    minion of another master with the same id that knows the jid must not return for it.
    """
    return clustered or job.master is None or job.master == event.master
