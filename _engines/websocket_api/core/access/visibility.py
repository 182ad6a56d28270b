"""Decide what users may see, by the table of docs/security.md. Each row is one function, and all use ``may_run``.

A user sees an event if Salt would show the same by a command. If this cannot be decided, it is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..events.event import Event
from ..events.reduced import reduce_body
from ..events.tags import Kind
from ..jobs.job import Job
from .permissions import LIST_KEYS, Permissions

NOBODY = frozenset({"root", "salt"})
"""Names that own no jobs, because Salt writes them for any user on the master itself."""


@dataclass(frozen=True)
class Viewer:
    """A user with permissions. Equal viewers see the same, and share the decision and the bytes."""

    user: str
    eauth: str
    permissions: Permissions
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the hash once: each event needs it."""
        object.__setattr__(self, "_hash", hash(self.key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Viewer) and self.key == other.key

    def __hash__(self) -> int:
        return self._hash

    @property
    def key(self) -> tuple[str, str, str]:
        """The key that equal viewers share."""
        return self.user, self.eauth, self.permissions.key


JobOf = Callable[[str], "Job | None"]

REQUIRED_FUNCTIONS = {
    Kind.MINION: "test.ping",
    Kind.REFRESH: "grains.items",
    Kind.BEACON: "beacons.list",
    Kind.CUSTOM: "event.send",
}
"""Functions that a user must be permitted to run on an event's minion, by kind of event."""


class Requirements(NamedTuple):
    """The permissions that can show an event to users who neither see everything nor own its job. One is enough.

    Many events have the same requirements, so :class:`.ViewerIndex` keeps who meets them.
    """

    funs: tuple[str, ...] = ()
    """To run one of these functions on the event's minion."""
    call: tuple[str, str] | None = None
    """To call this runner or wheel function."""
    tags: bool = False
    """To see its tag."""


REQUIREMENTS = {
    Kind.CONTROL: Requirements(),
    Kind.KEY: Requirements(call=LIST_KEYS),
    Kind.OTHER: Requirements(tags=True),
    **{kind: Requirements((fun,), tags=kind is Kind.CUSTOM) for kind, fun in REQUIRED_FUNCTIONS.items()},
}
"""The requirements of events that belong to no job, by kind."""


class Visibility:
    """Decides what a viewer may see.

    :param job_of: the job of a jid, as the engine knows it, never as a minion claims
    :param master_user: the user that the master runs as, who owns nothing
    """

    def __init__(self, job_of: JobOf, master_user: str) -> None:
        self._job_of = job_of
        self._nobody = NOBODY | {master_user}
        self._rows: dict[Kind, Callable[[Viewer, Event], bool]] = {
            Kind.JOB_MINION: self._job_minion,
            Kind.CONTROL: self._everything,
            Kind.RUN: self._call,
            Kind.WHEEL: self._call,
            Kind.KEY: self._keys,
            Kind.MINION: self._minion,
            Kind.REFRESH: self._minion,
            Kind.BEACON: self._minion,
            Kind.CUSTOM: self._custom,
            Kind.OTHER: self._other,
        }

    def view(self, viewer: Viewer, event: Event) -> bytes | None:
        """Return the visible body of the event, or None if the viewer may not see it."""
        kind = event.topic.kind
        if kind not in (Kind.JOB_NEW, Kind.PRESENCE):
            return event.body if self._rows[kind](viewer, event) else None
        # This checks each of possibly thousands of minions, so do it once for all subscriptions of a viewer.
        known = event.derived.visible
        if viewer not in known:
            known[viewer] = self._new(viewer, event) if kind is Kind.JOB_NEW else self._presence(viewer, event)
        return known[viewer]

    def requirements(self, event: Event) -> tuple[Requirements | None, str | None]:
        """Return what can show an event, None if each viewer must be checked; and the user who may own its job.

        They may allow more than :meth:`view` does, never less: :meth:`view` is not called for other viewers.
        """
        kind = event.topic.kind
        fixed = REQUIREMENTS.get(kind)
        if fixed is not None:
            return fixed, None
        job = self._job_of(event.topic.jid or "")
        if kind is Kind.JOB_MINION:
            funs = () if job is None or job.fun is None else (job.fun,)
            custom = Requirements((*funs, REQUIRED_FUNCTIONS[Kind.CUSTOM]), tags=True)
            requirements = Requirements(funs) if event.topic.believed else custom
        elif kind in (Kind.RUN, Kind.WHEEL) and (job is None or job.kind != "job"):
            requirements = Requirements() if job is None or job.fun is None else Requirements(call=(job.kind, job.fun))
        else:
            return None, None  # it is about many minions
        return requirements, None if job is None else job.user

    @staticmethod
    def could_see(viewer: Viewer, requirements: Requirements) -> bool:
        """Return whether a viewer could see such events whatever their minion and tag are."""
        permissions = viewer.permissions
        if permissions.everything or permissions.sees_all_jobs:
            return True
        if any(map(permissions.may_run_everywhere_somehow, requirements.funs)):
            return True
        if requirements.tags and permissions.visible_tags is True:
            return True
        return requirements.call is not None and permissions.may_call_somehow(*requirements.call)

    # Jobs

    def owns(self, viewer: Viewer, job: Job) -> bool:
        """Return whether the viewer started the job."""
        user = job.user
        if user is None or user != viewer.user:
            return False
        if job.eauth is not None:
            return job.eauth == viewer.eauth
        return user not in self._nobody and not user.startswith("sudo_")

    def sees_all_jobs(self, viewer: Viewer) -> bool:
        """Return whether the viewer may look up any job, by ``@runner`` and ``@jobs`` entries."""
        return viewer.permissions.sees_all_jobs

    def sees_part(self, viewer: Viewer, job: Job | None, minion: str) -> bool:
        """Return whether the viewer may see one minion's part of a job."""
        if self.sees_all_jobs(viewer) or viewer.permissions.everything:
            return True
        if job is None or job.fun is None:
            return False
        if self.owns(viewer, job):
            return True
        return job.reported_by in (None, minion) and viewer.permissions.may_run(job.fun, job.arg, minion)

    def sees_job(self, viewer: Viewer, job: Job) -> frozenset[str] | bool:
        """Return True for the whole job, the minions whose parts are visible, or False for nothing."""
        if self.sees_all_jobs(viewer) or self.owns(viewer, job):
            return True
        if job.kind == "job" and viewer.permissions.everything:
            return True
        if job.fun is None:
            return False
        if job.kind != "job":
            arguments, keywords = _call_arguments(job.arg)
            return viewer.permissions.may_call(job.kind, job.fun, arguments, keywords)
        if job.reported_by is not None:
            names: Set[str] = {job.reported_by} & job.parts.keys()
        elif viewer.permissions.may_see_everywhere(job.fun, job.arg):
            return bool(job.parts)  # without a look at thousands of minions
        else:
            names = job.parts.keys()
        seen = viewer.permissions.runnable(job.fun, job.arg, names)
        return True if seen and len(seen) == len(job.parts) else seen or False

    def _job_minion(self, viewer: Viewer, event: Event) -> bool:
        job, minion = self._job_of(event.topic.jid or ""), event.topic.minion or ""
        if not event.topic.believed and (job is None or minion not in job.parts):
            # A minion has only its own part of a job that targets it. Anything else is a custom event.
            return self._custom(viewer, event)
        return self.sees_part(viewer, job, minion)

    def _new(self, viewer: Viewer, event: Event) -> bytes | None:
        job = self._job_of(event.topic.jid or "")
        if job is None:
            return event.body if viewer.permissions.everything or self.sees_all_jobs(viewer) else None
        seen = self.sees_job(viewer, job)
        if isinstance(seen, bool):
            return event.body if seen else None
        return reduce_body(event, seen, ("minions", "missing"), hide=("tgt", "arg"))

    def _call(self, viewer: Viewer, event: Event) -> bool:
        job = self._job_of(event.topic.jid or "")
        # ``.*`` covers functions on minions. Functions on the master need their own entries.
        return self.sees_all_jobs(viewer) if job is None else self.sees_job(viewer, job) is True

    # Minions, keys and the rest

    def _presence(self, viewer: Viewer, event: Event) -> bytes | None:
        if viewer.permissions.everything:
            return event.body
        seen = viewer.permissions.runnable("test.ping", (), event.minion_set)
        return reduce_body(event, seen, ("present", "new", "lost")) if seen else None

    @staticmethod
    def _minion(viewer: Viewer, event: Event) -> bool:
        return viewer.permissions.may_run(REQUIRED_FUNCTIONS[event.topic.kind], (), event.topic.minion or "")

    @staticmethod
    def _everything(viewer: Viewer, event: Event) -> bool:
        return viewer.permissions.everything

    @staticmethod
    def _keys(viewer: Viewer, event: Event) -> bool:
        return viewer.permissions.lists_keys

    @staticmethod
    def _custom(viewer: Viewer, event: Event) -> bool:
        minion = event.topic.minion or ""
        permissions = viewer.permissions
        return permissions.may_run(REQUIRED_FUNCTIONS[Kind.CUSTOM], None, minion) or permissions.may_see_tag(event.tag)

    @staticmethod
    def _other(viewer: Viewer, event: Event) -> bool:
        return viewer.permissions.everything or viewer.permissions.may_see_tag(event.tag)


def _call_arguments(arg: list[Any] | None) -> tuple[list[Any], dict[str, Any]]:
    """Split a runner's or wheel's ``fun_args``. Keywords are in a last object without Salt's mark."""
    values = list(arg or [])
    if values and isinstance(values[-1], Mapping):
        return values[:-1], dict(values[-1])
    return values, {}
