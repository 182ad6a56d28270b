"""Decide what users may see, by the table of docs/security.md. Each row is one function, and all use ``may_run``.

A user sees an event if Salt would show the same by a command. If this cannot be decided, it is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..events.event import Event, encode_body
from ..events.tags import Kind
from ..jobs.job import Job
from .permissions import Permissions

NOBODY = frozenset({"root", "salt"})
"""Names that own no jobs, because Salt writes them for any user on the master itself."""


@dataclass(frozen=True)
class Viewer:
    """A user with permissions. Equal viewers see the same, and share the decision and the bytes."""

    user: str
    eauth: str
    permissions: Permissions

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Viewer) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> tuple[str, str, str]:
        """The key that equal viewers share."""
        return self.user, self.eauth, self.permissions.key


JobOf = Callable[[str], "Job | None"]


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
            Kind.MINION: self._minion("test.ping"),
            Kind.REFRESH: self._minion("grains.items"),
            Kind.BEACON: self._minion("beacons.list"),
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
        return viewer.permissions.may_call("runner", "jobs.lookup_jid")

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
        names = job.parts if job.reported_by is None else {job.reported_by} & job.parts.keys()
        seen = frozenset(viewer.permissions.runnable(job.fun, job.arg, names))
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
        return _cut(event, seen, ("minions", "missing"), hide=("tgt", "arg"))

    def _call(self, viewer: Viewer, event: Event) -> bool:
        job = self._job_of(event.topic.jid or "")
        # ``.*`` covers functions on minions. Functions on the master need their own entries.
        return self.sees_all_jobs(viewer) if job is None else self.sees_job(viewer, job) is True

    # Minions, keys and the rest

    def _presence(self, viewer: Viewer, event: Event) -> bytes | None:
        if viewer.permissions.everything:
            return event.body
        seen = frozenset(name for name in event.minions if viewer.permissions.may_run("test.ping", (), name))
        return _cut(event, seen, ("present", "new", "lost")) if seen else None

    @staticmethod
    def _minion(fun: str) -> Callable[[Viewer, Event], bool]:
        return lambda viewer, event: viewer.permissions.may_run(fun, (), event.topic.minion or "")

    @staticmethod
    def _everything(viewer: Viewer, event: Event) -> bool:
        return viewer.permissions.everything

    @staticmethod
    def _keys(viewer: Viewer, event: Event) -> bool:
        return viewer.permissions.may_call("wheel", "key.list_all")

    @staticmethod
    def _custom(viewer: Viewer, event: Event) -> bool:
        minion = event.topic.minion or ""
        return viewer.permissions.may_run("event.send", None, minion) or viewer.permissions.may_see_tag(event.tag)

    @staticmethod
    def _other(viewer: Viewer, event: Event) -> bool:
        return viewer.permissions.everything or viewer.permissions.may_see_tag(event.tag)


def _cut(event: Event, seen: frozenset[str], lists: tuple[str, ...], hide: tuple[str, ...] = ()) -> bytes:
    """Return the event's body with only the visible minions in its lists."""
    known, key = event.derived.cut, (seen, hide)
    made = known.get(key)
    if made is None:
        shown = event.decoded()
        data: dict[str, Any] = {name: value for name, value in shown["data"].items() if name not in hide}
        for name in lists:
            if isinstance(data.get(name), list):
                data[name] = [minion for minion in data[name] if minion in seen]
        made = known[key] = encode_body(  # no minion sent it
            shown["seq"], shown["tag"], data, master=shown.get("master"), origin=shown.get("origin")
        )
    return made


def _call_arguments(arg: list[Any] | None) -> tuple[list[Any], dict[str, Any]]:
    """Split a runner's or wheel's ``fun_args``. Keywords are in a last object without Salt's mark."""
    values = list(arg or [])
    if values and isinstance(values[-1], Mapping):
        return values[:-1], dict(values[-1])
    return values, {}
