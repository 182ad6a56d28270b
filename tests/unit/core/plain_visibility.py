"""The table of docs/security.md for events, written plainly: no kept answers, no indexes, one minion after the other.

What the engine does faster is compared with this.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from websocket_api.core.access.conditions import allows
from websocket_api.core.access.permissions import Permissions
from websocket_api.core.access.visibility import Viewer
from websocket_api.core.events.event import Event, encode_body
from websocket_api.core.events.tags import Kind
from websocket_api.core.jobs.job import Job

Matches = Callable[[str, str], bool]


class PlainVisibility:
    """Decides what a viewer may see of an event.

    :param job_of: the job of a jid
    :param matches: whether a target expression matches a minion at present
    """

    def __init__(self, job_of: Callable[[str], Job | None], matches: Matches) -> None:
        self._job_of = job_of
        self._matches = matches

    def view(self, viewer: Viewer, event: Event) -> bytes | None:
        """Return the visible body of the event, or None if the viewer may not see it."""
        kind, minion, auth_list = event.topic.kind, event.topic.minion or "", viewer.permissions.auth_list
        job = self._job_of(event.topic.jid or "")
        if kind is Kind.JOB_NEW:
            return self._new(viewer, job, event)
        if kind is Kind.PRESENCE:
            return self._presence(auth_list, event)
        if kind is Kind.JOB_MINION and (event.topic.believed or (job is not None and minion in job.parts)):
            shown = self._sees_part(viewer, job, minion)
        elif kind in (Kind.JOB_MINION, Kind.CUSTOM):
            shown = self.may_run(auth_list, "event.send", None, minion) or _may_see_tag(auth_list, event.tag)
        elif kind is Kind.CONTROL:
            shown = ".*" in auth_list
        elif kind in (Kind.RUN, Kind.WHEEL):
            shown = _sees_all_jobs(viewer) if job is None else self.sees_job(viewer, job) is True
        elif kind is Kind.KEY:
            shown = _may_call(auth_list, "wheel", "key.list_all")
        elif kind is Kind.OTHER:
            shown = _may_see_tag(auth_list, event.tag)
        else:
            funs = {Kind.MINION: "test.ping", Kind.REFRESH: "grains.items", Kind.BEACON: "beacons.list"}
            shown = self.may_run(auth_list, funs[kind], (), minion)
        return event.body if shown else None

    def may_run(self, auth_list: list[Any], fun: str, arg: Sequence[Any] | None, minion: str) -> bool:
        """Return whether ``fun`` may run with these arguments on this minion."""
        if ".*" in auth_list:
            return True
        if "," in fun:
            funs, given = fun.split(","), list(arg or ())
            known = [one if isinstance(one, (list, tuple)) else None for one in given] + [None] * len(funs)
            return all(self.may_run(auth_list, one, its, minion) for one, its in zip(funs, known, strict=False))
        for entry in auth_list:
            if isinstance(entry, str):
                if not entry.startswith("@") and allows((entry,), fun, arg):
                    return True
            elif len(entry) == 1:
                target, conditions = next(iter(entry.items()))
                if target.startswith("@") or not allows(_listed(conditions), fun, arg):
                    continue
                if target == "*" or self._matches(target, minion):
                    return True
        return False

    def _sees_part(self, viewer: Viewer, job: Job | None, minion: str) -> bool:
        if _sees_all_jobs(viewer) or ".*" in viewer.permissions.auth_list:
            return True
        if job is None or job.fun is None:
            return False
        if _owns(viewer, job):
            return True
        if job.reported_by not in (None, minion):
            return False
        return self.may_run(viewer.permissions.auth_list, job.fun, job.arg, minion)

    def sees_job(self, viewer: Viewer, job: Job) -> set[str] | bool:
        """Return whether the viewer may see a job; the visible minions if these are not all."""
        if _sees_all_jobs(viewer) or _owns(viewer, job) or (job.kind == "job" and ".*" in viewer.permissions.auth_list):
            return True
        if job.fun is None:
            return False
        if job.kind != "job":
            arg, named = list(job.arg or []), {}
            if arg and isinstance(arg[-1], Mapping):
                named = dict(arg.pop())
            return _may_call(viewer.permissions.auth_list, job.kind, job.fun, arg, named)
        seen = {minion for minion in job.parts if self._sees_part(viewer, job, minion)}
        return True if seen and len(seen) == len(job.parts) else seen or False

    def _new(self, viewer: Viewer, job: Job | None, event: Event) -> bytes | None:
        if job is None:
            shows: set[str] | bool = ".*" in viewer.permissions.auth_list or _sees_all_jobs(viewer)
        else:
            shows = self.sees_job(viewer, job)
        if isinstance(shows, bool):
            return event.body if shows else None
        return _cut(event, shows, ("minions", "missing"), ("tgt", "arg"))

    def _presence(self, auth_list: list[Any], event: Event) -> bytes | None:
        if ".*" in auth_list:
            return event.body
        seen = {name for name in event.minions if self.may_run(auth_list, "test.ping", (), name)}
        return _cut(event, seen, ("present", "new", "lost"), ()) if seen else None


def _owns(viewer: Viewer, job: Job) -> bool:
    if job.user != viewer.user:
        return False
    if job.eauth is not None:
        return job.eauth == viewer.eauth
    return job.user not in ("root", "salt") and not job.user.startswith("sudo_")


def _sees_all_jobs(viewer: Viewer) -> bool:
    return _may_call(viewer.permissions.auth_list, "runner", "jobs.lookup_jid")


def _may_call(
    auth_list: list[Any], client: str, fun: str, arg: Sequence[Any] = (), named: Mapping[str, Any] | None = None
) -> bool:
    return Permissions(auth_list, _NO_TARGETS).may_call(client, fun, arg, named)  # one of its own: it keeps nothing


def _may_see_tag(auth_list: list[Any], tag: str) -> bool:
    if ".*" in auth_list or "@events" in auth_list:
        return True
    patterns = [
        pattern
        for entry in auth_list
        if isinstance(entry, Mapping) and len(entry) == 1
        for pattern in _listed(entry.get("@events", []))
    ]
    return any(one.startswith("tag:") and fnmatch.fnmatchcase(tag, one[4:]) for one in patterns)


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _cut(event: Event, seen: set[str], lists: tuple[str, ...], hide: tuple[str, ...]) -> bytes:
    shown = event.decoded()
    data = {name: value for name, value in shown["data"].items() if name not in hide}
    for name in lists:
        if isinstance(data.get(name), list):
            data[name] = [minion for minion in data[name] if minion in seen]
    return encode_body(shown["seq"], shown["tag"], data, master=shown.get("master"), origin=shown.get("origin"))


class _NoTargets:
    def matches(self, expression: str, minion: str) -> bool:
        return False

    def minions(self, expression: str) -> frozenset[str]:
        return frozenset()

    def mark(self, expression: str) -> str:
        return ""


_NO_TARGETS = _NoTargets()
